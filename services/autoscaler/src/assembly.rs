//! All four services in one process, over real loopback gRPC: nothing is different from running them apart.

use std::{future::Future, sync::Arc};

use actuator::Cloud;
use anyhow::Context as _;
use common::{
    clock::{SharedClock, SystemClock},
    config::{ConfigError, Settings, invalid},
    grpc::local_url,
    listen::{self, BindError, Listeners},
};
use scheduler::SchedulerListeners;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The sections of the four services.
#[derive(Clone, Debug, Serialize)]
pub struct Configuration {
    pub predictor: predictor::Config,
    pub policy: decision::Policy,
    pub decision: decision::Config,
    pub actuator: actuator::Config,
    pub scheduler: scheduler::Config,
}

impl Configuration {
    /// Reads and validates each.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            predictor: predictor::Config::read(settings)?,
            policy: decision::Policy::read(settings)?,
            decision: decision::Config::read(settings)?,
            actuator: actuator::Config::read(settings)?,
            scheduler: scheduler::Config::read(settings)?,
        })
    }

    /// No type ever becomes smaller where less history is read than is asked for. Not a reason to refuse to run: the way up
    /// needs none.
    ///
    /// # Errors
    /// Both keys, and what would do.
    pub fn window_holds_the_evidence(&self) -> Result<(), ConfigError> {
        let prometheus = &self.scheduler.prometheus;
        let asked = self.policy.down_history_seconds;
        // The first and the last sample may each lie a step inside the window.
        let needed = match asked {
            0 => 0,
            asked => asked.saturating_add(2 * prometheus.step_seconds),
        };
        if prometheus.window_seconds >= needed {
            return Ok(());
        }
        Err(invalid(
            "scheduler.prometheus.window_seconds",
            format!(
                "{} is too short for policy.down_history_seconds ({asked}): with less history than that no type becomes \
                 smaller; read at least {needed}, or ask for less",
                prometheus.window_seconds
            ),
        ))
    }
}

/// The sockets of all four, bound before anything starts.
pub struct Sockets {
    pub predictor: Listeners,
    pub decision: Listeners,
    pub actuator: Listeners,
    pub scheduler: SchedulerListeners,
}

impl Sockets {
    /// Binds what the configuration says.
    ///
    /// # Errors
    /// The first address that is taken.
    pub async fn bind(configuration: &Configuration) -> Result<Self, BindError> {
        let Configuration {
            predictor,
            decision,
            actuator,
            scheduler,
            ..
        } = configuration;
        Ok(Self {
            predictor: Listeners::bind(predictor.listen, predictor.metrics_listen).await?,
            decision: Listeners::bind(decision.listen, decision.metrics_listen).await?,
            actuator: Listeners::bind(actuator.listen, actuator.metrics_listen).await?,
            scheduler: SchedulerListeners {
                service: Listeners::bind(scheduler.listen, scheduler.metrics_listen).await?,
                http: listen::bind(scheduler.http_listen, "HTTP").await?,
            },
        })
    }
}

/// What the services act on: the real world, or the demo's.
pub struct World {
    pub clock: SharedClock,
    pub cloud: Arc<dyn Cloud>,
}

/// Serves on the configured addresses, on the machine's clock and on AWS, until `shutdown`.
///
/// # Errors
/// An address that is taken, or the first service that can't run.
pub async fn serve_all(
    configuration: Configuration,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if let Err(error) = configuration.window_holds_the_evidence() {
        tracing::warn!("{error}");
    }
    let sockets = Sockets::bind(&configuration).await?;
    let world = World {
        clock: Arc::new(SystemClock),
        cloud: Arc::new(actuator::aws::connect(&configuration.actuator).await),
    };
    serve(configuration, sockets, world, shutdown).await
}

/// Serves until `shutdown`. The scheduler ends first: a tick that finishes needs the other three.
///
/// # Errors
/// The first service that can't run; the others are then shut down.
pub async fn serve(
    mut configuration: Configuration,
    sockets: Sockets,
    world: World,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // In one process the services find each other where they really listen.
    configuration.scheduler.predictor_url = local_url(sockets.predictor.grpc.local_addr()?);
    configuration.scheduler.decision_url = local_url(sockets.decision.grpc.local_addr()?);
    configuration.scheduler.actuator_url = local_url(sockets.actuator.grpc.local_addr()?);

    let front = shutdown.child_token();
    let back = CancellationToken::new();
    let World { clock, cloud } = world;
    let predictor = spawn(predictor::serve(
        configuration.predictor,
        predictor::Deps {
            clock: Arc::clone(&clock),
        },
        sockets.predictor,
        back.clone(),
    ));
    let decision = spawn(decision::serve(
        configuration.decision,
        configuration.policy,
        decision::Deps {
            clock: Arc::clone(&clock),
        },
        sockets.decision,
        back.clone(),
    ));
    let actuator = spawn(actuator::serve(
        configuration.actuator,
        actuator::Deps {
            clock: Arc::clone(&clock),
            cloud,
        },
        sockets.actuator,
        back.clone(),
    ));
    let scheduler = spawn(scheduler::serve(
        configuration.scheduler,
        scheduler::Deps { clock },
        sockets.scheduler,
        front.clone(),
    ));

    let ended = {
        let (front, back) = (front.clone(), back.clone());
        move |service: &'static str, handle: JoinHandle<anyhow::Result<()>>| async move {
            let result = handle.await.context(service)?.context(service);
            // Whoever ends takes the others along, the scheduler before those it calls.
            if service == "scheduler" {
                back.cancel();
            } else {
                front.cancel();
            }
            result
        }
    };
    let results = tokio::join!(
        ended.clone()("scheduler", scheduler),
        ended.clone()("predictor", predictor),
        ended.clone()("decision", decision),
        ended("actuator", actuator),
    );
    // A service that broke says more than one that was told to end.
    results.1.and(results.2).and(results.3).and(results.0)
}

fn spawn(
    service: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> JoinHandle<anyhow::Result<()>> {
    tokio::spawn(service)
}
