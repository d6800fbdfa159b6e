//! The only holder of AWS rights: describes instances, resizes them, sets their monitoring up.
//!
//! Invariant: no resize ends with the instance stopped (`resize.rs`), and in a dry run nothing is changed (`grpc.rs`,
//! `executor.rs`), whoever calls.

pub mod aws;
pub mod cloud;
mod config;
mod convert;
mod executor;
pub mod fake;
mod grpc;
mod journal;
mod metrics;
mod monitoring;
pub mod preflight;
pub mod resize;

use std::{fmt, sync::Arc, time::Duration};

use common::{clock::SharedClock, exposition, grpc::GrpcServer, listen::Listeners};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::{
    cloud::Cloud,
    config::{AwsTimeouts, Config, MonitoringConfig, UnknownChecks},
    monitoring::SCRIPT as MONITORING_SCRIPT,
};
use self::{executor::Executor, grpc::Service, journal::Journal, metrics::Metrics};

/// The service's full name, as in health checks.
pub const SERVICE: &str = "autoscaler.actuator.v1.ActuatorService";

/// Between two tries to become ready.
const READINESS_RETRY: Duration = Duration::from_secs(15);

/// What the service needs from outside.
#[derive(Clone)]
pub struct Deps {
    pub clock: SharedClock,
    pub cloud: Arc<dyn Cloud>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Deps")
            .field("cloud", &self.cloud)
            .finish_non_exhaustive()
    }
}

/// Serves until `shutdown`; then brings back what is down, for at most `shutdown_grace_seconds`.
///
/// # Errors
/// When a server can't run.
pub async fn serve(
    config: Config,
    deps: Deps,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let mut registry = exposition::registry("actuator");
    let metrics = Metrics::register(&mut registry);
    let journal = Arc::new(Journal::new(config.journal_capacity));
    let executor = Arc::new(Executor::new(
        Arc::clone(&deps.cloud),
        Arc::clone(&deps.clock),
        Arc::clone(&config),
        Arc::clone(&journal),
        metrics.clone(),
        shutdown.clone(),
    ));
    let (ready, is_ready) = watch::channel(false);
    let readiness = tokio::spawn(become_ready(Arc::clone(&deps.cloud), ready));
    let exposed = listeners.metrics.map(|listener| {
        tokio::spawn(exposition::serve(
            listener,
            Arc::new(registry),
            shutdown.clone(),
        ))
    });
    tracing::info!(dry_run = config.dry_run, "the actuator serves");
    let service = Service {
        cloud: deps.cloud,
        clock: deps.clock,
        config,
        journal,
        executor: Arc::clone(&executor),
        metrics,
        shutdown: shutdown.clone(),
    };
    let served = GrpcServer::new(SERVICE, is_ready)
        .with_service(service.into_server())
        .serve(listeners.grpc, shutdown.clone())
        .await;
    readiness.abort();
    // Also when the server broke: what is down comes first.
    shutdown.cancel();
    executor.finish().await;
    served?;
    if let Some(exposed) = exposed {
        exposed.await??;
    }
    Ok(())
}

/// Turns ready once the cloud can be called. The machine's own time: a simulation's clock has nothing to do with it.
async fn become_ready(cloud: Arc<dyn Cloud>, ready: watch::Sender<bool>) {
    let mut last = String::new();
    loop {
        match cloud.ready().await {
            Ok(()) => {
                if !last.is_empty() {
                    tracing::info!("ready after all");
                }
                ready.send_replace(true);
                return;
            }
            Err(error) => {
                let line = format!("not ready: {error}; {}", error.remedy());
                if line != last {
                    tracing::error!("{line}");
                    last = line;
                }
            }
        }
        tokio::time::sleep(READINESS_RETRY).await;
    }
}
