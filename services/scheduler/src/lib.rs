//! The scheduler: fetches metrics, asks for forecasts and decisions, hands actions to the actuator, reports the outcome.
//!
//! `tick` is when and what, `samples` judges measurements without touching the world, `sources`, `peers` and `api` are the
//! edges. Invariant: what this process knows may be lost at any time; the decision store and the actuator's journal hold
//! what counts.

mod api;
mod bounded;
mod config;
mod context;
mod domain;
mod events;
mod memory;
mod metrics;
mod peers;
mod resizes;
mod samples;
mod sources;
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

pub use config::{Config, TargetConfig};
pub use sources::prometheus::{
    expressions,
    settings::{Address, Mode, PrometheusConfig},
};

use crate::{
    api::{
        http::{app::App, guard::AllowedHosts},
        lines::DecisionLines,
    },
    config::check::seconds,
    context::Context,
    domain::Target,
    events::Events,
    memory::state::State,
    metrics::Metrics,
    peers::Peers,
    resizes::followers::Followers,
    tick::{
        act::Actor,
        engine::Engine,
        lease::{LeaseKeeper, holder},
        standing::StandingProbe,
        ticker::Ticker,
    },
};

/// The things that the scheduler doesn't make itself.
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
    let context = context(&config, deps.clock, metrics)?;
    let source = sources::connect(&config)?;
    let lease = Arc::new(LeaseKeeper::new(
        context.peers.clone(),
        Arc::clone(&context.clock),
        holder(listeners.service.grpc.local_addr()?),
        config.lease_seconds,
    ));
    let followers = Followers::new(context.clone());
    let standing = StandingProbe::new(context.clone(), Arc::clone(&source), Arc::clone(&lease));
    let actor = Actor::new(
        context.clone(),
        Arc::clone(&lease),
        followers.clone(),
        config.call_timeout(),
    );
    let log = DecisionLines::new(&config).context("threads for decision lines")?;
    let engine = Engine::new(
        context.clone(),
        source,
        Arc::clone(&lease),
        actor,
        standing.clone(),
        Box::new(log),
        seconds(config.tick_timeout_seconds),
    );
    let ticker = Arc::new(Ticker::new(
        context.clone(),
        Arc::new(engine),
        Arc::clone(&lease),
        standing.clone(),
        config.tick_interval(),
        stop.clone(),
    ));
    if config.targets.is_empty() {
        tracing::warn!("no targets configured: ticks have nothing to do; see scheduler.targets");
    }

    let _leftovers = Leftovers(Arc::clone(&ticker), followers.clone());

    let api = api::grpc::Api::server(
        context.clone(),
        Arc::clone(&ticker),
        standing.clone(),
        stop.clone(),
    );
    let grpc = GrpcServer::always_ready(api::grpc::NAME)
        .with_service(api)
        .serve(listeners.service.grpc, stop.clone());
    let app = App {
        context,
        ticker: Arc::clone(&ticker),
        standing,
        registry: Arc::clone(&registry),
        hosts: AllowedHosts(config.http_hosts.clone().into()),
        allow_get: config.http_allow_get,
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
        ticker.finish(seconds(config.shutdown_grace_seconds)).await;
        followers.stop().await;
        lease.release().await;
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

fn context(config: &Config, clock: SharedClock, metrics: Metrics) -> anyhow::Result<Context> {
    let target = |target: &TargetConfig| Target {
        id: target.id.clone(),
        instance_id: target.instance_id.clone(),
        label: target.label.clone(),
        ladder: target.ladder.clone(),
    };
    Ok(Context {
        targets: config.targets.iter().map(target).collect(),
        peers: Peers::connect(config, Arc::clone(&clock))?,
        state: Arc::new(State::new(clock.now())),
        events: Events::new(Arc::clone(&clock)),
        metrics,
        clock,
    })
}
