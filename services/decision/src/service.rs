//! One method for each thing that the service does: a transaction around the pure parts.

mod actions;
pub mod error;
pub mod history;
mod leases;
pub mod metrics;
pub mod pauses;
pub mod policies;
pub mod reviews;
mod stopwatch;
pub mod targets;
mod together;
mod upkeep;
mod waiting;

use std::sync::{Arc, Mutex};

use common::clock::SharedClock;
use jiff::Timestamp;

use crate::{
    fleet::quota::Quota,
    policy::document::Policy,
    service::{metrics::Metrics, stopwatch::Stopwatches, waiting::Together},
    store::{SharedStore, error::StoreError},
};

/// The service without its wire.
#[derive(Clone, Debug)]
pub struct Service {
    store: SharedStore,
    clock: SharedClock,
    stopwatches: Stopwatches,
    configured: Policy,
    /// The configuration's policy decides, whatever was applied.
    pinned: bool,
    quota: Arc<Mutex<Quota>>,
    together: Arc<Together>,
    metrics: Metrics,
}

/// What a service is told besides the policy.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Nothing may be applied over the configuration's policy.
    pub pinned: bool,
    /// Decisions that whoever holds the lease may have stored in a minute.
    pub decisions_per_minute: u32,
}

/// Days that decisions are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Decisions to act.
    pub actions_days: u32,
    /// Decisions to hold.
    pub holds_days: u32,
}

impl Service {
    /// A service over an open store; `configured` decides until a policy is applied.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn new(
        store: SharedStore,
        clock: SharedClock,
        configured: Policy,
        rules: Rules,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let service = Self {
            store,
            stopwatches: Stopwatches::new(clock.clone()),
            clock,
            configured,
            pinned: rules.pinned,
            quota: Arc::new(Mutex::new(Quota::new(rules.decisions_per_minute))),
            together: Arc::default(),
            metrics,
        };
        service.restart_timers().await?;
        service.refresh_gauges().await?;
        Ok(service)
    }

    /// Wall time, to the microsecond that the store keeps.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[cfg(test)]
pub(crate) mod tests;
