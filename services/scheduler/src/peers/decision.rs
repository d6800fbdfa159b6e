//! The decision service.

use async_trait::async_trait;
use common::{
    text::one_line,
    time::{from_proto, to_proto},
};
use jiff::Timestamp;
use prost::Message as _;
use proto::{
    decision::v1::{
        self as message, AcquireLeaseRequest, GetPolicyRequest, GetTargetStateRequest,
        ListDecisionsRequest, ListPausesRequest, ReleaseLeaseRequest, RenewLeaseRequest,
        ReviewTargetRequest, decision_service_client::DecisionServiceClient,
    },
    predictor::v1::SeriesForecast,
};
use sizing::past::Past;

use super::{
    failure::{BadAnswer, CallError},
    link::{Link, ServiceState, call, probe},
};
use crate::domain::{
    Action, Decision, Direction, Ending, Missing, Observation, Outcome, Pause, Policy, Question,
    ReasonCode, ReviewQuestion, Sizing, TypeInfo,
};

/// Pending decisions read at once; a page of the decision service.
const PAGE: u32 = 1_000;
/// What is leased: the right to act on all targets of this decision service.
const RESOURCE: &str = "fleet";
/// Notes that go with a question.
const MOST_NOTES: usize = 16;

/// A service that decides, remembers what it decided, and says who may act.
#[async_trait]
pub trait DecisionService: Send + Sync {
    /// Its health.
    async fn health(&self) -> ServiceState;

    /// Decides and stores.
    ///
    /// # Errors
    /// Then nothing is stored for sure, and nothing may be done.
    async fn decide(&self, question: &Question<'_>) -> Result<Decision, CallError>;

    /// Has the past of a target reviewed; says why not, where that is not possible.
    ///
    /// # Errors
    /// Then the review before stays.
    async fn review(&self, question: &ReviewQuestion<'_>) -> Result<Option<String>, CallError>;

    /// Says how an action ended.
    ///
    /// # Errors
    /// Then it is to be said again.
    async fn report_outcome(&self, decision_id: &str, ending: &Ending) -> Result<(), CallError>;

    /// Decisions whose action has not been reported as ended.
    ///
    /// # Errors
    /// When they can't be read.
    async fn pending_decisions(&self) -> Result<Vec<Decision>, CallError>;

    /// The policy in force.
    ///
    /// # Errors
    /// When it can't be read.
    async fn policy(&self) -> Result<Policy, CallError>;

    /// When the last resize of a target ended.
    ///
    /// # Errors
    /// When it can't be read.
    async fn last_resize(&self, target_id: &str) -> Result<Option<Timestamp>, CallError>;

    /// The pauses in force, the fleet's first, 1,000 at most; asked once, within the time of a health probe.
    ///
    /// # Errors
    /// When they can't be asked for.
    async fn pauses(&self) -> Result<Vec<Pause>, CallError>;

    /// Makes `holder` the one actor; returns the epoch.
    ///
    /// # Errors
    /// [`Failure::Taken`](super::Failure::Taken) while somebody else is.
    async fn acquire_lease(&self, holder: &str, ttl_seconds: u32) -> Result<u64, CallError>;

    /// Extends the lease.
    ///
    /// # Errors
    /// [`Failure::Taken`](super::Failure::Taken) when it was lost.
    async fn renew_lease(
        &self,
        holder: &str,
        epoch: u64,
        ttl_seconds: u32,
    ) -> Result<u64, CallError>;

    /// Gives the lease back.
    ///
    /// # Errors
    /// Then it ends by itself.
    async fn release_lease(&self, holder: &str, epoch: u64) -> Result<(), CallError>;
}

/// The decision service over gRPC.
pub struct DecisionClient(Link);

impl DecisionClient {
    /// Calls go over `link`.
    pub fn new(link: Link) -> Self {
        Self(link)
    }

    fn epoch(&self, lease: Option<message::Lease>) -> Result<u64, CallError> {
        let epoch = lease.map(|lease| lease.epoch).ok_or(BadAnswer("lease"));
        self.0.understood(epoch)
    }
}

#[async_trait]
impl DecisionService for DecisionClient {
    async fn health(&self) -> ServiceState {
        self.0.health().await
    }

    async fn decide(&self, question: &Question<'_>) -> Result<Decision, CallError> {
        let request = self.0.understood(decide_request(question))?;
        let answer = call!(self.0, DecisionServiceClient::decide(request))?;
        let decision = answer.decision.ok_or(BadAnswer("decision"));
        self.0.understood(decision.and_then(self::decision))
    }

    async fn review(&self, question: &ReviewQuestion<'_>) -> Result<Option<String>, CallError> {
        let request = ReviewTargetRequest {
            target_id: question.target.id.clone(),
            demand: question
                .demand
                .iter()
                .map(|demand| demand.unwrap_or(f32::NAN))
                .collect(),
            instance_types: types(&question.instance_types),
            ladder: question.target.ladder.clone(),
            lease_epoch: question.lease_epoch,
            memory_peak_mib: question.memory_peak_mib,
        };
        let answer = call!(self.0, DecisionServiceClient::review_target(request))?;
        Ok(match answer.review {
            Some(_) => None,
            None => Some(answer.reason),
        })
    }

    async fn report_outcome(&self, decision_id: &str, ending: &Ending) -> Result<(), CallError> {
        call!(
            self.0,
            DecisionServiceClient::report_outcome(report_request(decision_id, ending))
        )?;
        Ok(())
    }

    async fn pending_decisions(&self) -> Result<Vec<Decision>, CallError> {
        let mut decisions = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListDecisionsRequest {
                page_size: PAGE,
                page_token,
                pending_only: true,
                ..Default::default()
            };
            let answer = call!(self.0, DecisionServiceClient::list_decisions(request))?;
            let page: Result<Vec<_>, _> = answer.decisions.into_iter().map(decision).collect();
            decisions.extend(self.0.understood(page)?);
            if answer.next_page_token.is_empty() {
                return Ok(decisions);
            }
            page_token = answer.next_page_token;
        }
    }

    async fn policy(&self) -> Result<Policy, CallError> {
        let answer = call!(
            self.0,
            DecisionServiceClient::get_policy(GetPolicyRequest {})
        )?;
        let policy = answer.policy.map(|policy| Policy {
            ladder: policy.ladder.clone(),
            max_sample_age_seconds: policy.max_sample_age_seconds,
            sizing: match policy.strategy() {
                message::Strategy::Unspecified | message::Strategy::Threshold => Sizing::Without,
                message::Strategy::Headroom => Sizing::ByRule,
                message::Strategy::Adaptive => Sizing::ByReviews,
            },
        });
        self.0.understood(policy.ok_or(BadAnswer("policy")))
    }

    async fn last_resize(&self, target_id: &str) -> Result<Option<Timestamp>, CallError> {
        let request = GetTargetStateRequest {
            target_id: target_id.to_owned(),
        };
        let answer = call!(self.0, DecisionServiceClient::get_target_state(request))?;
        Ok(answer.recent_resizes.first().and_then(from_proto))
    }

    async fn pauses(&self) -> Result<Vec<Pause>, CallError> {
        let request = ListPausesRequest {
            page_size: PAGE,
            page_token: String::new(),
        };
        let answer = probe!(self.0, DecisionServiceClient::list_pauses(request))?;
        Ok(answer.pauses.into_iter().map(pause).collect())
    }

    async fn acquire_lease(&self, holder: &str, ttl_seconds: u32) -> Result<u64, CallError> {
        let request = AcquireLeaseRequest {
            resource: RESOURCE.to_owned(),
            holder: holder.to_owned(),
            ttl_seconds,
        };
        let answer = call!(self.0, DecisionServiceClient::acquire_lease(request))?;
        self.epoch(answer.lease)
    }

    async fn renew_lease(
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
        let answer = call!(self.0, DecisionServiceClient::renew_lease(request))?;
        self.epoch(answer.lease)
    }

    async fn release_lease(&self, holder: &str, epoch: u64) -> Result<(), CallError> {
        let request = ReleaseLeaseRequest {
            resource: RESOURCE.to_owned(),
            holder: holder.to_owned(),
            epoch,
        };
        call!(self.0, DecisionServiceClient::release_lease(request))?;
        Ok(())
    }
}

fn decide_request(question: &Question<'_>) -> Result<message::DecideRequest, BadAnswer> {
    let knowledge = question.knowledge;
    let instance = knowledge.instance();
    let forecast = knowledge
        .forecast()
        .map(|forecast| SeriesForecast::decode(forecast.encoded.as_slice()))
        .transpose()
        .map_err(|_| BadAnswer("forecast"))?;
    let (unknown_reason_code, unknown_reason) = match knowledge.missing() {
        Some((missing, why)) => (unknown_code(missing), why.to_owned()),
        None => (message::ReasonCode::Unspecified, String::new()),
    };
    Ok(message::DecideRequest {
        tick_id: question.tick_id.to_owned(),
        target_id: question.target.id.clone(),
        instance_id: question.target.instance_id.clone(),
        instance_type: instance
            .map(|instance| instance.instance_type.clone())
            .unwrap_or_default(),
        observation: knowledge.observation().map(observation),
        forecast,
        unknown_reason,
        unknown_reason_code: unknown_reason_code.into(),
        // Without a description nobody knows; a hold is all that can follow.
        dry_run: instance.is_none_or(|instance| instance.dry_run),
        lease_epoch: question.lease_epoch,
        instance_types: types(&question.instance_types),
        ladder: question.target.ladder.clone(),
        notes: question
            .notes
            .iter()
            .take(MOST_NOTES)
            .map(|note| one_line(note))
            .collect(),
    })
}

fn observation(observation: &Observation) -> message::Observation {
    message::Observation {
        observed_at: Some(to_proto(observation.observed_at)),
        cpu_percent: observation.cpu_percent,
        memory_percent: observation.memory_percent,
        memory_peak_mib: observation.memory_peak_mib,
        disk_bytes_per_second: observation.disk_bytes_per_second,
        samples: observation.samples,
        saturated_seconds: observation.saturated_seconds,
        memory_pressed_seconds: observation.memory_pressed_seconds,
        cpu_spanned_seconds: observation.cpu_evidence.spanned_seconds,
        cpu_observed_seconds: observation.cpu_evidence.observed_seconds,
        memory_spanned_seconds: observation.memory_evidence.spanned_seconds,
        memory_observed_seconds: observation.memory_evidence.observed_seconds,
        cpu_peak_last_hour_percent: observation.cpu_peak_last_hour_percent,
        steal_percent: observation.steal_percent,
        sample_age_limit_seconds: observation.sample_age_limit_seconds,
        past: observation.past.as_ref().map(past),
    }
}

fn past(past: &Past) -> message::Past {
    message::Past {
        now: past.now,
        peak_1h: past.peak_1h,
        peak_3h: past.peak_3h,
        peak_6h: past.peak_6h,
        peak_24h: past.peak_24h,
        peak_168h: past.peak_168h,
        profile_6h: past.profile_6h,
        profile_12h: past.profile_12h,
    }
}

fn types(types: &[TypeInfo]) -> Vec<message::InstanceTypeInfo> {
    let one = |info: &TypeInfo| message::InstanceTypeInfo {
        instance_type: info.name.clone(),
        vcpus: info.vcpus,
        memory_mib: info.memory_mib,
    };
    types.iter().map(one).collect()
}

fn unknown_code(missing: Missing) -> message::ReasonCode {
    match missing {
        Missing::Metrics => message::ReasonCode::MetricsUnknown,
        Missing::Forecast => message::ReasonCode::ForecastUnavailable,
        Missing::Instance => message::ReasonCode::InstanceUnavailable,
    }
}

fn decision(decision: message::Decision) -> Result<Decision, BadAnswer> {
    let action = match decision.action() {
        message::Action::Unspecified => return Err(BadAnswer("decision.action")),
        message::Action::Hold => Action::Hold,
        message::Action::ScaleUp => Action::ScaleUp,
        message::Action::ScaleDown => Action::ScaleDown,
    };
    if decision.decision_id.is_empty() {
        return Err(BadAnswer("decision.decision_id"));
    }
    if action != Action::Hold && decision.to_instance_type.is_empty() {
        return Err(BadAnswer("decision.to_instance_type"));
    }
    Ok(Decision {
        reason_code: reason_code(decision.reason_code()),
        decided_at: decision
            .decided_at
            .as_ref()
            .and_then(from_proto)
            .ok_or(BadAnswer("decision.decided_at"))?,
        id: decision.decision_id,
        target_id: decision.target_id,
        instance_id: decision.instance_id,
        action,
        from_type: decision.from_instance_type,
        to_type: decision.to_instance_type,
        reason: decision.reason,
        confidence: decision.confidence,
        predicted_cpu_percent: decision.predicted_cpu_percent,
        horizon_seconds: decision.horizon_seconds,
        dry_run: decision.dry_run,
        pending: decision.pending,
        lease_epoch: decision.lease_epoch,
    })
}

fn reason_code(code: message::ReasonCode) -> ReasonCode {
    use message::ReasonCode as Message;
    match code {
        Message::Unspecified => ReasonCode::Unspecified,
        Message::ForecastAboveUpThreshold => ReasonCode::ForecastAboveUpThreshold,
        Message::ForecastBelowDownThreshold => ReasonCode::ForecastBelowDownThreshold,
        Message::ForecastInRange => ReasonCode::ForecastInRange,
        Message::ConfidenceTooLow => ReasonCode::ConfidenceTooLow,
        Message::Cooldown => ReasonCode::Cooldown,
        Message::ActionPending => ReasonCode::ActionPending,
        Message::Paused => ReasonCode::Paused,
        Message::AtMaxRung => ReasonCode::AtMaxRung,
        Message::AtMinRung => ReasonCode::AtMinRung,
        Message::TypeOutsideLadder => ReasonCode::TypeOutsideLadder,
        Message::MetricsUnknown => ReasonCode::MetricsUnknown,
        Message::MemoryGuard => ReasonCode::MemoryGuard,
        Message::ForecastUnavailable => ReasonCode::ForecastUnavailable,
        Message::InstanceUnavailable => ReasonCode::InstanceUnavailable,
        Message::Saturated => ReasonCode::Saturated,
        Message::EvidenceTooShort => ReasonCode::EvidenceTooShort,
        Message::PresentTooHigh => ReasonCode::PresentTooHigh,
        Message::LadderUnordered => ReasonCode::LadderUnordered,
        Message::NeedAboveTarget => ReasonCode::NeedAboveTarget,
        Message::QuietFitsSmaller => ReasonCode::QuietFitsSmaller,
        Message::SizeFits => ReasonCode::SizeFits,
        Message::AtBound => ReasonCode::AtBound,
        Message::OutsideWindow => ReasonCode::OutsideWindow,
        Message::Frozen => ReasonCode::Frozen,
        Message::BudgetSpent => ReasonCode::BudgetSpent,
        Message::Flapping => ReasonCode::Flapping,
        Message::Scheduled => ReasonCode::Scheduled,
        Message::MemoryPressure => ReasonCode::MemoryPressure,
    }
}

fn report_request(decision_id: &str, ending: &Ending) -> message::ReportOutcomeRequest {
    use message::Outcome as Message;
    message::ReportOutcomeRequest {
        decision_id: decision_id.to_owned(),
        outcome: match ending.outcome {
            Outcome::Succeeded => Message::Succeeded,
            Outcome::RolledBack => Message::RolledBack,
            Outcome::FellBack => Message::FellBack,
            Outcome::Gone => Message::Gone,
            Outcome::Refused => Message::Refused,
            Outcome::DryRun => Message::DryRun,
            Outcome::NotStarted => Message::NotStarted,
        }
        .into(),
        instance_type: ending.instance_type.clone(),
        detail: ending.detail.clone(),
        finished_at: Some(to_proto(ending.at)),
        refused_for_good: ending.refused_for_good,
    }
}

fn pause(pause: message::PauseState) -> Pause {
    use message::PauseDirection as Message;
    Pause {
        direction: match pause.direction() {
            Message::Unspecified => Direction::Unspecified,
            Message::Both => Direction::Both,
            Message::Up => Direction::Up,
            Message::Down => Direction::Down,
        },
        target_id: pause.target_id,
        reason: pause.reason,
        by: pause.by,
        since: pause.since.as_ref().and_then(from_proto),
        until: pause.until.as_ref().and_then(from_proto),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_good_is_passed_on() {
        for refused_for_good in [true, false] {
            let ending = Ending {
                outcome: Outcome::RolledBack,
                instance_type: "t2.small".into(),
                detail: "no capacity".into(),
                refused_for_good,
                at: Timestamp::UNIX_EPOCH,
            };
            let report = report_request("1", &ending);
            assert_eq!(report.refused_for_good, refused_for_good);
        }
    }

    #[test]
    fn every_reason_has_the_name_that_its_message_has() {
        for number in 0.. {
            let Ok(code) = message::ReasonCode::try_from(number) else {
                assert!(number > 0);
                break;
            };
            let name = format!("REASON_CODE_{}", reason_code(code).name().to_uppercase());
            assert_eq!(name, code.as_str_name());
        }
    }

    #[test]
    fn a_decision_that_says_nothing_is_refused() {
        let good = message::Decision {
            decision_id: "1".into(),
            action: message::Action::ScaleUp.into(),
            to_instance_type: "t2.medium".into(),
            reason_code: message::ReasonCode::Cooldown.into(),
            decided_at: Some(to_proto(Timestamp::UNIX_EPOCH)),
            ..Default::default()
        };
        let understood = decision(good.clone()).unwrap();
        assert_eq!(understood.reason_code.name(), "cooldown");
        for (bad, field) in [
            (
                message::Decision {
                    action: 99,
                    ..good.clone()
                },
                "decision.action",
            ),
            (
                message::Decision {
                    decision_id: String::new(),
                    ..good.clone()
                },
                "decision.decision_id",
            ),
            (
                message::Decision {
                    to_instance_type: String::new(),
                    ..good.clone()
                },
                "decision.to_instance_type",
            ),
            (
                message::Decision {
                    decided_at: None,
                    ..good
                },
                "decision.decided_at",
            ),
        ] {
            assert_eq!(decision(bad), Err(BadAnswer(field)));
        }
    }
}
