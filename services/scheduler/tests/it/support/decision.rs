//! The real decision service on a store in memory, behind a layer that delays, refuses and records.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    clock::{Clock, Moment, SystemClock},
    metadata::{deadline, outgoing},
    time::to_proto,
};
use decision::{Api, Deps, Policy};
use jiff::Timestamp;
use proto::{
    decision::v1::{
        AcquireLeaseRequest, AcquireLeaseResponse, ApplyPolicyRequest, ApplyPolicyResponse,
        DecideRequest, DecideResponse, Decision, ExplainDecisionRequest, ExplainDecisionResponse,
        GetDecisionRequest, GetDecisionResponse, GetPolicyRequest, GetPolicyResponse,
        GetTargetStateRequest, GetTargetStateResponse, Lease, ListDecisionsRequest,
        ListDecisionsResponse, ListPausesRequest, ListPausesResponse, Observation, Outcome,
        PauseRequest, PauseResponse, ReleaseLeaseRequest, ReleaseLeaseResponse, RenewLeaseRequest,
        RenewLeaseResponse, ReplayDecisionRequest, ReplayDecisionResponse, ReportOutcomeRequest,
        ReportOutcomeResponse, ResumeRequest, ResumeResponse, ReviewTargetRequest,
        ReviewTargetResponse, Strategy, ValidatePolicyRequest, ValidatePolicyResponse,
        decision_service_server::{DecisionService, DecisionServiceServer},
    },
    predictor::v1::Series,
};
use tokio::sync::{RwLock, RwLockWriteGuard};
use tonic::{Request, Response, Status, async_trait};

use super::predictor;

const FLEET: &str = "fleet";
/// Of the calls that tests make beside the scheduler.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The machine's clock, or some time ago.
#[derive(Clone, Debug, Default)]
struct ShiftedClock {
    behind: Arc<Mutex<Duration>>,
}

#[async_trait]
impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let behind = *self.behind.lock().unwrap();
        SystemClock.now().saturating_sub(behind).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }

    fn monotonic(&self) -> Moment {
        SystemClock.monotonic()
    }

    fn new_id(&self) -> String {
        SystemClock.new_id()
    }
}

pub struct WatchedDecision {
    api: Api,
    clock: ShiftedClock,
    /// What Decide answers, if anything, for this target.
    pub refuse: Mutex<HashMap<String, Status>>,
    gate: RwLock<()>,
    pub requests: Mutex<Vec<DecideRequest>>,
    /// Answers of ReviewTarget.
    pub reviews: Mutex<Vec<ReviewTargetResponse>>,
    /// ReportOutcome fails so many times more.
    pub report_failures: Mutex<u32>,
    /// Each as it was answered last.
    decisions: Mutex<Vec<Decision>>,
    /// The fleet's, as it was answered last.
    lease: Mutex<Lease>,
}

impl WatchedDecision {
    pub async fn start() -> Self {
        let clock = ShiftedClock::default();
        let policy = Policy {
            strategy: decision::Strategy::Threshold,
            max_sample_age_seconds: 600,
            ..Policy::default()
        };
        let deps = Deps {
            clock: Arc::new(clock.clone()),
        };
        Self {
            api: decision::in_memory(policy, deps).await.unwrap(),
            clock,
            refuse: Mutex::default(),
            gate: RwLock::default(),
            requests: Mutex::default(),
            reviews: Mutex::default(),
            report_failures: Mutex::default(),
            decisions: Mutex::default(),
            lease: Mutex::default(),
        }
    }

    /// From now on decisions are made, and their answers held back until the guard is dropped.
    pub async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// The newest request about a target.
    pub fn last_request(&self, target_id: &str) -> DecideRequest {
        let requests = self.requests.lock().unwrap();
        let newest = requests
            .iter()
            .rev()
            .find(|request| request.target_id == target_id);
        newest
            .unwrap_or_else(|| panic!("nothing was asked about {target_id}"))
            .clone()
    }

    /// Outcomes reported so far, by target.
    pub fn outcomes(&self) -> Vec<(String, Outcome)> {
        let decisions = self.decisions.lock().unwrap();
        decisions
            .iter()
            .filter(|decision| decision.outcome() != Outcome::Unspecified)
            .map(|decision| (decision.target_id.clone(), decision.outcome()))
            .collect()
    }

    pub fn pending(&self) -> usize {
        let decisions = self.decisions.lock().unwrap();
        decisions.iter().filter(|decision| decision.pending).count()
    }

    /// Takes the lease from its holder, who is not told, as if its time were over.
    pub async fn expire_lease(&self) {
        let lease = self.lease.lock().unwrap().clone();
        let released = self.release(&lease.holder, lease.epoch).await;
        assert!(released, "nobody held it");
        self.lease.lock().unwrap().holder.clear();
    }

    pub fn holder(&self) -> Option<String> {
        let lease = self.lease.lock().unwrap();
        let now = to_proto(SystemClock.now());
        let live = lease
            .expires_at
            .is_some_and(|end| (end.seconds, end.nanos) > (now.seconds, now.nanos));
        Some(lease.holder.clone()).filter(|holder| live && !holder.is_empty())
    }

    /// That of the last lease; 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.lease.lock().unwrap().epoch
    }

    /// Puts the strategy `adaptive` in force.
    pub async fn adapt(&self) {
        let request = outgoing(GetPolicyRequest {}, TIMEOUT);
        let in_force = self.api.get_policy(request).await.unwrap().into_inner();
        let mut policy = in_force.policy.unwrap();
        policy.set_strategy(Strategy::Adaptive);
        let request = ApplyPolicyRequest {
            policy: Some(policy),
        };
        self.api
            .apply_policy(outgoing(request, TIMEOUT))
            .await
            .unwrap();
    }

    pub async fn pause_of(&self, request: PauseRequest) {
        let request = outgoing(request, TIMEOUT);
        self.api.pause(request).await.unwrap();
    }

    /// A decision to go up that some other scheduler made some time ago and left behind; with a lease, of `holder`.
    pub async fn leave_pending(
        &self,
        target_id: &str,
        instance_id: &str,
        age: Duration,
        holder: Option<&str>,
    ) {
        *self.clock.behind.lock().unwrap() = age;
        let lease = match holder {
            None => None,
            Some(holder) => {
                let request = AcquireLeaseRequest {
                    resource: FLEET.to_owned(),
                    holder: holder.to_owned(),
                    ttl_seconds: 1,
                };
                let acquired = self.api.acquire_lease(outgoing(request, TIMEOUT)).await;
                acquired.unwrap().into_inner().lease
            }
        };
        let now = self.clock.now();
        let series = Series {
            series_id: target_id.to_owned(),
            timestamps_seconds: vec![now.as_second()],
            cpu: vec![90.0],
            ..Default::default()
        };
        let request = DecideRequest {
            tick_id: "left behind".to_owned(),
            target_id: target_id.to_owned(),
            instance_id: instance_id.to_owned(),
            instance_type: "t2.small".to_owned(),
            observation: Some(Observation {
                observed_at: Some(to_proto(now)),
                cpu_percent: 90.0,
                ..Default::default()
            }),
            forecast: Some(predictor::forecast(series, false)),
            lease_epoch: lease.as_ref().map_or(0, |lease| lease.epoch),
            ..Default::default()
        };
        let decided = self.api.decide(outgoing(request, TIMEOUT)).await;
        let decision = decided.unwrap().into_inner().decision.unwrap();
        assert!(decision.pending, "{decision:#?}");
        self.record(decision);
        if let Some(lease) = lease {
            assert!(self.release(&lease.holder, lease.epoch).await);
        }
        *self.clock.behind.lock().unwrap() = Duration::ZERO;
    }

    async fn release(&self, holder: &str, epoch: u64) -> bool {
        let request = ReleaseLeaseRequest {
            resource: FLEET.to_owned(),
            holder: holder.to_owned(),
            epoch,
        };
        let released = self.api.release_lease(outgoing(request, TIMEOUT)).await;
        released.unwrap().into_inner().released
    }

    fn record(&self, decision: Decision) {
        let mut decisions = self.decisions.lock().unwrap();
        let known = decisions
            .iter_mut()
            .find(|known| known.decision_id == decision.decision_id);
        match known {
            Some(known) => *known = decision,
            None => decisions.push(decision),
        }
    }
}

pub fn server(watched: &Arc<WatchedDecision>) -> DecisionServiceServer<WatchedDecision> {
    DecisionServiceServer::from_arc(Arc::clone(watched))
}

#[async_trait]
impl DecisionService for WatchedDecision {
    async fn decide(
        &self,
        request: Request<DecideRequest>,
    ) -> Result<Response<DecideResponse>, Status> {
        assert!(
            deadline(&request).is_some(),
            "every call carries a deadline"
        );
        let asked = request.get_ref().clone();
        self.requests.lock().unwrap().push(asked.clone());
        let refusal = self.refuse.lock().unwrap().get(&asked.target_id).cloned();
        let answer = match refusal {
            Some(status) => Err(status),
            None => self.api.decide(request).await,
        };
        if let Ok(decided) = &answer {
            self.record(decided.get_ref().decision.clone().unwrap());
        }
        let _open = self.gate.read().await;
        answer
    }

    async fn review_target(
        &self,
        request: Request<ReviewTargetRequest>,
    ) -> Result<Response<ReviewTargetResponse>, Status> {
        let answer = self.api.review_target(request).await?;
        self.reviews.lock().unwrap().push(answer.get_ref().clone());
        Ok(answer)
    }

    async fn report_outcome(
        &self,
        request: Request<ReportOutcomeRequest>,
    ) -> Result<Response<ReportOutcomeResponse>, Status> {
        {
            let mut failures = self.report_failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(Status::internal("the store hiccups"));
            }
        }
        let answer = self.api.report_outcome(request).await?;
        self.record(answer.get_ref().decision.clone().unwrap());
        Ok(answer)
    }

    async fn list_decisions(
        &self,
        request: Request<ListDecisionsRequest>,
    ) -> Result<Response<ListDecisionsResponse>, Status> {
        assert!(request.get_ref().pending_only);
        self.api.list_decisions(request).await
    }

    async fn acquire_lease(
        &self,
        request: Request<AcquireLeaseRequest>,
    ) -> Result<Response<AcquireLeaseResponse>, Status> {
        let answer = self.api.acquire_lease(request).await?;
        *self.lease.lock().unwrap() = answer.get_ref().lease.clone().unwrap();
        Ok(answer)
    }

    async fn renew_lease(
        &self,
        request: Request<RenewLeaseRequest>,
    ) -> Result<Response<RenewLeaseResponse>, Status> {
        let answer = self.api.renew_lease(request).await?;
        *self.lease.lock().unwrap() = answer.get_ref().lease.clone().unwrap();
        Ok(answer)
    }

    async fn release_lease(
        &self,
        request: Request<ReleaseLeaseRequest>,
    ) -> Result<Response<ReleaseLeaseResponse>, Status> {
        let answer = self.api.release_lease(request).await?;
        if answer.get_ref().released {
            self.lease.lock().unwrap().holder.clear();
        }
        Ok(answer)
    }

    async fn get_policy(
        &self,
        request: Request<GetPolicyRequest>,
    ) -> Result<Response<GetPolicyResponse>, Status> {
        self.api.get_policy(request).await
    }

    async fn get_target_state(
        &self,
        request: Request<GetTargetStateRequest>,
    ) -> Result<Response<GetTargetStateResponse>, Status> {
        self.api.get_target_state(request).await
    }

    async fn get_decision(
        &self,
        request: Request<GetDecisionRequest>,
    ) -> Result<Response<GetDecisionResponse>, Status> {
        self.api.get_decision(request).await
    }

    async fn explain_decision(
        &self,
        request: Request<ExplainDecisionRequest>,
    ) -> Result<Response<ExplainDecisionResponse>, Status> {
        self.api.explain_decision(request).await
    }

    async fn replay_decision(
        &self,
        request: Request<ReplayDecisionRequest>,
    ) -> Result<Response<ReplayDecisionResponse>, Status> {
        self.api.replay_decision(request).await
    }

    async fn apply_policy(
        &self,
        request: Request<ApplyPolicyRequest>,
    ) -> Result<Response<ApplyPolicyResponse>, Status> {
        self.api.apply_policy(request).await
    }

    async fn validate_policy(
        &self,
        request: Request<ValidatePolicyRequest>,
    ) -> Result<Response<ValidatePolicyResponse>, Status> {
        self.api.validate_policy(request).await
    }

    async fn pause(
        &self,
        request: Request<PauseRequest>,
    ) -> Result<Response<PauseResponse>, Status> {
        self.api.pause(request).await
    }

    async fn list_pauses(
        &self,
        request: Request<ListPausesRequest>,
    ) -> Result<Response<ListPausesResponse>, Status> {
        self.api.list_pauses(request).await
    }

    async fn resume(
        &self,
        request: Request<ResumeRequest>,
    ) -> Result<Response<ResumeResponse>, Status> {
        self.api.resume(request).await
    }
}
