//! All four services in one process, over real loopback gRPC: nothing is different from running them apart.

use std::{future::Future, sync::Arc};

use actuator::Leave;
use anyhow::Context as _;
use common::{
    clock::{SharedClock, SystemClock},
    grpc::local_url,
    listen::BindError,
    unserved::{self, Addresses},
};
use tokio_util::sync::CancellationToken;

use crate::{configuration::Configuration, sockets::Sockets};

/// What the services act on: the real world, or the demo's.
pub struct World {
    pub clock: SharedClock,
    pub actuator: actuator::Deps,
}

/// Serves on the configured addresses, on the machine's clock and on AWS, until `shutdown`.
///
/// # Errors
/// A part that can't run, such as one whose address is taken. It is said at once; this ends when nothing is down any more.
pub async fn serve_all(
    configuration: Configuration,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if let Err(error) = configuration.window_holds_the_evidence() {
        tracing::warn!("{error}");
    }
    let sockets = Sockets::bind(&configuration).await;
    let clock: SharedClock = Arc::new(SystemClock);
    let world = World {
        clock: Arc::clone(&clock),
        actuator: actuator::Deps {
            clock,
            cloud: actuator::connect(&configuration.actuator).await?,
        },
    };
    serve(configuration, sockets, world, shutdown).await
}

/// Serves until `shutdown`. The scheduler ends first: a tick that finishes needs the other three. The actuator starts
/// first, and when another part can't run it ends last: once no machine is down any more.
///
/// # Errors
/// The first part that can't run.
pub async fn serve(
    mut configuration: Configuration,
    sockets: Sockets,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Sockets {
        predictor,
        decision,
        actuator,
        scheduler,
        http,
    } = sockets;
    // In one process the services find each other where they really listen.
    configuration.scheduler.predictor_url = local_url(predictor.grpc);
    configuration.scheduler.decision_url = local_url(decision.grpc);
    configuration.scheduler.actuator_url = local_url(actuator.grpc);

    let front = shutdown.child_token();
    let leave = Leave::from(CancellationToken::new());
    let back = leave.now.clone();
    let World {
        clock,
        actuator: deps,
    } = world;
    let hands = tokio::spawn(actuator::serve_or_bring_up(
        configuration.actuator,
        deps,
        actuator.listeners,
        leave.clone(),
    ));
    let parts = Parts {
        leave,
        front: front.clone(),
    };
    let predictor = parts.run(
        PREDICTOR,
        Addresses {
            grpc: predictor.grpc,
            http: None,
        },
        predictor.listeners,
        |listeners| {
            let clock = Arc::clone(&clock);
            let deps = predictor::Deps { clock };
            predictor::serve(configuration.predictor, deps, listeners, back.clone())
        },
    );
    let decision = parts.run(
        DECISION,
        Addresses {
            grpc: decision.grpc,
            http: None,
        },
        decision.listeners,
        |listeners| {
            let clock = Arc::clone(&clock);
            let deps = decision::Deps { clock };
            let (config, policy) = (configuration.decision, configuration.policy);
            decision::serve(config, policy, deps, listeners, back.clone())
        },
    );
    let scheduler = async {
        let clock = Arc::clone(&clock);
        let ended = parts.run(
            SCHEDULER,
            Addresses {
                grpc: scheduler.grpc,
                http: Some(http),
            },
            scheduler.listeners,
            |listeners| {
                let (config, front) = (configuration.scheduler, front.clone());
                async move {
                    let deps = scheduler::Deps::connect(&config, clock)?;
                    scheduler::serve(config, deps, listeners, front).await
                }
            },
        );
        let result = ended.await;
        back.cancel();
        result
    };
    let hands = async {
        let result = hands.await;
        front.cancel();
        result.context("actuator")?.context("actuator")
    };
    let results = tokio::join!(predictor, decision, hands, scheduler);
    // A part that broke says more than one that was told to end.
    results.0.and(results.1).and(results.2).and(results.3)
}

/// A part of the process: its name, and its service's.
#[derive(Clone, Copy)]
struct Part {
    name: &'static str,
    service: &'static str,
}

const PREDICTOR: Part = Part {
    name: "predictor",
    service: predictor::SERVICE,
};
const DECISION: Part = Part {
    name: "decision",
    service: proto::decision::v1::decision_service_server::SERVICE_NAME,
};
const SCHEDULER: Part = Part {
    name: "scheduler",
    service: proto::scheduler::v1::scheduler_service_server::SERVICE_NAME,
};

/// The parts beside the actuator.
struct Parts {
    leave: Leave,
    front: CancellationToken,
}

impl Parts {
    /// Runs one. When it can't run, that is said, the actuator is asked to bring up what is down, and health says
    /// meanwhile that this part does not serve.
    ///
    /// # Errors
    /// Why it can't run, with its name.
    fn run<L, Fut>(
        &self,
        part: Part,
        addresses: Addresses,
        listeners: Result<L, BindError>,
        serve: impl FnOnce(L) -> Fut,
    ) -> impl Future<Output = anyhow::Result<()>>
    where
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        // A task of its own: a panic is an error like others.
        let running = listeners.map(|listeners| tokio::spawn(serve(listeners)));
        let Self { leave, front } = self;
        let (leave, front) = (leave.clone(), front.clone());
        async move {
            let ended = match running {
                Ok(running) => running.await.map_err(Into::into).flatten(),
                Err(taken) => Err(taken.into()),
            };
            let Err(error) = ended else {
                front.cancel();
                return Ok(());
            };
            tracing::error!("{}: {error:#}; {}", part.name, actuator::WHAT_FOLLOWS);
            leave.once_up.cancel();
            // The scheduler, too, waits for the actuator's end: that is what ends the front.
            let why = format!("{}: {error:#}", part.name);
            unserved::serve(part.service, addresses, why, front).await;
            Err(error.context(part.name))
        }
    }
}
