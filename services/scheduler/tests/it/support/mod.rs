//! A scheduler over real sockets, among the real decision service and small, stateful fakes of everything else it talks to.

pub mod actuator;
pub mod decision;
pub mod predictor;

use std::{sync::Arc, time::Duration};

use actuator::FakeActuator;
use common::{
    clock::{SharedClock, SystemClock},
    config::Settings,
    grpc::{GrpcServer, channel},
    health::Health,
    listen::Listeners,
    metadata::outgoing,
};
use decision::WatchedDecision;
use predictor::FakePredictor;
use proto::scheduler::v1::{
    RunTickRequest, TargetResult, Tick, scheduler_service_client::SchedulerServiceClient,
};
use scheduler::{Config, Deps, SchedulerListeners};
use testkit::{
    prometheus::{Prometheus, fleet},
    wait,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

pub const WEB: &str = "i-00000000000000001";
pub const API: &str = "i-00000000000000002";
pub const JOB: &str = "i-00000000000000003";

/// The three services and Prometheus.
pub struct World {
    pub predictor: Arc<FakePredictor>,
    pub decision: Arc<WatchedDecision>,
    pub actuator: Arc<FakeActuator>,
    pub prometheus: Prometheus,
    actuator_ready: watch::Sender<bool>,
    urls: [String; 3],
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

impl World {
    /// Three running instances, each with its series in Prometheus, and nothing to do.
    pub async fn start() -> Self {
        let stop = CancellationToken::new();
        let predictor = Arc::new(FakePredictor::default());
        let decision = Arc::new(WatchedDecision::start().await);
        let actuator = Arc::new(FakeActuator::default());
        for (number, id) in [WEB, API, JOB].into_iter().enumerate() {
            actuator.add(id, "t2.small", &format!("10.0.0.{}", number + 1));
        }
        let actuator_ready = watch::Sender::new(true);
        let servers = [
            GrpcServer::always_ready("predictor").with_service(predictor::server(&predictor)),
            GrpcServer::always_ready("decision").with_service(decision::server(&decision)),
            GrpcServer::new("actuator", actuator_ready.subscribe())
                .with_service(actuator::server(&actuator)),
        ];
        let mut urls = Vec::new();
        for server in servers {
            let listener = listener().await;
            urls.push(format!("http://{}", listener.local_addr().unwrap()));
            tokio::spawn(server.serve(listener, stop.clone()));
        }
        Self {
            predictor,
            decision,
            actuator,
            prometheus: Prometheus::start(|query| fleet(query, &[50.0; 3])).await,
            actuator_ready,
            urls: urls.try_into().unwrap(),
            stop,
        }
    }

    /// A configuration for this world with three targets; `lines` are added to the section.
    pub fn config(&self, lines: &str) -> Config {
        let [predictor, decision, actuator] = &self.urls;
        let defaults = [
            "run_clock: false".to_owned(),
            "print_decisions: false".to_owned(),
            "call_timeout_seconds: 2".to_owned(),
            format!("predictor_url: {predictor}"),
            format!("decision_url: {decision}"),
            format!("actuator_url: {actuator}"),
            format!(
                "prometheus: {{url: '{}', timeout_seconds: 10}}",
                self.prometheus.url
            ),
            format!(
                "targets: [{{id: web, instance_id: {WEB}}}, {{id: api, instance_id: {API}}}, {{id: job, instance_id: {JOB}}}]"
            ),
        ];
        let replaced = |line: &&String| {
            let key = line.split(' ').next().unwrap();
            !lines.lines().any(|line| line.starts_with(key))
        };
        let section: Vec<&str> = defaults
            .iter()
            .filter(replaced)
            .map(String::as_str)
            .collect();
        let section = format!("{}\n{lines}", section.join("\n"));
        let yaml = format!("scheduler:\n  {}\n", section.trim().replace('\n', "\n  "));
        let mut config = Config::read(&Settings::from_yaml_text(&yaml).unwrap()).unwrap();
        if !lines.contains("window_seconds") {
            // A fortnight of samples would slow every test, and show no more.
            config.prometheus.window_seconds = 172_800;
        }
        config
    }

    /// Whether the actuator says that it serves.
    pub async fn set_actuator_ready(&self, ready: bool) {
        self.actuator_ready.send_replace(ready);
        let [_, _, actuator] = &self.urls;
        wait::health(actuator, |health| (*health == Health::Serving) == ready).await;
    }

    /// A scheduler in this world.
    pub async fn scheduler(&self, lines: &str) -> Scheduler {
        Scheduler::start(self.config(lines), Arc::new(SystemClock)).await
    }
}

/// A running scheduler.
pub struct Scheduler {
    pub grpc: SchedulerServiceClient<Channel>,
    pub url: String,
    pub shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // Without the grace of a shutdown: as after kill -9.
        self.serving.abort();
    }
}

impl Scheduler {
    pub async fn start(config: Config, clock: SharedClock) -> Self {
        let deps = Deps::connect(&config, clock).unwrap();
        Self::start_with(config, deps).await
    }

    /// One with another source, say.
    pub async fn start_with(config: Config, deps: Deps) -> Self {
        let grpc = listener().await;
        let http = listener().await;
        let address = format!("http://{}", grpc.local_addr().unwrap());
        let url = format!("http://{}", http.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let listeners = SchedulerListeners {
            service: Listeners {
                grpc,
                metrics: None,
            },
            http,
        };
        let serving = tokio::spawn(scheduler::serve(config, deps, listeners, shutdown.clone()));
        Self {
            grpc: SchedulerServiceClient::new(channel(&address).unwrap()),
            url,
            shutdown,
            serving,
        }
    }

    pub async fn try_tick(
        &self,
        target_ids: &[&str],
        wait_for_resizes: bool,
    ) -> Result<Tick, Status> {
        let request = RunTickRequest {
            target_ids: target_ids.iter().map(|id| (*id).to_owned()).collect(),
            wait_for_resizes,
        };
        let response = self
            .grpc
            .clone()
            .run_tick(outgoing(request, Duration::from_secs(30)))
            .await?;
        Ok(response.into_inner().tick.unwrap())
    }

    /// A tick over all targets.
    pub async fn tick(&self) -> Tick {
        self.try_tick(&[], false).await.unwrap()
    }

    /// A tick that waits for its resizes.
    pub async fn tick_to_the_end(&self) -> Tick {
        self.try_tick(&[], true).await.unwrap()
    }

    /// SIGTERM; how `serve` ended.
    pub async fn terminate(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(15), &mut self.serving)
            .await
            .unwrap_or_else(|_| panic!("did not end within 15 s"))
            .unwrap()
    }
}

/// One target's result.
pub fn result<'a>(tick: &'a Tick, target_id: &str) -> &'a TargetResult {
    tick.results
        .iter()
        .find(|result| result.target_id == target_id)
        .unwrap_or_else(|| panic!("no {target_id} in {tick:#?}"))
}
