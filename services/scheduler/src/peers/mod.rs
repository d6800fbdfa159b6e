//! The three services behind the scheduler, each behind a trait in a file of its own with its conversions.
//!
//! Every call carries a deadline and the trace. All of them may be repeated safely (by id, by key, or because they only
//! read), so all are repeated while the service is unavailable, within the deadline.

mod actuator;
mod decision;
mod failure;
mod link;
mod predictor;

use std::sync::Arc;

use common::clock::SharedClock;

use crate::config::Config;
pub use actuator::Actuator;
pub use decision::DecisionService;
pub use failure::{CallError, Failure};
pub use link::ServiceState;
pub use predictor::Predictor;

/// The services behind the scheduler.
#[derive(Clone)]
pub struct Peers {
    /// The service that forecasts.
    pub predictor: Arc<dyn Predictor>,
    /// The service that decides, and keeps the lease.
    pub decision: Arc<dyn DecisionService>,
    /// The service that describes and resizes instances.
    pub actuator: Arc<dyn Actuator>,
}

impl Peers {
    /// Connects to all at their first call.
    ///
    /// # Errors
    /// A URL that tonic can't use.
    pub fn connect(config: &Config, clock: SharedClock) -> anyhow::Result<Self> {
        let link = |service, key, url| link::Link::new(service, key, url, config.call_timeout());
        Ok(Self {
            predictor: Arc::new(predictor::PredictorClient::new(link(
                "predictor",
                "scheduler.predictor_url",
                &config.predictor_url,
            )?)),
            decision: Arc::new(decision::DecisionClient::new(link(
                "decision",
                "scheduler.decision_url",
                &config.decision_url,
            )?)),
            actuator: Arc::new(actuator::ActuatorClient::new(
                link("actuator", "scheduler.actuator_url", &config.actuator_url)?,
                clock,
            )),
        })
    }

    /// The health of all three, asked for at the same time.
    pub async fn health(&self) -> Vec<ServiceState> {
        let asked = [
            self.predictor.health(),
            self.decision.health(),
            self.actuator.health(),
        ];
        futures::future::join_all(asked).await
    }
}
