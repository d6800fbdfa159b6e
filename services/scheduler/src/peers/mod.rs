//! The three services behind the scheduler, each behind a trait in a file of its own with its conversions.
//!
//! Every call carries a deadline and the trace. All of them may be repeated safely (by id, by key, or because they only
//! read), so all are repeated while the service is unavailable, within the deadline.

mod actuator;
mod decision;
mod failure;
mod link;
mod predictor;

use std::{fmt, sync::Arc};

use common::{clock::SharedClock, grpc::Wire};

use crate::config::Config;
pub use actuator::Actuator;
pub use decision::DecisionService;
pub use failure::{CallError, Failure};
pub use link::ServiceState;
pub use predictor::Predictor;

use self::link::Link;

/// A service, and the key of its URL.
type Named = (&'static str, &'static str);
const PREDICTOR: Named = ("predictor", "scheduler.predictor_url");
const DECISION: Named = ("decision", "scheduler.decision_url");
const ACTUATOR: Named = ("actuator", "scheduler.actuator_url");

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

/// Ways into services of this process.
#[derive(Clone, Debug)]
pub struct Ways {
    pub predictor: Wire,
    pub decision: Wire,
    pub actuator: Wire,
}

impl fmt::Debug for Peers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Peers").finish_non_exhaustive()
    }
}

impl Peers {
    /// Connects to all at their first call.
    ///
    /// # Errors
    /// A URL that tonic can't use.
    pub fn connect(config: &Config, clock: SharedClock) -> anyhow::Result<Self> {
        let link = |(service, key), url| Link::new(service, key, url, config.call_timeout());
        let links = [
            link(PREDICTOR, &config.predictor_url)?,
            link(DECISION, &config.decision_url)?,
            link(ACTUATOR, &config.actuator_url)?,
        ];
        Ok(Self::over(links, clock))
    }

    /// Calls services of this process.
    pub fn within(ways: Ways, config: &Config, clock: SharedClock) -> Self {
        let link = |(service, key), way| Link::within(service, key, way, config.call_timeout());
        let links = [
            link(PREDICTOR, ways.predictor),
            link(DECISION, ways.decision),
            link(ACTUATOR, ways.actuator),
        ];
        Self::over(links, clock)
    }

    fn over([predictor, decision, actuator]: [Link; 3], clock: SharedClock) -> Self {
        Self {
            predictor: Arc::new(predictor::PredictorClient::new(predictor)),
            decision: Arc::new(decision::DecisionClient::new(decision)),
            actuator: Arc::new(actuator::ActuatorClient::new(actuator, clock)),
        }
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
