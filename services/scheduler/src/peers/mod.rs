//! The three services behind the scheduler, as functions.
//!
//! Every call carries a deadline and the trace. All of them may be repeated safely (by id, by key, or because they only
//! read), so all are repeated while the service is unavailable, within the deadline.

pub mod convert;

use std::{
    collections::HashMap,
    error::Error as _,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use common::{
    clock::SharedClock,
    grpc::{channel, outgoing},
    health::{self, Health},
    retry,
    text::one_line,
    time::from_proto,
};
use jiff::Timestamp;
use proto::{
    actuator::v1::{
        DescribeInstanceRequest, DescribeInstancesRequest, GetLimitsRequest, GetResizeRequest,
        ListInstanceTypesRequest, StartResizeRequest, WatchResizeRequest, WatchResizeResponse,
        actuator_service_client::ActuatorServiceClient,
    },
    decision::v1::{
        AcquireLeaseRequest, GetPolicyRequest, GetTargetStateRequest, ListDecisionsRequest,
        ListPausesRequest, ReleaseLeaseRequest, RenewLeaseRequest,
        decision_service_client::DecisionServiceClient,
    },
    predictor::v1::{ForecastRequest, predictor_service_client::PredictorServiceClient},
};
use tonic::{Code, Response, Status, Streaming, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    config::Config,
    domain::{Decision, Ending, Instance, Policy, Question, Resize, Series, TypeInfo},
    peers::convert::{BadAnswer, Forecast},
    tick::standing::{Limits, Pause},
};

/// So long a health probe may take.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Pending decisions read at once; a page of the decision service.
const PAGE: u32 = 1_000;
/// What is leased: the right to act on all targets of this decision service.
const RESOURCE: &str = "fleet";

/// What a failed call means for the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The service said no, for good.
    Refused,
    /// The request itself was wrong.
    Invalid,
    /// The service doesn't know it.
    NotFound,
    /// Somebody else has it.
    Taken,
    /// The lease epoch that it was asked under is not the one that counts.
    Stale,
    /// Nobody knows whether it happened.
    Unsure,
}

/// A failed call: one line with service, address and cause.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{service} at {url}: {message}")]
pub struct CallError {
    service: &'static str,
    url: String,
    message: String,
    /// The service itself said it, and not the way to it.
    pub was_answered: bool,
    /// What it means.
    pub failure: Failure,
}

impl CallError {
    /// What the service said, without who it is.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// One service and where it is.
#[derive(Clone, Debug)]
struct Peer {
    service: &'static str,
    /// Configuration key of the URL, for the remedy.
    key: &'static str,
    url: String,
    channel: Channel,
}

/// Connections to the three services.
#[derive(Clone)]
pub struct Clients {
    predictor: Arc<Peer>,
    decision: Arc<Peer>,
    actuator: Arc<Peer>,
    timeout: Duration,
    clock: SharedClock,
}

/// How a service is.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceState {
    /// "predictor", "decision" or "actuator".
    pub service: &'static str,
    /// Its answer.
    pub health: Health,
    /// Where it is.
    pub url: String,
}

impl Clients {
    /// Connects at the first call.
    ///
    /// # Errors
    /// A URL that tonic can't use.
    pub fn new(config: &Config, clock: SharedClock) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let peer = |service, key, url: &String| {
            let channel = channel(url).with_context(|| format!("configuration key `{key}`"))?;
            anyhow::Ok(Arc::new(Peer {
                service,
                key,
                url: url.clone(),
                channel,
            }))
        };
        Ok(Self {
            predictor: peer(
                "predictor",
                "scheduler.predictor_url",
                &config.predictor_url,
            )?,
            decision: peer("decision", "scheduler.decision_url", &config.decision_url)?,
            actuator: peer("actuator", "scheduler.actuator_url", &config.actuator_url)?,
            timeout: config.call_timeout(),
            clock,
        })
    }

    /// How all three are, asked at the same time.
    pub async fn health(&self) -> Vec<ServiceState> {
        let ask = |peer: &Arc<Peer>| {
            let peer = Arc::clone(peer);
            async move {
                ServiceState {
                    service: peer.service,
                    health: health::check(peer.channel.clone(), HEALTH_TIMEOUT).await,
                    url: peer.url.clone(),
                }
            }
        };
        futures::future::join_all([&self.predictor, &self.decision, &self.actuator].map(ask)).await
    }

    /// Whether the actuator takes anything on; asked once.
    ///
    /// # Errors
    /// Why it doesn't, as far as is known.
    pub async fn actuator_serves(&self) -> Result<(), CallError> {
        let peer = &self.actuator;
        let (was_answered, message) = match health::check(peer.channel.clone(), HEALTH_TIMEOUT)
            .await
        {
            Health::Serving => return Ok(()),
            Health::NotServing => (
                true,
                "it does not serve: it is starting or ending, or can't use its journal or AWS; its log says which".to_owned(),
            ),
            Health::Unreachable(why) => (
                false,
                format!(
                    "can't be reached ({}); is it running, does it wait for a journal that another actuator holds, and is \
                     {} right?",
                    one_line(&why),
                    peer.key
                ),
            ),
        };
        Err(CallError {
            service: peer.service,
            url: peer.url.clone(),
            message,
            was_answered,
            failure: Failure::Unsure,
        })
    }

    /// Forecasts a batch.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (one bad series fails all) is [`Failure::Invalid`].
    pub async fn forecast(&self, batch: &[(&str, &Series)]) -> Result<Vec<Forecast>, CallError> {
        let request = ForecastRequest {
            series: batch
                .iter()
                .map(|(target_id, series)| convert::series(target_id, series))
                .collect(),
            ..Default::default()
        };
        let answer = self
            .call(&self.predictor, request, async |channel, request| {
                PredictorServiceClient::new(channel).forecast(request).await
            })
            .await?;
        Ok(answer.forecasts.into_iter().map(Forecast::from).collect())
    }

    /// Decides and stores.
    ///
    /// # Errors
    /// Then nothing is stored for sure, and nothing may be done.
    pub async fn decide(&self, question: &Question<'_>) -> Result<Decision, CallError> {
        let answer = self
            .call(
                &self.decision,
                convert::decide_request(question),
                async |channel, request| DecisionServiceClient::new(channel).decide(request).await,
            )
            .await?;
        let decision = answer.decision.ok_or(BadAnswer("decision"));
        self.understood(&self.decision, decision.and_then(Decision::try_from))
    }

    /// Says how an action ended.
    ///
    /// # Errors
    /// Then it is to be said again.
    pub async fn report_outcome(
        &self,
        decision_id: &str,
        ending: &Ending,
    ) -> Result<(), CallError> {
        self.call(
            &self.decision,
            convert::report_request(decision_id, ending),
            async |channel, request| {
                DecisionServiceClient::new(channel)
                    .report_outcome(request)
                    .await
            },
        )
        .await?;
        Ok(())
    }

    /// Decisions whose action has not been reported as ended.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn pending_decisions(&self) -> Result<Vec<Decision>, CallError> {
        let mut decisions = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListDecisionsRequest {
                page_size: PAGE,
                page_token,
                pending_only: true,
                ..Default::default()
            };
            let answer = self
                .call(&self.decision, request, async |channel, request| {
                    DecisionServiceClient::new(channel)
                        .list_decisions(request)
                        .await
                })
                .await?;
            let page: Result<Vec<_>, _> = answer
                .decisions
                .into_iter()
                .map(Decision::try_from)
                .collect();
            decisions.extend(self.understood(&self.decision, page)?);
            if answer.next_page_token.is_empty() {
                return Ok(decisions);
            }
            page_token = answer.next_page_token;
        }
    }

    /// The policy in force.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn policy(&self) -> Result<Policy, CallError> {
        let answer = self
            .call(
                &self.decision,
                GetPolicyRequest {},
                async |channel, request| {
                    DecisionServiceClient::new(channel)
                        .get_policy(request)
                        .await
                },
            )
            .await?;
        self.understood(
            &self.decision,
            answer.policy.map(Policy::from).ok_or(BadAnswer("policy")),
        )
    }

    /// When the last resize of a target ended.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn last_resize(&self, target_id: &str) -> Result<Option<Timestamp>, CallError> {
        let request = GetTargetStateRequest {
            target_id: target_id.to_owned(),
        };
        let answer = self
            .call(&self.decision, request, async |channel, request| {
                DecisionServiceClient::new(channel)
                    .get_target_state(request)
                    .await
            })
            .await?;
        Ok(answer.recent_resizes.first().and_then(from_proto))
    }

    /// What may be stopped now, as the actuator says; asked once, within the time of a health probe.
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn limits(&self) -> Result<Limits, CallError> {
        let mut client = ActuatorServiceClient::new(self.actuator.channel.clone());
        let call = client.get_limits(outgoing(GetLimitsRequest {}, HEALTH_TIMEOUT));
        let answer = probed(&self.actuator, call).await?;
        Ok(convert::limits(answer))
    }

    /// The pauses in force, the fleet's first, 1,000 at most; asked once, within the time of a health probe.
    ///
    /// # Errors
    /// When they can't be asked for.
    pub async fn pauses(&self) -> Result<Vec<Pause>, CallError> {
        let request = ListPausesRequest {
            page_size: PAGE,
            page_token: String::new(),
        };
        let mut client = DecisionServiceClient::new(self.decision.channel.clone());
        let call = client.list_pauses(outgoing(request, HEALTH_TIMEOUT));
        let answer = probed(&self.decision, call).await?;
        Ok(answer.pauses.into_iter().map(Pause::from).collect())
    }

    /// Makes `holder` the one actor; returns the epoch.
    ///
    /// # Errors
    /// [`Failure::Taken`] while somebody else is.
    pub async fn acquire_lease(&self, holder: &str, ttl_seconds: u32) -> Result<u64, CallError> {
        let request = AcquireLeaseRequest {
            resource: RESOURCE.to_owned(),
            holder: holder.to_owned(),
            ttl_seconds,
        };
        let answer = self
            .call(&self.decision, request, async |channel, request| {
                DecisionServiceClient::new(channel)
                    .acquire_lease(request)
                    .await
            })
            .await?;
        let epoch = answer
            .lease
            .map(|lease| lease.epoch)
            .ok_or(BadAnswer("lease"));
        self.understood(&self.decision, epoch)
    }

    /// Extends the lease.
    ///
    /// # Errors
    /// [`Failure::Taken`] when it was lost.
    pub async fn renew_lease(
        &self,
        holder: &str,
        epoch: u64,
        ttl_seconds: u32,
    ) -> Result<u64, CallError> {
        let request = RenewLeaseRequest {
            resource: RESOURCE.to_owned(),
            holder: holder.to_owned(),
            epoch,
            ttl_seconds,
        };
        let answer = self
            .call(&self.decision, request, async |channel, request| {
                DecisionServiceClient::new(channel)
                    .renew_lease(request)
                    .await
            })
            .await?;
        let epoch = answer
            .lease
            .map(|lease| lease.epoch)
            .ok_or(BadAnswer("lease"));
        self.understood(&self.decision, epoch)
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// Then it ends by itself.
    pub async fn release_lease(&self, holder: &str, epoch: u64) -> Result<(), CallError> {
        let request = ReleaseLeaseRequest {
            resource: RESOURCE.to_owned(),
            holder: holder.to_owned(),
            epoch,
        };
        self.call(&self.decision, request, async |channel, request| {
            DecisionServiceClient::new(channel)
                .release_lease(request)
                .await
        })
        .await?;
        Ok(())
    }

    /// State and type of an instance.
    ///
    /// # Errors
    /// When it can't be described.
    pub async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CallError> {
        let request = DescribeInstanceRequest {
            instance_id: instance_id.to_owned(),
        };
        let answer = self
            .call(&self.actuator, request, async |channel, request| {
                ActuatorServiceClient::new(channel)
                    .describe_instance(request)
                    .await
            })
            .await?;
        let instance = answer.instance.ok_or(BadAnswer("instance"));
        let instance = instance.and_then(|found| convert::instance(found, answer.dry_run));
        self.understood(&self.actuator, instance)
    }

    /// State and type of at most 200 instances, by id; those that don't exist are left out.
    ///
    /// # Errors
    /// When none can be described; within, when one can't.
    pub async fn describe_instances(
        &self,
        ids: Vec<String>,
    ) -> Result<HashMap<String, Result<Instance, CallError>>, CallError> {
        let request = DescribeInstancesRequest { instance_ids: ids };
        let answer = self
            .call(&self.actuator, request, async |channel, request| {
                ActuatorServiceClient::new(channel)
                    .describe_instances(request)
                    .await
            })
            .await?;
        let one = |found: proto::actuator::v1::Instance| {
            let id = found.instance_id.clone();
            let instance = convert::instance(found, answer.dry_run);
            (id, self.understood(&self.actuator, instance))
        };
        Ok(answer.instances.into_iter().map(one).collect())
    }

    /// At most 100 types by name; unknown ones are left out.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn list_instance_types(&self, names: &[String]) -> Result<Vec<TypeInfo>, CallError> {
        let request = ListInstanceTypesRequest {
            instance_types: names.to_vec(),
        };
        let answer = self
            .call(&self.actuator, request, async |channel, request| {
                ActuatorServiceClient::new(channel)
                    .list_instance_types(request)
                    .await
            })
            .await?;
        Ok(answer
            .instance_types
            .into_iter()
            .map(TypeInfo::from)
            .collect())
    }

    /// Hands the action of a decision over. The same decision twice is one resize.
    ///
    /// # Errors
    /// [`Failure::Unsure`] when it may have been taken on nevertheless.
    pub async fn start_resize(
        &self,
        decision: &Decision,
        lease_epoch: u64,
    ) -> Result<Resize, CallError> {
        let request = StartResizeRequest {
            resize_id: decision.id.clone(),
            instance_id: decision.instance_id.clone(),
            target_instance_type: decision.to_type.clone(),
            expected_instance_type: decision.from_type.clone(),
            lease_epoch,
            dry_run: decision.dry_run,
            reason: decision.reason.clone(),
        };
        let answer = self
            .call(&self.actuator, request, async |channel, request| {
                ActuatorServiceClient::new(channel)
                    .start_resize(request)
                    .await
            })
            .await?;
        self.resize(answer.resize)
    }

    /// A resize by id; `None` when the actuator never took it on.
    ///
    /// # Errors
    /// When the actuator can't be asked.
    pub async fn get_resize(&self, resize_id: &str) -> Result<Option<Resize>, CallError> {
        let request = GetResizeRequest {
            resize_id: resize_id.to_owned(),
        };
        let answer = self
            .call(&self.actuator, request, async |channel, request| {
                ActuatorServiceClient::new(channel)
                    .get_resize(request)
                    .await
            })
            .await;
        match answer {
            Ok(answer) => self.resize(answer.resize).map(Some),
            Err(error) if error.failure == Failure::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A resize, step by step.
    ///
    /// # Errors
    /// When the stream can't be opened.
    pub async fn watch_resize(&self, resize_id: &str) -> Result<ResizeSteps, CallError> {
        let request = WatchResizeRequest {
            resize_id: resize_id.to_owned(),
        };
        let steps = self
            .call(&self.actuator, request, async |channel, request| {
                ActuatorServiceClient::new(channel)
                    .watch_resize(request)
                    .await
            })
            .await?;
        Ok(ResizeSteps {
            steps,
            clients: self.clone(),
        })
    }

    fn resize(&self, message: Option<proto::actuator::v1::Resize>) -> Result<Resize, CallError> {
        let resize = message
            .ok_or(BadAnswer("resize"))
            .and_then(|message| convert::resize(message, self.clock.now()));
        self.understood(&self.actuator, resize)
    }

    async fn call<M, T, F, Fut>(&self, peer: &Peer, message: M, send: F) -> Result<T, CallError>
    where
        M: Clone,
        F: Fn(Channel, tonic::Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let begin = Instant::now();
        let last = Mutex::new(None);
        let attempts = retry::on_unavailable(self.timeout, || {
            let left = self.timeout.saturating_sub(begin.elapsed());
            let attempt = send(peer.channel.clone(), outgoing(message.clone(), left));
            let last = &last;
            async move {
                let answer = attempt.await;
                if let Err(status) = &answer {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(status.clone());
                }
                answer
            }
        });
        // The header binds the server; this binds a connection that never answers.
        let status = match tokio::time::timeout(self.timeout, attempts).await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => Some(status),
            // Time ran out between attempts: what the last one said is the cause.
            Err(_) => last.into_inner().unwrap_or_else(PoisonError::into_inner),
        };
        Err(match status {
            Some(status) => failed(peer, &status),
            None => CallError {
                service: peer.service,
                url: peer.url.clone(),
                message: format!(
                    "no answer within {} s; see scheduler.call_timeout_seconds",
                    self.timeout.as_secs()
                ),
                was_answered: false,
                failure: Failure::Unsure,
            },
        })
    }

    fn understood<T>(&self, peer: &Peer, answer: Result<T, BadAnswer>) -> Result<T, CallError> {
        answer.map_err(|bad| CallError {
            service: peer.service,
            url: peer.url.clone(),
            message: bad.to_string(),
            was_answered: true,
            failure: Failure::Unsure,
        })
    }
}

/// The steps of a resize as they happen.
pub struct ResizeSteps {
    steps: Streaming<WatchResizeResponse>,
    clients: Clients,
}

impl ResizeSteps {
    /// The next one; `None` at the end of the stream, which the last step of a resize should come before.
    ///
    /// # Errors
    /// A broken stream.
    pub async fn next(&mut self) -> Result<Option<Resize>, CallError> {
        match self.steps.message().await {
            Ok(Some(message)) => self.clients.resize(message.resize).map(Some),
            Ok(None) => Ok(None),
            Err(status) => Err(failed(&self.clients.actuator, &status)),
        }
    }
}

/// One attempt: whoever asks how things stand must not wait for them to get better.
async fn probed<T>(
    peer: &Peer,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(HEALTH_TIMEOUT, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(failed(peer, &status)),
        Err(_) => Err(CallError {
            service: peer.service,
            url: peer.url.clone(),
            message: format!("no answer within {} s", HEALTH_TIMEOUT.as_secs()),
            was_answered: false,
            failure: Failure::Unsure,
        }),
    }
}

/// An epoch that is too old, not held, or ahead of the other's clock.
fn is_about_the_lease(status: &Status) -> bool {
    let details = status.get_error_details();
    let kinds = details.precondition_failure().into_iter();
    let fields = details.bad_request().into_iter();
    kinds
        .flat_map(|failure| &failure.violations)
        .any(|violation| matches!(violation.r#type.as_str(), "LEASE_EPOCH" | "LEASE_LOST"))
        || fields
            .flat_map(|request| &request.field_violations)
            .any(|violation| violation.field == "lease_epoch")
}

fn failed(peer: &Peer, status: &Status) -> CallError {
    let failure = match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition if is_about_the_lease(status) => {
            Failure::Stale
        }
        Code::InvalidArgument | Code::OutOfRange => Failure::Invalid,
        Code::NotFound => Failure::NotFound,
        Code::Aborted => Failure::Taken,
        Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Unauthenticated
        | Code::Unimplemented => Failure::Refused,
        // ALREADY_EXISTS too: something of that id is there, so it is worth a look.
        _ => Failure::Unsure,
    };
    let mut message = status.message().to_owned();
    // A transport error says "transport error" and keeps the cause to itself.
    let mut cause = status.source();
    let mut connected = true;
    while let Some(inner) = cause {
        connected = false;
        if inner.source().is_none() {
            message = inner.to_string();
        }
        cause = inner.source();
    }
    if status.code() == Code::Unavailable && !connected {
        message = format!(
            "can't be reached ({message}); is it running, and is {} right?",
            peer.key
        );
    }
    if message.is_empty() {
        message = status.code().description().to_lowercase();
    }
    CallError {
        service: peer.service,
        url: peer.url.clone(),
        message: one_line(&message),
        was_answered: connected,
        failure,
    }
}
