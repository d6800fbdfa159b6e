//! Where metrics come from: what a source is, and those that there are.
//!
//! A new source is a file (or folder) here that implements [`Source`], its section in the configuration, and its line in
//! [`connect`].

pub mod cloudwatch;
pub mod prometheus;
mod source;

use std::sync::Arc;

use crate::{
    config::{Config, SourceKind},
    domain::Target,
    peers::Peers,
};
use cloudwatch::CloudWatchSource;
use prometheus::PrometheusSource;
pub use source::{Measured, Reading, Sampling, Source, Unmeasured};

/// The source that the configuration names, of these targets; it connects at the first reading.
///
/// # Errors
/// A configuration that can't be used.
pub fn connect(
    config: &Config,
    targets: Arc<[Target]>,
    peers: &Peers,
) -> anyhow::Result<Arc<dyn Source>> {
    Ok(match config.source {
        SourceKind::Prometheus => Arc::new(PrometheusSource::new(&config.prometheus, targets)?),
        SourceKind::Cloudwatch => Arc::new(CloudWatchSource::new(
            &config.cloudwatch,
            config.tick_interval_seconds,
            Arc::clone(&peers.actuator),
        )),
    })
}
