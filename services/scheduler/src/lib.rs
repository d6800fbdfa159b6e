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
    grpc::{GrpcServer, Wire},
    listen::{self, Listeners},
    servers::Servers,
};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::{Config, SourceKind, TargetConfig, Window};
pub use peers::{Peers, Ways};
pub use sources::cloudwatch::settings::CloudWatchConfig;
pub use sources::prometheus::{
    expressions,
    settings::{Address, Mode, PrometheusConfig},
};

/// What a source of metrics is made of, for who gives one from outside.
pub mod source {
    pub use crate::{
        domain::{Instance, Reach, Target},
        samples::series::{RawSeries, Sample},
        sources::{Measured, Reading, Sampling, Source, Unmeasured},
    };
}

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
    resizes::followers::Followers,
    sources::Source,
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
    /// The services behind it.
    pub peers: Peers,
    /// Where metrics come from.
    pub source: Arc<dyn Source>,
}

impl Deps {
    /// The services and the source that the configuration names.
    ///
    /// # Errors
    /// A URL that can't be used.
    pub fn connect(config: &Config, clock: SharedClock) -> anyhow::Result<Self> {
        let peers = Peers::connect(config, Arc::clone(&clock))?;
        Ok(Self {
            source: sources::connect(config, fleet(config), &peers)?,
            peers,
            clock,
        })
    }
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
    let deps = Deps::connect(&config, Arc::new(SystemClock))?;
    if let Some(cost) = config.cost_of_a_day() {
        tracing::info!("{cost}");
    }
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
    let holder = holder(listeners.service.grpc.local_addr()?);
    let scheduler = Scheduler::new(config, deps, holder, &mut registry, &shutdown)?;
    let registry = Arc::new(registry);
    let stop = scheduler.stop.clone();
    let grpc = scheduler.grpc().serve(listeners.service.grpc, stop.clone());
    let app = App {
        context: scheduler.context.clone(),
        ticker: Arc::clone(&scheduler.ticker),
        standing: scheduler.standing.clone(),
        registry: Arc::clone(&registry),
        hosts: AllowedHosts(scheduler.config.http_hosts.clone().into()),
        allow_get: scheduler.config.http_allow_get,
    };
    let mut servers = Servers::new(stop.clone())
        .with("gRPC", grpc)
        .with("HTTP", api::http::serve(listeners.http, app, stop.clone()));
    if let Some(listener) = listeners.service.metrics {
        let exposition = exposition::serve(listener, registry, stop.clone());
        servers = servers.with("metrics", api::http::within_drain(exposition, stop));
    }
    let (served, ()) = tokio::join!(servers.run(), scheduler.work());
    Ok(served?)
}

/// The scheduler without sockets: the way into it, and its work, which ends after `shutdown`.
///
/// # Errors
/// Threads can't be started.
pub async fn in_process(
    config: Config,
    deps: Deps,
    shutdown: CancellationToken,
) -> anyhow::Result<(Wire, impl Future<Output = ()> + Send)> {
    let mut registry = exposition::registry("scheduler");
    let holder = "this process".to_owned();
    let scheduler = Scheduler::new(config, deps, holder, &mut registry, &shutdown)?;
    let way = scheduler.grpc().in_process().await;
    Ok((way, async move { scheduler.work().await }))
}

/// All of it but its servers.
struct Scheduler {
    config: Config,
    context: Context,
    lease: Arc<LeaseKeeper>,
    followers: Followers,
    standing: StandingProbe,
    ticker: Arc<Ticker>,
    stop: CancellationToken,
}

impl Scheduler {
    /// `holder` is who holds the lease.
    fn new(
        config: Config,
        deps: Deps,
        holder: String,
        registry: &mut Registry,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let stop = shutdown.child_token();
        let metrics = Metrics::register(registry, Arc::clone(&deps.clock));
        let context = context(&config, deps.clock, deps.peers, metrics);
        let source = deps.source;
        let lease = Arc::new(LeaseKeeper::new(
            context.peers.clone(),
            Arc::clone(&context.clock),
            holder,
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
            &config,
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
            tracing::warn!(
                "no targets configured: ticks have nothing to do; see scheduler.targets"
            );
        }
        Ok(Self {
            config,
            context,
            lease,
            followers,
            standing,
            ticker,
            stop,
        })
    }

    fn grpc(&self) -> GrpcServer {
        GrpcServer::always_ready(api::grpc::NAME).with_service(api::grpc::Api::server(
            self.context.clone(),
            Arc::clone(&self.ticker),
            self.standing.clone(),
            self.stop.clone(),
        ))
    }

    /// Ticks until it is told to stop; then hands over what is left.
    async fn work(&self) {
        if self.config.run_clock {
            tokio::join!(self.ticker.run_clock(), self.ticker.keep_lease());
        }
        self.stop.cancelled().await;
        let grace = seconds(self.config.shutdown_grace_seconds);
        self.ticker.finish(grace).await;
        self.followers.stop().await;
        self.lease.release().await;
    }
}

/// No task is left behind, also when `serve` is dropped.
impl Drop for Scheduler {
    fn drop(&mut self) {
        self.ticker.cut_off();
        self.followers.cut_off();
    }
}

fn fleet(config: &Config) -> Arc<[Target]> {
    let target = |target: &TargetConfig| Target {
        id: target.id.clone(),
        instance_id: target.instance_id.clone(),
        label: target.label.clone(),
        ladder: target.ladder.clone(),
    };
    config.targets.iter().map(target).collect()
}

fn context(config: &Config, clock: SharedClock, peers: Peers, metrics: Metrics) -> Context {
    Context {
        targets: fleet(config),
        peers,
        state: Arc::new(State::new(clock.now())),
        events: Events::new(Arc::clone(&clock)),
        metrics,
        clock,
    }
}
