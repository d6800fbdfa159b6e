//! The predictor: a window of samples in, quantiles per horizon out.
//!
//! A request goes `api` (limits, conversion) → `forecasting` (grid, features, model, judgement by the recent past) and
//! back. `store` swaps the model, `reload` says when.
//!
//! Invariant: messages are known to `api` only, and nothing but `store` keeps state.

mod api;
pub mod commands;
mod config;
mod drift;
mod metrics;
mod pool;
mod reload;
mod store;

use std::sync::Arc;

use common::{
    clock::SharedClock,
    exposition::{self, CallMetrics},
    grpc::{GrpcServer, Wire},
    listen::Listeners,
    servers::Servers,
};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

pub use api::MAX_REQUEST_BYTES;
pub use config::Config;

/// The full name of the gRPC service.
pub const SERVICE: &str = "autoscaler.predictor.v1.PredictorService";

/// What the service needs from outside.
#[derive(Clone)]
pub struct Deps {
    /// Time, for the card's `loaded_at`, durations of calls, and looks at the folder.
    pub clock: SharedClock,
}

/// Serves until `shutdown`. A model that is missing or refused is logged; the service then runs NOT_SERVING until one
/// loads: by `ReloadModel`, on SIGHUP, or because its folder changed.
///
/// # Errors
/// When threads can't be started or a listener breaks.
pub async fn serve(
    config: Config,
    deps: Deps,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut registry = exposition::registry("predictor");
    let clock = Arc::clone(&deps.clock);
    let (store, server) = build(&config, deps, &mut registry)?;
    let triggers = reload::Triggers::install(store.location(), config.watch_seconds)?;
    match store.reload().await {
        Ok((loaded, _)) => {
            let artifact = loaded.forecaster.artifact();
            tracing::info!(
                name = artifact.manifest.name,
                version = artifact.manifest.version,
                sha256 = artifact.sha256,
                "model loaded"
            );
        }
        Err(why) => tracing::error!("{why}; not serving until a model loads"),
    }
    let stop = shutdown.child_token();
    let mut servers =
        Servers::new(stop.clone()).with("gRPC", server.serve(listeners.grpc, stop.clone()));
    if let Some(listener) = listeners.metrics {
        let registry = Arc::new(registry);
        servers = servers.with(
            "metrics",
            exposition::serve(listener, registry, stop.clone()),
        );
    }
    let (served, ()) = tokio::join!(servers.run(), triggers.run(store, clock, stop));
    Ok(served?)
}

/// The way into a predictor of this process, which never looks for another model.
///
/// # Errors
/// Threads can't be started, or there is no model that can be used.
pub async fn in_process(config: Config, deps: Deps) -> anyhow::Result<Wire> {
    let mut registry = exposition::registry("predictor");
    let (store, server) = build(&config, deps, &mut registry)?;
    store.reload().await?;
    Ok(server.in_process().await)
}

fn build(
    config: &Config,
    deps: Deps,
    registry: &mut Registry,
) -> anyhow::Result<(Arc<store::ModelStore>, GrpcServer)> {
    let call_metrics = CallMetrics::register(registry, Arc::clone(&deps.clock));
    let metrics = metrics::Metrics::register(registry);
    let pool = pool::Pool::start(config.threads)?;
    let store = Arc::new(store::ModelStore::new(
        config.location(),
        deps.clock,
        pool.clone(),
        metrics.clone(),
    ));
    let service = api::Service::new(
        Arc::clone(&store),
        pool,
        config.max_calls,
        call_metrics,
        metrics,
    );
    let server = GrpcServer::new(SERVICE, store.ready()).with_service(service.into_server());
    Ok((store, server))
}
