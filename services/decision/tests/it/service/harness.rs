//! A running service, and the requests that tests send to it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use common::{
    clock::{Clock as _, ManualClock, SharedClock},
    grpc::{channel, local_url},
    listen::Listeners,
    metadata::outgoing,
};
use decision::{Config, Deps, Naming, Policy, Strategy};
use jiff::Timestamp;
use proto::{
    decision::v1::{decision_service_client::DecisionServiceClient, *},
    predictor::v1::{ForecastBasis, HorizonForecast, QuantileValue, SeriesForecast},
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

pub const START: i64 = 1_800_000_000;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A folder, a clock and a policy: what survives a restart.
pub struct World {
    pub folder: TempDir,
    pub clock: ManualClock,
    pub policy: Policy,
    pub database_name: String,
    /// Of `decision.decisions_per_minute`.
    pub decisions_per_minute: u32,
    /// The configuration sets the policy.
    pub pinned: bool,
    /// How it sets the strategy.
    pub naming: Naming,
}

impl World {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: ManualClock::new(Timestamp::from_second(START).unwrap()),
            policy: Policy {
                strategy: Strategy::Threshold,
                ..Policy::default()
            },
            database_name: "decision.db".into(),
            decisions_per_minute: Config::default().decisions_per_minute,
            pinned: false,
            naming: Naming::Key,
        }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join(&self.database_name)
    }

    pub async fn start(&self) -> Server {
        let clock: SharedClock = Arc::new(self.clock.clone());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners::bind(any, Some(any)).await.unwrap();
        let address = listeners.grpc.local_addr().unwrap();
        let metrics = listeners.metrics.as_ref().unwrap().local_addr().unwrap();
        let config = Config {
            database: self.database(),
            decisions_per_minute: self.decisions_per_minute,
            policy_is_pinned: self.pinned,
            strategy_naming: self.naming,
            ..Config::default()
        };
        let shutdown = CancellationToken::new();
        let killed = CancellationToken::new();
        // A runtime of its own: dropping it is as close to kill -9 as a thread gets.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let serving = decision::serve(
            config,
            self.policy.clone(),
            Deps { clock },
            listeners,
            shutdown.clone(),
        );
        let (ended, end) = oneshot::channel();
        let kill = killed.clone();
        std::thread::spawn(move || {
            let result = runtime.block_on(async {
                tokio::select! {
                    result = serving => Some(result),
                    () = kill.cancelled() => None,
                }
            });
            drop(runtime);
            let _ = ended.send(result);
        });
        let url = local_url(address);
        let channel = channel(&url).unwrap();
        Server {
            url,
            client: DecisionServiceClient::new(channel.clone()),
            channel,
            metrics,
            shutdown,
            killed,
            end,
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A request about `web-1` on a t2.small whose CPU will be `forecast_cpu`, everything known, seen just now.
    pub fn request(&self, tick: &str, forecast_cpu: f64) -> DecideRequest {
        request_at(self.now(), tick, forecast_cpu)
    }
}

pub fn request_at(now: i64, tick: &str, forecast_cpu: f64) -> DecideRequest {
    let quantiles: Vec<QuantileValue> = [
        (0.05, -8.0),
        (0.1, -5.0),
        (0.5, 0.0),
        (0.9, 5.0),
        (0.99, 12.0),
    ]
    .into_iter()
    .map(|(quantile, offset)| QuantileValue {
        quantile,
        value: f64::max(forecast_cpu + offset, 0.0),
    })
    .collect();
    let horizon = |horizon_seconds| HorizonForecast {
        horizon_seconds,
        at_horizon: quantiles.clone(),
        peak: quantiles.clone(),
        point: forecast_cpu,
        ..Default::default()
    };
    let sizes = [
        ("t2.small", 1, 2_048),
        ("t2.medium", 2, 4_096),
        ("t2.large", 2, 8_192),
    ];
    DecideRequest {
        tick_id: tick.into(),
        target_id: "web-1".into(),
        instance_id: "i-0abc".into(),
        instance_type: "t2.small".into(),
        observation: Some(Observation {
            observed_at: Some(wire(now)),
            cpu_percent: 20.0,
            memory_percent: Some(20.0),
            memory_peak_mib: Some(400.0),
            disk_bytes_per_second: Some(12_500.0),
            samples: 60,
            saturated_seconds: 0,
            memory_pressed_seconds: 0,
            cpu_spanned_seconds: 172_800,
            cpu_observed_seconds: 172_000,
            memory_spanned_seconds: 172_800,
            memory_observed_seconds: 172_000,
            cpu_peak_last_hour_percent: Some(25.0),
            sample_age_limit_seconds: 0,
            steal_percent: None,
            past: None,
        }),
        forecast: Some(SeriesForecast {
            series_id: "web-1".into(),
            basis: ForecastBasis::Model.into(),
            basis_reason: "enough history".into(),
            origin: Some(wire(now)),
            last_cpu: 50.0,
            horizons: vec![horizon(300), horizon(900)],
            history: None,
            ..Default::default()
        }),
        unknown_reason: String::new(),
        unknown_reason_code: 0,
        dry_run: false,
        // Nobody holds the lease, so anybody may decide.
        lease_epoch: 0,
        instance_types: sizes
            .map(|(name, vcpus, memory_mib)| InstanceTypeInfo {
                instance_type: name.into(),
                vcpus,
                memory_mib,
            })
            .to_vec(),
        ladder: Vec::new(),
        notes: Vec::new(),
    }
}

pub fn wire(second: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: second,
        nanos: 0,
    }
}

/// The epoch of a lease that was had then, on a database without memory of a later one.
pub fn epoch_of(second: i64) -> u64 {
    second.unsigned_abs() * 1_000
}

/// A running service.
pub struct Server {
    pub url: String,
    pub client: DecisionServiceClient<Channel>,
    pub channel: Channel,
    pub metrics: SocketAddr,
    shutdown: CancellationToken,
    killed: CancellationToken,
    end: oneshot::Receiver<Option<anyhow::Result<()>>>,
}

impl Server {
    /// Ends it as a signal would.
    pub async fn stop(self) {
        self.shutdown.cancel();
        // Idle connections keep a server draining.
        drop((self.client, self.channel));
        self.end.await.unwrap().unwrap().unwrap();
    }

    /// The same, but not before it has answered.
    pub async fn stop_when_ready(self) {
        self.list(ListDecisionsRequest::default()).await.unwrap();
        self.stop().await;
    }

    /// Ends it as kill -9 would: nothing is closed.
    pub async fn kill(self) {
        self.killed.cancel();
        let _ = self.end.await;
    }

    /// The error that ended it.
    pub async fn error(self) -> String {
        self.end.await.unwrap().unwrap().unwrap_err().to_string()
    }

    pub async fn decide(&self, request: DecideRequest) -> Result<Decision, Status> {
        let response = self
            .client
            .clone()
            .decide(outgoing(request, TIMEOUT))
            .await?;
        Ok(response.into_inner().decision.unwrap())
    }

    pub async fn report(
        &self,
        decision: &Decision,
        outcome: Outcome,
        finished_at: Option<i64>,
    ) -> Result<Decision, Status> {
        self.report_on(decision, outcome, finished_at, &decision.from_instance_type)
            .await
    }

    /// The same, of a machine that runs on `instance_type` now.
    pub async fn report_on(
        &self,
        decision: &Decision,
        outcome: Outcome,
        finished_at: Option<i64>,
        instance_type: &str,
    ) -> Result<Decision, Status> {
        let request = ReportOutcomeRequest {
            decision_id: decision.decision_id.clone(),
            outcome: outcome.into(),
            // Most tests stay on the type of their requests; where it counts, the type is reported.
            instance_type: instance_type.to_owned(),
            detail: "as planned".into(),
            finished_at: finished_at.map(wire),
            refused_for_good: false,
        };
        let response = self
            .client
            .clone()
            .report_outcome(outgoing(request, TIMEOUT))
            .await?;
        Ok(response.into_inner().decision.unwrap())
    }

    pub async fn list(
        &self,
        request: ListDecisionsRequest,
    ) -> Result<ListDecisionsResponse, Status> {
        let response = self
            .client
            .clone()
            .list_decisions(outgoing(request, TIMEOUT))
            .await?;
        Ok(response.into_inner())
    }

    pub async fn target(&self, target_id: &str) -> GetTargetStateResponse {
        let request = GetTargetStateRequest {
            target_id: target_id.into(),
        };
        let response = self
            .client
            .clone()
            .get_target_state(outgoing(request, TIMEOUT))
            .await;
        response.unwrap().into_inner()
    }

    pub async fn explain(&self, decision_id: &str) -> Result<ExplainDecisionResponse, Status> {
        let request = ExplainDecisionRequest {
            decision_id: decision_id.into(),
            ..ExplainDecisionRequest::default()
        };
        self.explain_as(request).await
    }

    pub async fn explain_as(
        &self,
        request: ExplainDecisionRequest,
    ) -> Result<ExplainDecisionResponse, Status> {
        let response = self
            .client
            .clone()
            .explain_decision(outgoing(request, TIMEOUT))
            .await?;
        Ok(response.into_inner())
    }

    pub async fn pause(&self, target_id: &str, until: Option<i64>) -> Result<PauseState, Status> {
        let request = PauseRequest {
            target_id: target_id.into(),
            direction: 0,
            reason: "release\nweek".into(),
            until: until.map(wire),
            by: "ada@ops-1".into(),
            lasting: None,
        };
        let response = self
            .client
            .clone()
            .pause(outgoing(request, TIMEOUT))
            .await?;
        Ok(response.into_inner().pause.unwrap())
    }

    pub async fn pauses(&self, page_size: u32) -> Vec<PauseState> {
        let mut pauses = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListPausesRequest {
                page_size,
                page_token,
            };
            let page = self
                .client
                .clone()
                .list_pauses(outgoing(request, TIMEOUT))
                .await
                .unwrap()
                .into_inner();
            pauses.extend(page.pauses);
            if page.next_page_token.is_empty() {
                return pauses;
            }
            page_token = page.next_page_token;
        }
    }

    pub async fn apply(
        &self,
        policy: proto::decision::v1::Policy,
    ) -> Result<ApplyPolicyResponse, Status> {
        let request = ApplyPolicyRequest {
            policy: Some(policy),
        };
        let response = self
            .client
            .clone()
            .apply_policy(outgoing(request, TIMEOUT))
            .await?;
        Ok(response.into_inner())
    }

    pub async fn policy(&self) -> GetPolicyResponse {
        let request = outgoing(GetPolicyRequest {}, TIMEOUT);
        let response = self.client.clone().get_policy(request).await;
        response.unwrap().into_inner()
    }

    pub async fn resume(&self, target_id: &str) -> bool {
        let request = ResumeRequest {
            target_id: target_id.into(),
        };
        let response = self.client.clone().resume(outgoing(request, TIMEOUT)).await;
        response.unwrap().into_inner().resumed
    }

    pub async fn acquire(&self, holder: &str, ttl_seconds: u32) -> Result<Lease, Status> {
        self.acquire_of("fleet", holder, ttl_seconds).await
    }

    pub async fn acquire_of(
        &self,
        resource: &str,
        holder: &str,
        ttl_seconds: u32,
    ) -> Result<Lease, Status> {
        let request = AcquireLeaseRequest {
            resource: resource.into(),
            holder: holder.into(),
            ttl_seconds,
        };
        let response = self
            .client
            .clone()
            .acquire_lease(outgoing(request, TIMEOUT))
            .await?;
        Ok(response.into_inner().lease.unwrap())
    }

    /// The exposition as text.
    pub async fn scrape(&self) -> String {
        testkit::http::metrics(self.metrics).await
    }
}
