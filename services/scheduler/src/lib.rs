//! The scheduler: fetches metrics, asks for forecasts and decisions, hands actions to the actuator, reports the outcome.
//!
//! `tick` is when and what, `samples` judges measurements without touching the world, `sources`, `peers` and `api` are the
//! edges. Invariant: what this process knows may be lost at any time; the decision store and the actuator's journal hold
//! what counts.

mod api;
mod bounded;
mod config;
mod domain;
mod events;
mod memory;
mod metrics;
mod peers;
mod resizes;
mod samples;
mod sources;
#[cfg(test)]
mod testing;
mod tick;

use std::sync::Arc;

use anyhow::Context as _;
use common::{
    clock::{SharedClock, SystemClock},
    exposition,
    grpc::GrpcServer,
    listen::{self, Listeners},
    servers::Servers,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::{Address, Config, Mode, PrometheusConfig, TargetConfig};
pub use sources::prometheus::expressions;

use crate::{
    api::{http::App, lines::Report},
    domain::Target,
    events::Events,
    memory::{state::State, targets::TargetMemories},
    metrics::Metrics,
    peers::Clients,
    resizes::followers::Followers,
    sources::prometheus::PrometheusSource,
    tick::{
        engine::Engine,
        lease::{LeaseKeeper, holder},
        ticker::Ticker,
    },
};

/// What the scheduler doesn't make itself.
#[derive(Clone)]
pub struct Deps {
    /// Its time.
    pub clock: SharedClock,
}

/// The sockets of the scheduler.
#[derive(Debug)]
pub struct SchedulerListeners {
    /// gRPC and exposition.
    pub service: Listeners,
    /// The HTTP API.
    pub http: TcpListener,
}

/// Binds what the configuration says and serves on the machine's clock until `shutdown`.
///
/// # Errors
/// An address that is taken, or what [`serve`] says.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listeners = SchedulerListeners {
        service: Listeners::bind(config.listen, config.metrics_listen).await?,
        http: listen::bind(config.http_listen, "HTTP").await?,
    };
    let deps = Deps {
        clock: Arc::new(SystemClock),
    };
    serve(config, deps, listeners, shutdown).await
}

/// Serves until `shutdown`; then the running tick has its grace, what it left is handed over, and the lease is given
/// back.
///
/// # Errors
/// A URL that can't be used, or a server that breaks.
pub async fn serve(
    config: Config,
    deps: Deps,
    listeners: SchedulerListeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut registry = exposition::registry("scheduler");
    let metrics = Metrics::register(&mut registry);
    let registry = Arc::new(registry);

    let stop = shutdown.child_token();
    let address = listeners.service.grpc.local_addr()?;
    let engine = Arc::new(engine(&config, deps.clock, holder(address), metrics)?);
    let ticker = Arc::new(Ticker::new(Arc::clone(&engine), stop.clone()));
    if config.targets.is_empty() {
        tracing::warn!("no targets configured: ticks have nothing to do; see scheduler.targets");
    }

    let _leftovers = Leftovers(Arc::clone(&ticker), engine.followers.clone());

    let api = api::grpc::Api::server(Arc::clone(&engine), Arc::clone(&ticker), stop.clone());
    let grpc = GrpcServer::always_ready(api::grpc::NAME)
        .with_service(api)
        .serve(listeners.service.grpc, stop.clone());
    let app = App {
        engine: Arc::clone(&engine),
        ticker: Arc::clone(&ticker),
        registry: Arc::clone(&registry),
    };
    let mut servers = Servers::new(stop.clone())
        .with("gRPC", grpc)
        .with("HTTP", api::http::serve(listeners.http, app, stop.clone()));
    if let Some(listener) = listeners.service.metrics {
        let exposition = exposition::serve(listener, registry, stop.clone());
        servers = servers.with("metrics", api::http::within_drain(exposition, stop.clone()));
    }
    let work = async {
        if config.run_clock {
            tokio::join!(ticker.run_clock(), ticker.keep_lease());
        }
        stop.cancelled().await;
        ticker
            .finish(config::seconds(config.shutdown_grace_seconds))
            .await;
        engine.followers.stop().await;
        engine.lease.release().await;
    };
    let (served, ()) = tokio::join!(servers.run(), work);
    Ok(served?)
}

/// Tasks that a dropped `serve` must not leave behind.
struct Leftovers(Arc<Ticker>, Followers);

impl Drop for Leftovers {
    fn drop(&mut self) {
        self.0.cut_off();
        self.1.cut_off();
    }
}

fn engine(
    config: &Config,
    clock: SharedClock,
    holder: String,
    metrics: Metrics,
) -> anyhow::Result<Engine> {
    let clients = Clients::new(config, Arc::clone(&clock))?;
    let state = Arc::new(State::new(clock.now()));
    let events = Events::new(Arc::clone(&clock));
    let targets = config
        .targets
        .iter()
        .map(|target| Target {
            id: target.id.clone(),
            instance_id: target.instance_id.clone(),
            label: target.label.clone(),
            ladder: target.ladder.clone(),
        })
        .collect();
    Ok(Engine {
        targets,
        source: PrometheusSource::new(&config.prometheus)?,
        lease: LeaseKeeper::new(
            clients.clone(),
            Arc::clone(&clock),
            holder,
            config.lease_seconds,
        ),
        followers: Followers::new(
            clients.clone(),
            Arc::clone(&clock),
            Arc::clone(&state),
            events.clone(),
            metrics.clone(),
        ),
        report: Report::new(config).context("threads for decision lines")?,
        config: config.clone(),
        clock,
        clients,
        state,
        memories: TargetMemories::default(),
        events,
        metrics,
    })
}
