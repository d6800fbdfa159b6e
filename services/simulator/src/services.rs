//! The four services in this process, without a socket between them.
//!
//! On a runtime of one thread the same world gives the same run, to the byte: everything waits for the world's clock, and
//! what a step of it woke is done before the next one.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use common::{
    clock::SharedClock,
    grpc::{GrpcServer, Wire},
    metadata::outgoing,
};
use proto::{
    decision::v1::decision_service_server::{self, DecisionServiceServer},
    scheduler::v1::{
        RunTickRequest, TargetResult, WatchEventsRequest,
        scheduler_service_client::SchedulerServiceClient,
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{resizes::Resizes, source::FleetSource, world::World};

/// Patience with a tick.
const TICK_TIMEOUT: Duration = Duration::from_secs(600);

/// Sections of the configuration.
#[derive(Clone, Debug)]
pub struct Configuration {
    pub predictor: predictor::Config,
    pub policy: decision::Policy,
    pub actuator: actuator::Config,
    pub scheduler: scheduler::Config,
}

/// The running services.
#[derive(Debug)]
pub struct Services {
    scheduler: SchedulerServiceClient<Wire>,
    resizes: Resizes,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Services {
    /// Starts them in this world.
    ///
    /// # Errors
    /// What one of them can't use.
    pub async fn start(configuration: Configuration, world: &World) -> anyhow::Result<Self> {
        let Configuration {
            predictor,
            policy,
            actuator,
            scheduler,
        } = configuration;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let clock: SharedClock = Arc::new(world.clock().clone());
        let deps = predictor::Deps {
            clock: Arc::clone(&clock),
        };
        let predictor = predictor::in_process(predictor, deps).await?;
        let deps = decision::Deps {
            clock: Arc::clone(&clock),
        };
        let decision = decision::in_memory(policy, deps).await?;
        let decision = GrpcServer::always_ready(decision_service_server::SERVICE_NAME)
            .with_service(DecisionServiceServer::new(decision))
            .in_process()
            .await;
        let actuator_clock = world.clock().counted_apart();
        let deps = actuator::Deps {
            clock: Arc::new(actuator_clock.clone()),
            cloud: Arc::new(world.cloud().clone()),
        };
        let (actuator, work) = actuator::in_process(actuator, deps, stop.clone()).await?;
        tasks.spawn(work);
        let ways = scheduler::Ways {
            predictor,
            decision,
            actuator,
        };
        let source = FleetSource::new(world.fleet(), scheduler.prometheus.clone());
        let deps = scheduler::Deps {
            peers: scheduler::Peers::within(ways, &scheduler, Arc::clone(&clock)),
            source: Arc::new(source),
            clock,
        };
        let (way, work) = scheduler::in_process(scheduler, deps, stop.clone()).await?;
        tasks.spawn(work);
        let mut scheduler = SchedulerServiceClient::new(way);
        let events = scheduler.watch_events(WatchEventsRequest::default());
        let events = events.await.context("the scheduler does not start")?;
        Ok(Self {
            scheduler,
            resizes: Resizes::of(events.into_inner(), actuator_clock),
            stop,
            tasks,
        })
    }

    /// Runs a tick; what came of each target.
    ///
    /// # Errors
    /// The scheduler can't run one.
    pub async fn tick(&mut self) -> anyhow::Result<Vec<TargetResult>> {
        let request = outgoing(RunTickRequest::default(), TICK_TIMEOUT);
        let answer = self.scheduler.run_tick(request).await?.into_inner();
        let results = answer.tick.unwrap_or_default().results;
        for result in &results {
            self.resizes.note(result);
        }
        Ok(results)
    }

    /// Lets every resize do what it has to do at this time; call it when time has passed. Returns those that ended.
    pub async fn settle(&mut self) -> Vec<TargetResult> {
        self.resizes.settle().await
    }

    /// Ends them.
    pub async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
