//! The only holder of AWS rights: describes instances, resizes them, sets their monitoring up.
//!
//! Invariant: no resize ends with the instance stopped (`resize.rs`), and in a dry run nothing is changed (`grpc.rs`,
//! `executor.rs`), whoever calls.

mod admission;
pub mod aws;
mod boot;
pub mod cloud;
mod config;
mod convert;
mod executor;
pub mod fake;
mod grpc;
mod guard;
mod journal;
mod metrics;
mod monitoring;
pub mod preflight;
pub mod resize;
#[cfg(test)]
mod schedules;
mod stranded;

use std::{fmt, sync::Arc};

use common::{clock::SharedClock, exposition, grpc::GrpcServer, listen::Listeners};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::{
    cloud::Cloud,
    config::{AwsTimeouts, Config, LimitsConfig, MonitoringConfig, StackMembers, UnknownChecks},
    monitoring::SCRIPT as MONITORING_SCRIPT,
};
use self::{
    executor::Executor, grpc::Service, guard::Guard, journal::Journal, metrics::Metrics,
    stranded::Finder,
};

/// The service's full name, as in health checks.
pub const SERVICE: &str = "autoscaler.actuator.v1.ActuatorService";

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

/// Serves until `shutdown`; then leaves within `shutdown_grace_seconds`, and the next start takes up what is unfinished.
///
/// # Errors
/// When the journal can't be used, or a server can't run.
pub async fn serve(
    config: Config,
    deps: Deps,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let mut registry = exposition::registry("actuator");
    let metrics = Metrics::register(&mut registry);
    let Some(boot::Opened { store, wrong }) = boot::open(&config, &shutdown).await? else {
        return Ok(());
    };
    let journal = Arc::new(
        Journal::new(Arc::clone(&store)).counting_fence_resets(metrics.fence_resets.clone()),
    );
    if let Some(wrong) = wrong {
        journal.degrade(wrong);
    }
    let guard = Arc::new(Guard::new(&config, Arc::clone(&journal)));
    let cloud = guard.stand_before(deps.cloud, Arc::clone(&deps.clock), &config);
    let deps = Deps {
        cloud: Arc::new(cloud),
        clock: deps.clock,
    };
    let unfinished = journal.unfinished().await?;
    metrics
        .unfinished_at_boot
        .set(i64::try_from(unfinished.len()).unwrap_or(i64::MAX));
    let executor = Arc::new(Executor::new(
        Arc::clone(&deps.cloud),
        Arc::clone(&deps.clock),
        Arc::clone(&config),
        Arc::clone(&journal),
        metrics.clone(),
        shutdown.clone(),
    ));
    let (ready, is_ready) = watch::channel(false);
    let finder = Finder {
        cloud: Arc::clone(&deps.cloud),
        clock: Arc::clone(&deps.clock),
        config: Arc::clone(&config),
        journal: Arc::clone(&journal),
        executor: Arc::clone(&executor),
    };
    // Before anything can be asked for: a machine may be down.
    let taken_up = unfinished
        .into_iter()
        .map(|record| executor.resume(record))
        .collect();
    let minding = tokio::spawn(boot::mind(
        Arc::clone(&journal),
        metrics.clone(),
        ready.clone(),
    ));
    let readiness = tokio::spawn(boot::become_ready(finder.clone(), taken_up, ready));
    let upkeep = tokio::spawn(boot::look_after(
        Arc::clone(&store),
        Arc::clone(&journal),
        Arc::clone(&deps.clock),
        config.retention_days,
        shutdown.clone(),
    ));
    metrics.dry_run.set(i64::from(config.dry_run));
    let standing = tokio::spawn(boot::show_standings(
        Arc::clone(&guard),
        metrics.clone(),
        Arc::clone(&deps.clock),
    ));
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
        guard,
        executor: Arc::clone(&executor),
        finder,
        metrics,
        shutdown: shutdown.clone(),
    };
    let serving = async {
        let served = GrpcServer::new(SERVICE, is_ready)
            .with_service(service.into_server())
            .serve(listeners.grpc, shutdown.clone())
            .await;
        // Also when the server broke: what is under way is written down.
        shutdown.cancel();
        served
    };
    // While connections drain, so that the one grace does not begin when the other has ended.
    let finishing = async {
        shutdown.cancelled().await;
        readiness.abort();
        executor.finish().await;
    };
    let (served, ()) = tokio::join!(serving, finishing);
    upkeep.abort();
    standing.abort();
    minding.abort();
    store.close().await;
    served?;
    if let Some(exposed) = exposed {
        exposed.await??;
    }
    Ok(())
}
