//! The cloud of the configuration, in a program that was built with it.

use std::sync::Arc;

use crate::{cloud::Cloud, config::Config};

/// A program that was built without AWS was asked for it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "this program was built for the demo, without AWS (the feature `aws` of its package); `cargo build --release` builds all of it"
)]
pub struct WithoutAws;

/// The cloud of the configuration, which is AWS.
///
/// # Errors
/// The program was built without it.
#[cfg(feature = "aws")]
pub async fn connect(config: &Config) -> Result<Arc<dyn Cloud>, WithoutAws> {
    Ok(Arc::new(crate::cloud::aws::connect(config).await))
}

/// No cloud: the program was built without AWS.
///
/// # Errors
/// Always.
#[cfg(not(feature = "aws"))]
pub async fn connect(_: &Config) -> Result<Arc<dyn Cloud>, WithoutAws> {
    Err(WithoutAws)
}
