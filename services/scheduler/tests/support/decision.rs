//! A decision service that scales what it is told to scale, with the real one's rules on keys, pending actions, outcomes
//! and leases.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{
    clock::{Clock as _, SystemClock},
    grpc::deadline,
    time::to_proto,
};
use proto::decision::v1::{
    AcquireLeaseRequest, AcquireLeaseResponse, Action, ApplyPolicyRequest, ApplyPolicyResponse,
    DecideRequest, DecideResponse, Decision, ExplainDecisionRequest, ExplainDecisionResponse,
    GetDecisionRequest, GetDecisionResponse, GetPolicyRequest, GetPolicyResponse,
    GetTargetStateRequest, GetTargetStateResponse, Lease, ListDecisionsRequest,
    ListDecisionsResponse, ListPausesRequest, ListPausesResponse, Outcome, PauseRequest,
    PauseResponse, PauseState, Policy, ReasonCode, ReleaseLeaseRequest, ReleaseLeaseResponse,
    RenewLeaseRequest, RenewLeaseResponse, ReportOutcomeRequest, ReportOutcomeResponse,
    ResumeRequest, ResumeResponse, ValidatePolicyRequest, ValidatePolicyResponse,
    decision_service_server::{DecisionService, DecisionServiceServer},
};
use tonic::{Request, Response, Status};

struct Held {
    holder: String,
    epoch: u64,
    until: Instant,
}

#[derive(Default)]
pub struct FakeDecision {
    /// Targets to scale, with the type to go to.
    pub scale: Mutex<HashMap<String, &'static str>>,
    /// What Decide answers, if anything, for this target.
    pub refuse: Mutex<HashMap<String, Status>>,
    /// Each Decide waits so long.
    pub slow: Mutex<Duration>,
    pub requests: Mutex<Vec<DecideRequest>>,
    pub decisions: Mutex<Vec<Decision>>,
    /// ReportOutcome fails so many times more.
    pub report_failures: Mutex<u32>,
    pub pauses: Mutex<Vec<PauseState>>,
    lease: Mutex<Option<Held>>,
    epochs: Mutex<u64>,
}

impl FakeDecision {
    pub fn scale(&self, target_id: &str, instance_type: &'static str) {
        self.scale
            .lock()
            .unwrap()
            .insert(target_id.to_owned(), instance_type);
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

    /// Ends the lease as if its time were over.
    pub fn expire_lease(&self) {
        if let Some(held) = self.lease.lock().unwrap().as_mut() {
            held.until = Instant::now();
        }
    }

    pub fn holder(&self) -> Option<String> {
        let lease = self.lease.lock().unwrap();
        lease
            .as_ref()
            .filter(|held| held.until > Instant::now())
            .map(|held| held.holder.clone())
    }

    /// A decision that some other scheduler left behind.
    pub fn leave_pending(
        &self,
        target_id: &str,
        instance_id: &str,
        to: &str,
        age: Duration,
        lease_epoch: u64,
    ) -> String {
        let id = format!("left-{target_id}");
        let at = SystemClock.now().saturating_sub(age).unwrap();
        self.decisions.lock().unwrap().push(Decision {
            decision_id: id.clone(),
            target_id: target_id.to_owned(),
            instance_id: instance_id.to_owned(),
            decided_at: Some(to_proto(at)),
            action: Action::ScaleUp.into(),
            from_instance_type: "t2.small".into(),
            to_instance_type: to.to_owned(),
            pending: true,
            lease_epoch,
            ..Default::default()
        });
        id
    }

    fn decide(&self, request: &DecideRequest) -> Decision {
        let mut decisions = self.decisions.lock().unwrap();
        let same = |decision: &&Decision| {
            decision.tick_id == request.tick_id && decision.target_id == request.target_id
        };
        if let Some(decision) = decisions.iter().find(same) {
            return decision.clone();
        }
        let pending = decisions
            .iter()
            .any(|decision| decision.pending && decision.target_id == request.target_id);
        let wanted = self.scale.lock().unwrap().get(&request.target_id).copied();
        let (action, to, reason_code, reason) = if !request.unknown_reason.is_empty() {
            let same = request.instance_type.as_str();
            (
                Action::Hold,
                same,
                request.unknown_reason_code(),
                request.unknown_reason.clone(),
            )
        } else if pending {
            (
                Action::Hold,
                request.instance_type.as_str(),
                ReasonCode::ActionPending,
                "pending".into(),
            )
        } else {
            match wanted.filter(|wanted| *wanted != request.instance_type) {
                Some(wanted) => (
                    Action::ScaleUp,
                    wanted,
                    ReasonCode::ForecastAboveUpThreshold,
                    "as told".to_owned(),
                ),
                None => (
                    Action::Hold,
                    request.instance_type.as_str(),
                    ReasonCode::ForecastInRange,
                    "in range".to_owned(),
                ),
            }
        };
        let decision = Decision {
            decision_id: format!("{}-{}", request.target_id, decisions.len()),
            tick_id: request.tick_id.clone(),
            target_id: request.target_id.clone(),
            instance_id: request.instance_id.clone(),
            decided_at: Some(to_proto(SystemClock.now())),
            action: action.into(),
            from_instance_type: request.instance_type.clone(),
            to_instance_type: to.to_owned(),
            reason_code: reason_code.into(),
            reason,
            confidence: 0.9,
            predicted_cpu_percent: request.forecast.as_ref().map(|forecast| forecast.last_cpu),
            horizon_seconds: request.forecast.as_ref().map_or(0, |_| 900),
            dry_run: request.dry_run,
            pending: action != Action::Hold && !request.dry_run,
            lease_epoch: request.lease_epoch,
            ..Default::default()
        };
        decisions.push(decision.clone());
        decision
    }
}

pub struct Served(Arc<FakeDecision>);

pub fn server(fake: &Arc<FakeDecision>) -> DecisionServiceServer<Served> {
    DecisionServiceServer::new(Served(Arc::clone(fake)))
}

fn lease(held: &Held) -> Lease {
    let left = held.until.saturating_duration_since(Instant::now());
    Lease {
        resource: "fleet".into(),
        holder: held.holder.clone(),
        epoch: held.epoch,
        expires_at: Some(to_proto(SystemClock.now().saturating_add(left).unwrap())),
    }
}

#[tonic::async_trait]
impl DecisionService for Served {
    async fn decide(
        &self,
        request: Request<DecideRequest>,
    ) -> Result<Response<DecideResponse>, Status> {
        assert!(
            deadline(&request).is_some(),
            "every call carries a deadline"
        );
        let request = request.into_inner();
        let slow = *self.0.slow.lock().unwrap();
        tokio::time::sleep(slow).await;
        self.0.requests.lock().unwrap().push(request.clone());
        if let Some(status) = self.0.refuse.lock().unwrap().get(&request.target_id) {
            return Err(status.clone());
        }
        let decision = Some(self.0.decide(&request));
        Ok(Response::new(DecideResponse { decision }))
    }

    async fn report_outcome(
        &self,
        request: Request<ReportOutcomeRequest>,
    ) -> Result<Response<ReportOutcomeResponse>, Status> {
        let request = request.into_inner();
        {
            let mut failures = self.0.report_failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(Status::internal("the store hiccups"));
            }
        }
        let mut decisions = self.0.decisions.lock().unwrap();
        let decision = decisions
            .iter_mut()
            .find(|decision| decision.decision_id == request.decision_id)
            .ok_or_else(|| Status::not_found("no such decision"))?;
        if decision.outcome() == Outcome::Unspecified {
            decision.outcome = request.outcome;
            decision.outcome_detail = request.detail;
            decision.outcome_at = request.finished_at;
            decision.pending = false;
        }
        let decision = Some(decision.clone());
        Ok(Response::new(ReportOutcomeResponse { decision }))
    }

    async fn list_decisions(
        &self,
        request: Request<ListDecisionsRequest>,
    ) -> Result<Response<ListDecisionsResponse>, Status> {
        assert!(request.get_ref().pending_only);
        let decisions = self.0.decisions.lock().unwrap();
        let decisions = decisions
            .iter()
            .filter(|decision| decision.pending)
            .cloned()
            .collect();
        Ok(Response::new(ListDecisionsResponse {
            decisions,
            next_page_token: String::new(),
        }))
    }

    async fn get_policy(
        &self,
        _: Request<GetPolicyRequest>,
    ) -> Result<Response<GetPolicyResponse>, Status> {
        Ok(Response::new(GetPolicyResponse {
            policy: Some(Policy {
                ladder: ["t2.small", "t2.medium", "t2.large"]
                    .map(str::to_owned)
                    .to_vec(),
                max_sample_age_seconds: 600,
                ..Default::default()
            }),
            ..Default::default()
        }))
    }

    async fn get_target_state(
        &self,
        request: Request<GetTargetStateRequest>,
    ) -> Result<Response<GetTargetStateResponse>, Status> {
        Ok(Response::new(GetTargetStateResponse {
            target_id: request.into_inner().target_id,
            ..Default::default()
        }))
    }

    async fn acquire_lease(
        &self,
        request: Request<AcquireLeaseRequest>,
    ) -> Result<Response<AcquireLeaseResponse>, Status> {
        let request = request.into_inner();
        let mut held = self.0.lease.lock().unwrap();
        let until = Instant::now() + Duration::from_secs(u64::from(request.ttl_seconds));
        match held.as_mut().filter(|held| held.until > Instant::now()) {
            Some(other) if other.holder != request.holder => {
                return Err(Status::aborted(format!("held by {}", other.holder)));
            }
            Some(same) => same.until = until,
            None => {
                let mut epochs = self.0.epochs.lock().unwrap();
                *epochs += 1;
                *held = Some(Held {
                    holder: request.holder,
                    epoch: *epochs,
                    until,
                });
            }
        }
        Ok(Response::new(AcquireLeaseResponse {
            lease: held.as_ref().map(lease),
        }))
    }

    async fn renew_lease(
        &self,
        request: Request<RenewLeaseRequest>,
    ) -> Result<Response<RenewLeaseResponse>, Status> {
        let request = request.into_inner();
        let mut held = self.0.lease.lock().unwrap();
        let mine = held.as_mut().filter(|held| {
            held.holder == request.holder
                && held.epoch == request.epoch
                && held.until > Instant::now()
        });
        let mine = mine.ok_or_else(|| Status::aborted("the lease was lost"))?;
        mine.until = Instant::now() + Duration::from_secs(u64::from(request.ttl_seconds));
        let lease = Some(lease(mine));
        Ok(Response::new(RenewLeaseResponse { lease }))
    }

    async fn release_lease(
        &self,
        request: Request<ReleaseLeaseRequest>,
    ) -> Result<Response<ReleaseLeaseResponse>, Status> {
        let request = request.into_inner();
        let mut held = self.0.lease.lock().unwrap();
        let mine = held
            .take_if(|held| held.holder == request.holder && held.epoch == request.epoch)
            .is_some();
        Ok(Response::new(ReleaseLeaseResponse { released: mine }))
    }

    async fn get_decision(
        &self,
        _: Request<GetDecisionRequest>,
    ) -> Result<Response<GetDecisionResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn explain_decision(
        &self,
        _: Request<ExplainDecisionRequest>,
    ) -> Result<Response<ExplainDecisionResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn apply_policy(
        &self,
        _: Request<ApplyPolicyRequest>,
    ) -> Result<Response<ApplyPolicyResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn validate_policy(
        &self,
        _: Request<ValidatePolicyRequest>,
    ) -> Result<Response<ValidatePolicyResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_pauses(
        &self,
        _: Request<ListPausesRequest>,
    ) -> Result<Response<ListPausesResponse>, Status> {
        Ok(Response::new(ListPausesResponse {
            pauses: self.0.pauses.lock().unwrap().clone(),
            next_page_token: String::new(),
        }))
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}
