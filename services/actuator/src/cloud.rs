//! What the actuator needs of a cloud, in its own words, as four traits: [`machines`], their [`types`], the [`account`],
//! and [`commands`] on machines. `aws.rs` is the real one, and `limited.rs` stands before it.

pub mod account;
#[cfg(feature = "aws")]
pub mod aws;
mod bindings;
pub mod commands;
mod error;
mod instance;
pub(crate) mod limited;
pub mod machines;
mod operation;
pub mod quota;
pub mod requests;
pub mod types;

use std::sync::Arc;

use crate::config::Config;

pub use self::{
    account::{Account, GroupMember},
    bindings::{Abilities, Bindings},
    commands::{CommandStatus, Commands, Delivery, Document, Script, Standing},
    error::{CloudError, ErrorKind},
    instance::{Checks, Instance, InstanceState, InstanceStatus},
    machines::{DESCRIBED_AT_ONCE, Machines},
    operation::{Mutation, Operation},
    quota::{VcpuQuota, VcpuUse, family},
    types::{InstanceType, Types},
};

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
    Ok(Arc::new(aws::connect(config).await))
}

/// No cloud: the program was built without AWS.
///
/// # Errors
/// Always.
#[cfg(not(feature = "aws"))]
pub async fn connect(_: &Config) -> Result<Arc<dyn Cloud>, WithoutAws> {
    Err(WithoutAws)
}

/// The whole of a cloud, for who needs all four.
pub trait Cloud: Machines + Types + Account + Commands {}

impl<T: Machines + Types + Account + Commands> Cloud for T {}
