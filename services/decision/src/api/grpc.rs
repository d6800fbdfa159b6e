//! `DecisionService` over gRPC: messages in, the service, messages out.

use std::{future::Future, time::Duration};

use common::{
    clock::machine,
    exposition::CallMetrics,
    grpc::GrpcServer,
    metadata::{caller, deadline},
    request::Fields,
    status::{self, FieldViolation},
    text::chain,
};
use proto::decision::v1::{
    self as message,
    decision_service_server::{DecisionService, DecisionServiceServer, SERVICE_NAME},
};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tracing::Instrument as _;

use crate::{
    api::convert::{self, fields},
    fleet::lease::LeaseError,
    service::{Service, error::ServiceError, pauses::Paused},
    store::{self, Filter, error::StoreError},
};

/// The longest that a write is tried again while the database is held by somebody else.
const MAX_PATIENCE: Duration = Duration::from_secs(3);
/// What is left of the caller's deadline for the way back.
const WAY_BACK: Duration = Duration::from_millis(200);

/// The generated trait, over the service.
#[derive(Debug)]
pub struct Api {
    service: Service,
    calls: CallMetrics,
}

/// A server that is ready at once: the store is open before there is a service.
pub fn server(api: Api) -> GrpcServer {
    GrpcServer::always_ready(SERVICE_NAME).with_service(DecisionServiceServer::new(api))
}

impl Api {
    /// The calls of a service, counted in `calls`.
    pub fn new(service: Service, calls: CallMetrics) -> Self {
        Self { service, calls }
    }

    /// Runs a write to its end, whatever becomes of the caller: a commit must not be left half done because a
    /// connection broke. Tries again while the database is held by somebody else.
    async fn write<T, F, Fut>(&self, deadline: Option<Duration>, attempt: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Fn(Service) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ServiceError>> + Send,
    {
        let service = self.service.clone();
        let patience = deadline
            .map_or(MAX_PATIENCE, |left| left.saturating_sub(WAY_BACK))
            .min(MAX_PATIENCE);
        let started = machine().monotonic();
        let work = async move {
            loop {
                match attempt(service.clone()).await {
                    // SQLite has waited already, so there is no pause in between.
                    Err(ServiceError::Store(StoreError::Busy(_)))
                        if machine().since(started) + store::BUSY_TIMEOUT <= patience => {}
                    result => return result.map_err(|error| refuse(&service, &error)),
                }
            }
        };
        match tokio::spawn(work.in_current_span()).await {
            Ok(result) => result,
            Err(error) => Err(Status::internal(format!("the call broke off: {error}"))),
        }
    }

    async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<T, Status> {
        work.await.map_err(|error| refuse(&self.service, &error))
    }
}

/// The one mapping from errors to statuses; a failure of the store is logged here and nowhere else.
fn refuse(service: &Service, error: &ServiceError) -> Status {
    let text = chain(error);
    match error {
        ServiceError::Store(failure) => {
            service.count_failure(failure);
            tracing::warn!(error = text, kind = failure.name(), "nothing was written");
            match failure {
                StoreError::Busy(_) => status::unavailable(text, Duration::from_secs(1)),
                StoreError::Unwritable(_) => status::unavailable(text, Duration::from_secs(30)),
                StoreError::Damaged(_) => Status::data_loss(text),
                StoreError::Statement(_) => Status::internal(text),
            }
        }
        ServiceError::NotFound(_)
        | ServiceError::NothingDecided(_)
        | ServiceError::UnknownTarget(_) => Status::not_found(text),
        ServiceError::Outcome(_) => {
            status::failed_precondition("DECISION_ENDED", "decision", &text)
        }
        ServiceError::StaleEpoch { target_id, .. } => {
            status::failed_precondition("LEASE_LOST", target_id, &text)
        }
        ServiceError::Lease(LeaseError::Held { remaining, .. }) => Status::with_error_details(
            Code::Aborted,
            text,
            ErrorDetails::with_retry_info(Some(*remaining)),
        ),
        ServiceError::Lease(LeaseError::Lost { .. }) => Status::aborted(text),
        ServiceError::FutureEpoch { .. } => {
            status::invalid_argument(&[FieldViolation::new("lease_epoch", text)])
        }
        ServiceError::NotKeptWhole { decision_id, .. } => {
            status::failed_precondition("NOT_KEPT_WHOLE", decision_id, &text)
        }
        ServiceError::PolicyOfTheFile => {
            status::failed_precondition("POLICY_SOURCE", "policy.source", &text)
        }
        ServiceError::TooMany { retry_after, .. } | ServiceError::TooFast { retry_after, .. } => {
            status::resource_exhausted(text, *retry_after)
        }
        ServiceError::PauseInThePast(..) => {
            status::invalid_argument(&[FieldViolation::new("until", text)])
        }
    }
}

fn invalid(violations: Vec<FieldViolation>) -> Status {
    status::invalid_argument(&violations)
}

#[tonic::async_trait]
impl DecisionService for Api {
    async fn decide(
        &self,
        request: Request<message::DecideRequest>,
    ) -> Result<Response<message::DecideResponse>, Status> {
        let deadline = deadline(&request);
        let caller = caller(&request);
        self.calls
            .observe("Decide", async {
                let input = convert::decide_request(request.into_inner()).map_err(invalid)?;
                let decided = self
                    .write(deadline, move |service| {
                        let input = input.clone();
                        async move { service.decide(input, caller).await }
                    })
                    .await?;
                tracing::debug!(
                    target_id = decided.target_id,
                    decision_id = decided.decision_id,
                    action = decided.verdict.action.name(),
                    reason = decided.verdict.reason,
                    "decided"
                );
                Ok(Response::new(message::DecideResponse {
                    decision: Some(convert::decision(&decided)),
                }))
            })
            .await
    }

    async fn review_target(
        &self,
        request: Request<message::ReviewTargetRequest>,
    ) -> Result<Response<message::ReviewTargetResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("ReviewTarget", async {
                let request = convert::review_request(request.into_inner()).map_err(invalid)?;
                let prepared = self.read(self.service.prepare_review(request)).await?;
                // It is all computing, and takes what many calls would take.
                let replayed = match tokio::task::spawn_blocking(move || prepared.replay()).await {
                    Ok(replayed) => replayed,
                    Err(error) => {
                        return Err(Status::internal(format!("the review broke off: {error}")));
                    }
                };
                let reviewed = self
                    .write(deadline, move |service| {
                        let replayed = replayed.clone();
                        async move { service.store_review(replayed).await }
                    })
                    .await?;
                Ok(Response::new(convert::reviewed(&reviewed)))
            })
            .await
    }

    async fn report_outcome(
        &self,
        request: Request<message::ReportOutcomeRequest>,
    ) -> Result<Response<message::ReportOutcomeResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("ReportOutcome", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let decision_id = fields::decision_id(&mut fields, &request.decision_id);
                let outcome = fields::outcome(&mut fields, request.outcome);
                let instance_type = fields.id_or_empty("instance_type", request.instance_type);
                let finished_at = fields.time("finished_at", request.finished_at);
                let detail = fields::one_line(&request.detail);
                let for_good = request.refused_for_good;
                fields.check()?;
                let decision = self
                    .write(deadline, move |service| {
                        let (id, instance_type, detail) =
                            (decision_id.clone(), instance_type.clone(), detail.clone());
                        async move {
                            service
                                .report(
                                    &id,
                                    (outcome, for_good),
                                    instance_type,
                                    detail,
                                    finished_at,
                                )
                                .await
                        }
                    })
                    .await?;
                Ok(Response::new(message::ReportOutcomeResponse {
                    decision: Some(convert::decision(&decision)),
                }))
            })
            .await
    }

    async fn get_decision(
        &self,
        request: Request<message::GetDecisionRequest>,
    ) -> Result<Response<message::GetDecisionResponse>, Status> {
        self.calls
            .observe("GetDecision", async {
                let mut fields = Fields::default();
                let id = fields::decision_id(&mut fields, &request.into_inner().decision_id);
                let id = fields.finish(id).map_err(invalid)?;
                let found = self.read(self.service.get(&id)).await?;
                Ok(Response::new(message::GetDecisionResponse {
                    decision: Some(convert::told(&found)),
                }))
            })
            .await
    }

    async fn list_decisions(
        &self,
        request: Request<message::ListDecisionsRequest>,
    ) -> Result<Response<message::ListDecisionsResponse>, Status> {
        self.calls
            .observe("ListDecisions", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let target_id = fields.id_or_empty("target_id", request.target_id);
                let filter = Filter {
                    target_id: Some(target_id).filter(|id| !id.is_empty()),
                    pending_only: request.pending_only,
                    actions_only: request.actions_only,
                    before: fields::page_token(&mut fields, &request.page_token),
                    limit: fields::page_size(&mut fields, request.page_size),
                };
                let filter = fields.finish(filter).map_err(invalid)?;
                let (decisions, next) = self.read(self.service.list(&filter)).await?;
                Ok(Response::new(message::ListDecisionsResponse {
                    decisions: decisions.iter().map(convert::told).collect(),
                    next_page_token: next.map(|place| place.to_string()).unwrap_or_default(),
                }))
            })
            .await
    }

    async fn explain_decision(
        &self,
        request: Request<message::ExplainDecisionRequest>,
    ) -> Result<Response<message::ExplainDecisionResponse>, Status> {
        self.calls
            .observe("ExplainDecision", async {
                let mut fields = Fields::default();
                let asked = fields::asked(&mut fields, request.into_inner());
                let asked = fields.finish(asked).map_err(invalid)?;
                let explained = self.read(self.service.explain(asked)).await?;
                Ok(Response::new(message::ExplainDecisionResponse {
                    text: explained.text,
                    decision: Some(convert::told(&explained.told)),
                    input: explained.input.as_ref().map(convert::input),
                    policy: Some(convert::policy::message(&explained.policy)),
                    alternatives: convert::alternatives(&explained.alternatives),
                }))
            })
            .await
    }

    async fn replay_decision(
        &self,
        request: Request<message::ReplayDecisionRequest>,
    ) -> Result<Response<message::ReplayDecisionResponse>, Status> {
        self.calls
            .observe("ReplayDecision", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let id = fields::decision_id(&mut fields, &request.decision_id);
                let other = request.policy.is_some();
                let policy = other.then(|| convert::policy::read(&mut fields, request.policy));
                let (id, policy) = fields.finish((id, policy)).map_err(invalid)?;
                let replayed = self.read(self.service.replay(&id, policy.as_ref())).await?;
                Ok(Response::new(message::ReplayDecisionResponse {
                    made: Some(convert::decision(&replayed.made)),
                    again: Some(convert::decision(&replayed.again)),
                    same: replayed
                        .made
                        .verdict
                        .is_made_again_by(&replayed.again.verdict),
                }))
            })
            .await
    }

    async fn get_policy(
        &self,
        _request: Request<message::GetPolicyRequest>,
    ) -> Result<Response<message::GetPolicyResponse>, Status> {
        self.calls
            .observe("GetPolicy", async {
                let in_force = self.read(self.service.policy()).await?;
                let source = match in_force.applied_at {
                    Some(_) => "ApplyPolicy",
                    None => "configuration",
                };
                Ok(Response::new(message::GetPolicyResponse {
                    policy: Some(convert::policy::message(&in_force.policy)),
                    version: in_force.version,
                    source: source.to_owned(),
                }))
            })
            .await
    }

    async fn apply_policy(
        &self,
        request: Request<message::ApplyPolicyRequest>,
    ) -> Result<Response<message::ApplyPolicyResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("ApplyPolicy", async {
                let mut fields = Fields::default();
                let policy = convert::policy::read(&mut fields, request.into_inner().policy);
                let policy = fields.finish(policy).map_err(invalid)?;
                let applied = convert::policy::message(&policy);
                let version = self
                    .write(deadline, move |service| {
                        let policy = policy.clone();
                        async move { service.apply_policy(&policy).await }
                    })
                    .await?;
                tracing::info!(version, "policy applied");
                Ok(Response::new(message::ApplyPolicyResponse {
                    policy: Some(applied),
                    version,
                }))
            })
            .await
    }

    async fn validate_policy(
        &self,
        request: Request<message::ValidatePolicyRequest>,
    ) -> Result<Response<message::ValidatePolicyResponse>, Status> {
        self.calls
            .observe("ValidatePolicy", async {
                let request = request.into_inner();
                if request.policy.is_none() {
                    return Err(invalid(vec![FieldViolation::new("policy", "is missing")]));
                }
                let mut fields = Fields::default();
                let policy = convert::policy::read(&mut fields, request.policy);
                let violations = fields.finish(policy).err().unwrap_or_default();
                Ok(Response::new(message::ValidatePolicyResponse {
                    violations: convert::policy::violations(violations),
                }))
            })
            .await
    }

    async fn pause(
        &self,
        request: Request<message::PauseRequest>,
    ) -> Result<Response<message::PauseResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("Pause", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let target_id = fields.id_or_empty("target_id", request.target_id);
                let direction = fields::direction(&mut fields, request.direction);
                let end = fields::pause_end(&mut fields, request.until, request.lasting);
                let by = fields.id_or_empty("by", request.by);
                let reason = fields::one_line(&request.reason);
                fields.check()?;
                let Paused { pause, replaced } = self
                    .write(deadline, move |service| {
                        let (target_id, reason) = (target_id.clone(), reason.clone());
                        let by = by.clone();
                        async move { service.pause(target_id, direction, reason, end, by).await }
                    })
                    .await?;
                tracing::info!(
                    target_id = pause.target_id,
                    reason = pause.reason,
                    by = pause.by,
                    "paused"
                );
                Ok(Response::new(message::PauseResponse {
                    pause: Some(convert::pause(&pause)),
                    replaced: replaced.as_ref().map(convert::pause),
                }))
            })
            .await
    }

    async fn resume(
        &self,
        request: Request<message::ResumeRequest>,
    ) -> Result<Response<message::ResumeResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("Resume", async {
                let mut fields = Fields::default();
                let id = fields.id_or_empty("target_id", request.into_inner().target_id);
                let id = fields.finish(id).map_err(invalid)?;
                tracing::info!(target_id = id, "resumed");
                let resumed = self
                    .write(deadline, move |service| {
                        let id = id.clone();
                        async move { service.resume(&id).await }
                    })
                    .await?;
                Ok(Response::new(message::ResumeResponse { resumed }))
            })
            .await
    }

    async fn list_pauses(
        &self,
        request: Request<message::ListPausesRequest>,
    ) -> Result<Response<message::ListPausesResponse>, Status> {
        self.calls
            .observe("ListPauses", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let after = fields::pauses_page_token(&mut fields, &request.page_token);
                let limit = fields::pauses_page_size(&mut fields, request.page_size);
                fields.check()?;
                let pauses = self
                    .read(self.service.pauses(after.as_deref(), limit))
                    .await?;
                let full = u32::try_from(pauses.len()).is_ok_and(|length| length == limit);
                let last = pauses.last().filter(|_| full);
                Ok(Response::new(message::ListPausesResponse {
                    next_page_token: last
                        .map(|last| fields::pause_token(&last.target_id))
                        .unwrap_or_default(),
                    pauses: pauses.iter().map(convert::pause).collect(),
                }))
            })
            .await
    }

    async fn get_target_state(
        &self,
        request: Request<message::GetTargetStateRequest>,
    ) -> Result<Response<message::GetTargetStateResponse>, Status> {
        self.calls
            .observe("GetTargetState", async {
                let mut fields = Fields::default();
                let id = fields.id("target_id", request.into_inner().target_id);
                let id = fields.finish(id).map_err(invalid)?;
                let state = self.read(self.service.target_state(&id)).await?;
                Ok(Response::new(convert::target_state(id, &state)))
            })
            .await
    }

    async fn acquire_lease(
        &self,
        request: Request<message::AcquireLeaseRequest>,
    ) -> Result<Response<message::AcquireLeaseResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("AcquireLease", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let resource = fields.id("resource", request.resource);
                let holder = fields.id("holder", request.holder);
                let ttl = fields::ttl(&mut fields, request.ttl_seconds);
                fields.check()?;
                let lease = self
                    .write(deadline, move |service| {
                        let (resource, holder) = (resource.clone(), holder.clone());
                        async move { service.acquire_lease(&resource, &holder, ttl).await }
                    })
                    .await?;
                Ok(Response::new(message::AcquireLeaseResponse {
                    lease: Some(convert::lease(&lease)),
                }))
            })
            .await
    }

    async fn renew_lease(
        &self,
        request: Request<message::RenewLeaseRequest>,
    ) -> Result<Response<message::RenewLeaseResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("RenewLease", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let resource = fields.id("resource", request.resource);
                let holder = fields.id("holder", request.holder);
                let epoch = fields::epoch(&mut fields, "epoch", request.epoch);
                let ttl = fields::ttl(&mut fields, request.ttl_seconds);
                fields.check()?;
                let lease = self
                    .write(deadline, move |service| {
                        let (resource, holder) = (resource.clone(), holder.clone());
                        async move { service.renew_lease(&resource, &holder, epoch, ttl).await }
                    })
                    .await?;
                Ok(Response::new(message::RenewLeaseResponse {
                    lease: Some(convert::lease(&lease)),
                }))
            })
            .await
    }

    async fn release_lease(
        &self,
        request: Request<message::ReleaseLeaseRequest>,
    ) -> Result<Response<message::ReleaseLeaseResponse>, Status> {
        let deadline = deadline(&request);
        self.calls
            .observe("ReleaseLease", async {
                let request = request.into_inner();
                let mut fields = Fields::default();
                let resource = fields.id("resource", request.resource);
                let holder = fields.id("holder", request.holder);
                let epoch = fields::epoch(&mut fields, "epoch", request.epoch);
                fields.check()?;
                let released = self
                    .write(deadline, move |service| {
                        let (resource, holder) = (resource.clone(), holder.clone());
                        async move { service.release_lease(&resource, &holder, epoch).await }
                    })
                    .await?;
                Ok(Response::new(message::ReleaseLeaseResponse { released }))
            })
            .await
    }
}
