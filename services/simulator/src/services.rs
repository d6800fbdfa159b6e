//! The four services in this process, without a socket between them.
//!
//! On a runtime of one thread the same world gives the same run, to the byte: everything waits for the world's clock, and
//! what a step of it woke is done before the next one.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use common::{
    clock::{ManualClock, SharedClock},
    grpc::{GrpcServer, Wire, outgoing},
};
use proto::{
    decision::v1::decision_service_server::{self, DecisionServiceServer},
    scheduler::v1::{
        EventKind, RunTickRequest, TargetResult, WatchEventsRequest, WatchEventsResponse,
        scheduler_service_client::SchedulerServiceClient,
    },
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{source::FleetSource, world::World};

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
    ended: mpsc::UnboundedReceiver<TargetResult>,
    running_resizes: usize,
    /// The actuator's: nothing but its resizes waits by it.
    actuator_clock: ManualClock,
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
        let (sender, ended) = mpsc::unbounded_channel();
        tasks.spawn(tell_ends(events.into_inner(), sender, stop.clone()));
        Ok(Self {
            scheduler,
            ended,
            running_resizes: 0,
            actuator_clock,
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
        let started = |result: &&TargetResult| result.action_taken == "started";
        self.running_resizes += results.iter().filter(started).count();
        Ok(results)
    }

    /// Lets every resize do what it has to do at this time, until each waits for a later one or has ended; call it when
    /// time has passed. Returns those that ended.
    pub async fn settle(&mut self) -> Vec<TargetResult> {
        let mut ended = Vec::new();
        while self.running_resizes > 0 {
            tokio::select! {
                biased;
                Some(result) = self.ended.recv() => {
                    self.running_resizes -= 1;
                    ended.push(result);
                }
                () = self.actuator_clock.until_asleep(self.running_resizes) => break,
            }
        }
        ended
    }

    /// Ends them.
    pub async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn tell_ends(
    mut events: tonic::Streaming<WatchEventsResponse>,
    sender: mpsc::UnboundedSender<TargetResult>,
    stop: CancellationToken,
) {
    let listening = async {
        while let Ok(Some(event)) = events.message().await {
            let ended = event.kind() == EventKind::ResizeFinished;
            if let (true, Some(result)) = (ended, event.result) {
                // Nobody may listen any more.
                let _ = sender.send(result);
            }
        }
    };
    let _ = stop.run_until_cancelled(listening).await;
}
