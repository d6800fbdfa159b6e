//! `demo`: the whole loop on a simulated fleet, with neither AWS nor Prometheus nor Docker.
//!
//! The four services are the real ones, over real gRPC. The world that they run in, and the clock, which runs fast, are
//! the crate `simulator`'s.

mod given;
mod show;
mod summary;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use common::{
    clock::{Clock as _, machine},
    config::Settings,
    grpc::{channel, local_url},
    metadata::outgoing,
    service,
};
use jiff::Timestamp;
use proto::scheduler::v1::{
    RunTickRequest, TargetResult, WatchEventsRequest, WatchEventsResponse,
    scheduler_service_client::SchedulerServiceClient,
};
use simulator::{
    fleet::Metric,
    prices::machine_types,
    prometheus::{self, Expressions},
    resizes::Resizes,
    scenario,
    world::{Forecast, STEP, World},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, transport::Channel};

use self::given::Given;
use crate::{
    arguments::DemoArgs, assembly, configuration::Configuration, output::line, sockets::Sockets,
};

/// Monday 5 January 2026, midnight UTC.
const START_SECOND: i64 = 1_767_571_200;
const DAY_SECONDS: i64 = 86_400;
const TICK_TIMEOUT: Duration = Duration::from_secs(60);

/// How it runs beside its arguments.
pub struct Manner {
    /// Nothing but the summary is printed, as JSON.
    pub json: bool,
}

/// Runs the demo to the end of `--days`, or to Ctrl-C; both end with the summary and exit code 0.
pub fn run(args: DemoArgs, settings: Settings, manner: Manner) -> ExitCode {
    let given = match Given::of(&settings) {
        Ok(given) => given,
        Err(error) => return service::usage_error("autoscaler", &error),
    };
    // Decisions are what there is to see; logs only when something goes wrong.
    let settings = match Settings::from_yaml_text("telemetry: {filter: error}") {
        Ok(quiet) => quiet.overlaid(settings),
        Err(error) => return service::usage_error("autoscaler", &error),
    };
    service::run("autoscaler", &settings, |interrupted| {
        demo(args, given, manner, interrupted)
    })
}

async fn demo(
    args: DemoArgs,
    given: Given,
    manner: Manner,
    interrupted: CancellationToken,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder for the decision store")?;
    let stop = CancellationToken::new();
    let mut simulation = Simulation::start(&args, given, manner, folder.path(), &stop).await?;
    let last_tick = match args.days {
        Some(days) => i64::from(days) * DAY_SECONDS / simulation.tick_seconds,
        None => i64::MAX,
    };
    let tick_lasts = Duration::from_secs_f64(
        args.day_seconds * simulation.tick_seconds as f64 / DAY_SECONDS as f64,
    );
    let mut result = Ok(());
    for _ in 0..last_tick {
        let next = machine().sleep(tick_lasts);
        tokio::select! {
            () = interrupted.cancelled() => break,
            passed = simulation.pass_one_tick() => {
                if passed.is_err() {
                    result = passed;
                    break;
                }
            }
        }
        tokio::select! {
            () = interrupted.cancelled() => break,
            () = next => {}
        }
    }
    let told = simulation.summarise();
    stop.cancel();
    result.and(told).and(simulation.end().await)
}

struct Simulation {
    world: World,
    resizes: Resizes,
    decisions: show::Decisions,
    scheduler: SchedulerServiceClient<Channel>,
    services: tokio::task::JoinHandle<anyhow::Result<()>>,
    tick_seconds: i64,
    /// Of a saturated hour, in hours of the largest type.
    saturated_price: f64,
    json: bool,
    /// Keys of the configuration that mean nothing here.
    left_out: Vec<String>,
}

impl Simulation {
    async fn start(
        args: &DemoArgs,
        given: Given,
        manner: Manner,
        folder: &std::path::Path,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let base = &given.base.scheduler;
        let tick_seconds = i64::from(base.tick_interval_seconds);
        let ladder = given.ladder().map(machine_types).transpose();
        let ladder = ladder.context("configuration key `policy.ladder`")?;
        let machines = match &args.trace {
            Some(path) => {
                let past = i64::from(base.prometheus.window_seconds);
                scenario::recorded(path, START_SECOND, past, ladder.as_deref())?
            }
            None => scenario::generated(START_SECOND, args.seed, ladder.as_deref())?,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let prometheus_url = local_url(listener.local_addr()?);
        let configuration = given.configuration(&machines, &prometheus_url, folder)?;
        let saturated_price = configuration.policy.prices().saturated;
        let sockets = bind(&configuration, args.any_port).await?;
        if !manner.json {
            show::welcome(&machines, &configuration, &sockets, args, &given.left_out);
        }
        let world = World::new(Timestamp::from_second(START_SECOND)?, machines)?;
        let exporter = prometheus::serve(
            listener,
            world.fleet(),
            expressions(&configuration.scheduler.prometheus),
            stop.clone(),
        );
        tokio::spawn(exporter);

        let scheduler_url = local_url(sockets.scheduler.grpc);
        let actuator_clock = world.clock().counted_apart();
        let outside = assembly::World {
            clock: Arc::new(world.clock().clone()),
            actuator: actuator::Deps {
                clock: Arc::new(actuator_clock.clone()),
                cloud: Arc::new(world.cloud().clone()),
            },
        };
        let serving = assembly::serve(configuration, sockets, outside, stop.clone());
        let services = tokio::spawn(serving);
        let scheduler = SchedulerServiceClient::new(channel(&scheduler_url)?);
        let events = watch(&scheduler).await?;
        Ok(Self {
            world,
            resizes: Resizes::of(events, actuator_clock),
            decisions: show::Decisions::new(args.all),
            scheduler,
            services,
            tick_seconds,
            saturated_price,
            json: manner.json,
            left_out: given.left_out,
        })
    }

    /// Runs a tick, then lets the time until the next one pass.
    async fn pass_one_tick(&mut self) -> anyhow::Result<()> {
        let at = self.world.clock().now();
        let response = self
            .scheduler
            .run_tick(outgoing(RunTickRequest::default(), TICK_TIMEOUT))
            .await
            .context("the scheduler does not answer")?
            .into_inner();
        for result in response.tick.unwrap_or_default().results {
            if !self.json {
                self.decisions.show(at, &result);
            }
            self.note(&result);
        }
        self.settle().await;
        for _ in 0..self.tick_seconds / STEP.as_secs() as i64 {
            self.step().await;
        }
        Ok(())
    }

    /// Keeps the forecast for scoring, and counts the resize that began.
    fn note(&mut self, result: &TargetResult) {
        self.resizes.note(result);
        if let (Some(predicted_percent), Some(last_percent)) =
            (result.predicted_cpu_percent, result.cpu_percent)
        {
            let forecast = Forecast {
                instance_type: &result.instance_type,
                horizon: Duration::from_secs(u64::from(result.horizon_seconds)),
                predicted_percent,
                last_percent,
            };
            self.world.note_forecast(&result.target_id, forecast);
        }
    }

    async fn step(&mut self) {
        self.world.advance();
        self.settle().await;
        self.world.account();
    }

    /// Shows and counts the resizes that end at this time.
    async fn settle(&mut self) {
        for result in self.resizes.settle().await {
            if !self.json {
                show::resize(self.world.clock().now(), &result);
            }
            let up = result.action == "scale_up";
            let succeeded = result.action_taken == "succeeded";
            self.world.note_resize(&result.target_id, up, succeeded);
        }
    }

    fn summarise(&self) -> anyhow::Result<()> {
        if self.json {
            let summary = summary::of(&self.world, self.saturated_price, &self.left_out);
            line(serde_json::to_string_pretty(&summary)?);
        } else {
            show::summary(&self.world, self.saturated_price);
        }
        Ok(())
    }

    async fn end(self) -> anyhow::Result<()> {
        // A resize may be half way; nothing real waits for it.
        match machine()
            .timeout(Duration::from_secs(15), self.services)
            .await
        {
            Ok(ended) => ended?,
            Err(_) => Ok(()),
        }
    }
}

/// Where the configuration says, so that the other commands and grpcurl find the demo. Only where it was asked for, on
/// free ports when something has them already.
async fn bind(configuration: &Configuration, any_port: bool) -> anyhow::Result<Sockets> {
    match Sockets::bind(configuration).await.complete() {
        Ok(sockets) => return Ok(sockets),
        Err(taken) if !any_port => {
            return Err(anyhow::Error::new(taken).context(
                "the demo's ports are not free; with --any-port it takes others, with --config those of a file",
            ));
        }
        Err(_) => {}
    }
    let mut elsewhere = configuration.clone();
    let free = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    elsewhere.predictor.listen = free;
    elsewhere.predictor.metrics_listen = None;
    elsewhere.decision.listen = free;
    elsewhere.decision.metrics_listen = None;
    elsewhere.actuator.listen = free;
    elsewhere.actuator.metrics_listen = None;
    elsewhere.scheduler.listen = free;
    elsewhere.scheduler.metrics_listen = None;
    elsewhere.scheduler.http_listen = free;
    Ok(Sockets::bind(&elsewhere).await.complete()?)
}

fn expressions(config: &scheduler::PrometheusConfig) -> Expressions {
    Expressions::default()
        .with(&config.for_all(&config.cpu_query), Metric::CpuPercent)
        .with(&config.for_all(&config.memory_query), Metric::MemoryPercent)
        .with(
            &config.for_all(&config.disk_query),
            Metric::DiskBytesPerSecond,
        )
        .with(&config.for_all(&config.vcpus_query), Metric::Vcpus)
        .with(
            &config.for_all(&config.memory_total_query),
            Metric::MemoryTotalBytes,
        )
}

/// What the scheduler tells from now on.
async fn watch(
    scheduler: &SchedulerServiceClient<Channel>,
) -> anyhow::Result<Streaming<WatchEventsResponse>> {
    // Lazy channels fail at once while the server is still starting.
    let events = common::retry::on_unavailable(Duration::from_secs(10), || {
        let mut scheduler = scheduler.clone();
        async move { scheduler.watch_events(WatchEventsRequest::default()).await }
    });
    let events = events.await.context("the scheduler does not start")?;
    Ok(events.into_inner())
}
