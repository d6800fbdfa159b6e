//! Values to messages.

use common::time;
use jiff::Timestamp;
use proto::decision::v1 as message;

use super::{forecast, sizing};
use crate::{
    decide::{
        alternatives::{Alternative, Way},
        input::Input,
        record::Decision,
        run::{Range, Run},
        verdict::{Action, CheckVerdict, ReasonCode},
    },
    fleet::{
        lease::Lease,
        outcome::Outcome,
        pause::{Pause, PauseDirection},
    },
    service::{history::Told, targets::TargetState},
};

pub(super) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    time::to_proto(time)
}

fn action(action: Action) -> message::Action {
    match action {
        Action::Hold => message::Action::Hold,
        Action::ScaleUp => message::Action::ScaleUp,
        Action::ScaleDown => message::Action::ScaleDown,
    }
}

fn reason_code(code: ReasonCode) -> message::ReasonCode {
    use message::ReasonCode as Message;
    match code {
        ReasonCode::ForecastAboveUpThreshold => Message::ForecastAboveUpThreshold,
        ReasonCode::ForecastBelowDownThreshold => Message::ForecastBelowDownThreshold,
        ReasonCode::ForecastInRange => Message::ForecastInRange,
        ReasonCode::ConfidenceTooLow => Message::ConfidenceTooLow,
        ReasonCode::Cooldown => Message::Cooldown,
        ReasonCode::ActionPending => Message::ActionPending,
        ReasonCode::Paused => Message::Paused,
        ReasonCode::AtMaxRung => Message::AtMaxRung,
        ReasonCode::AtMinRung => Message::AtMinRung,
        ReasonCode::TypeOutsideLadder => Message::TypeOutsideLadder,
        ReasonCode::MetricsUnknown => Message::MetricsUnknown,
        ReasonCode::MemoryGuard => Message::MemoryGuard,
        ReasonCode::ForecastUnavailable => Message::ForecastUnavailable,
        ReasonCode::InstanceUnavailable => Message::InstanceUnavailable,
        ReasonCode::Saturated => Message::Saturated,
        ReasonCode::EvidenceTooShort => Message::EvidenceTooShort,
        ReasonCode::PresentTooHigh => Message::PresentTooHigh,
        ReasonCode::LadderUnordered => Message::LadderUnordered,
        ReasonCode::NeedAboveTarget => Message::NeedAboveTarget,
        ReasonCode::QuietFitsSmaller => Message::QuietFitsSmaller,
        ReasonCode::SizeFits => Message::SizeFits,
        ReasonCode::AtBound => Message::AtBound,
        ReasonCode::OutsideWindow => Message::OutsideWindow,
        ReasonCode::Frozen => Message::Frozen,
        ReasonCode::BudgetSpent => Message::BudgetSpent,
        ReasonCode::Flapping => Message::Flapping,
        ReasonCode::Scheduled => Message::Scheduled,
        ReasonCode::MemoryPressure => Message::MemoryPressure,
    }
}

fn check_verdict(verdict: CheckVerdict) -> message::CheckVerdict {
    match verdict {
        CheckVerdict::Pass => message::CheckVerdict::Pass,
        CheckVerdict::Block => message::CheckVerdict::Block,
        CheckVerdict::Skip => message::CheckVerdict::Skip,
    }
}

fn outcome(outcome: Outcome) -> message::Outcome {
    match outcome {
        Outcome::Succeeded => message::Outcome::Succeeded,
        Outcome::RolledBack => message::Outcome::RolledBack,
        Outcome::FellBack => message::Outcome::FellBack,
        Outcome::Gone => message::Outcome::Gone,
        Outcome::Refused => message::Outcome::Refused,
        Outcome::DryRun => message::Outcome::DryRun,
        Outcome::NotStarted => message::Outcome::NotStarted,
    }
}

/// A stored decision.
pub fn decision(decision: &Decision) -> message::Decision {
    let verdict = &decision.verdict;
    let end = decision.end.as_ref();
    message::Decision {
        decision_id: decision.decision_id.clone(),
        tick_id: decision.tick_id.clone(),
        target_id: decision.target_id.clone(),
        instance_id: decision.instance_id.clone(),
        decided_at: Some(timestamp(decision.decided_at)),
        action: action(verdict.action).into(),
        from_instance_type: decision.from_instance_type.clone(),
        to_instance_type: verdict.to_instance_type.clone(),
        reason_code: reason_code(verdict.reason_code).into(),
        reason: verdict.reason.clone(),
        confidence: verdict.confidence,
        predicted_cpu_percent: verdict.predicted_cpu_percent,
        horizon_seconds: verdict.horizon_seconds,
        dry_run: decision.dry_run,
        policy_version: decision.policy_version.clone(),
        input_digest: decision.input_digest.clone(),
        checks: verdict
            .checks
            .iter()
            .map(|check| message::Check {
                name: check.name.clone(),
                verdict: check_verdict(check.verdict).into(),
                detail: check.detail.clone(),
            })
            .collect(),
        outcome: end
            .map_or(message::Outcome::Unspecified, |end| outcome(end.outcome))
            .into(),
        outcome_detail: end.map(|end| end.detail.clone()).unwrap_or_default(),
        outcome_at: end.map(|end| timestamp(end.at)),
        pending: decision.pending,
        lease_epoch: decision.lease_epoch,
        run: None,
    }
}

/// A stored decision, with the run of holds that it is one of.
pub fn told(told: &Told) -> message::Decision {
    let run = told.run.as_ref().filter(|run| run.count() > 1);
    message::Decision {
        run: run.map(hold_run),
        ..decision(&told.decision)
    }
}

/// What would have led to each other type.
pub fn alternatives(alternatives: &[Alternative]) -> Vec<message::Alternative> {
    use message::alternative::Way as Message;
    let message = |other: &Alternative| message::Alternative {
        instance_type: other.instance_type.clone(),
        way: Some(match &other.way {
            Way::LoadAtMost(load) => Message::LoadAtMost(*load),
            Way::LoadAtLeast(load) => Message::LoadAtLeast(*load),
            Way::Never(why) => Message::Never(why.clone()),
        }),
    };
    alternatives.iter().map(message).collect()
}

fn hold_run(run: &Run) -> message::HoldRun {
    let range = |range: Option<Range>| {
        range.map(|range| message::Range {
            min: range.min,
            max: range.max,
        })
    };
    message::HoldRun {
        holds: u32::try_from(run.count()).unwrap_or(u32::MAX),
        first_decision_id: run.first_id(),
        newest_decision_id: run.newest_id(),
        since: Some(timestamp(run.since())),
        until: Some(timestamp(run.until())),
        cpu_percent: range(run.extremes.cpu_percent),
        memory_percent: range(run.extremes.memory_percent),
        forecast_peak_percent: range(run.extremes.forecast_peak_percent),
    }
}

/// The request from which a decision can be made again.
pub fn input(input: &Input) -> message::DecideRequest {
    let unknown = input.unknown.as_ref();
    message::DecideRequest {
        tick_id: input.tick_id.clone(),
        target_id: input.target_id.clone(),
        instance_id: input.instance_id.clone(),
        instance_type: input.instance_type.clone(),
        observation: input.observation.as_ref().map(|seen| message::Observation {
            observed_at: Some(timestamp(seen.observed_at)),
            cpu_percent: seen.cpu_percent,
            memory_percent: seen.memory_percent,
            memory_peak_mib: seen.memory_peak_mib,
            disk_bytes_per_second: seen.disk_bytes_per_second,
            samples: seen.samples,
            saturated_seconds: seen.saturated_seconds,
            memory_pressed_seconds: seen.memory_pressed_seconds,
            cpu_spanned_seconds: seen.cpu_evidence.spanned_seconds,
            cpu_observed_seconds: seen.cpu_evidence.observed_seconds,
            memory_spanned_seconds: seen.memory_evidence.spanned_seconds,
            memory_observed_seconds: seen.memory_evidence.observed_seconds,
            cpu_peak_last_hour_percent: seen.cpu_peak_last_hour_percent,
            steal_percent: seen.steal_percent,
            sample_age_limit_seconds: seen.sample_age_limit_seconds,
            past: seen.past.as_ref().map(sizing::past_message),
        }),
        forecast: input.forecast.as_ref().map(forecast::message),
        unknown_reason: unknown
            .map(|unknown| unknown.reason.clone())
            .unwrap_or_default(),
        unknown_reason_code: unknown
            .map_or(message::ReasonCode::Unspecified, |unknown| {
                reason_code(unknown.code)
            })
            .into(),
        dry_run: input.dry_run,
        lease_epoch: input.lease_epoch,
        instance_types: input
            .instance_types
            .iter()
            .map(|size| message::InstanceTypeInfo {
                instance_type: size.instance_type.clone(),
                vcpus: size.vcpus,
                memory_mib: size.memory_mib,
            })
            .collect(),
        ladder: input.ladder.clone(),
        notes: input.notes.clone(),
    }
}

/// A pause in force.
pub fn pause(pause: &Pause) -> message::PauseState {
    message::PauseState {
        target_id: pause.target_id.clone(),
        direction: match pause.direction {
            PauseDirection::Both => message::PauseDirection::Both,
            PauseDirection::Up => message::PauseDirection::Up,
            PauseDirection::Down => message::PauseDirection::Down,
        }
        .into(),
        reason: pause.reason.clone(),
        since: Some(timestamp(pause.since)),
        until: pause.until.map(timestamp),
        by: pause.by.clone(),
    }
}

/// What is known of a target.
pub fn target_state(target_id: String, state: &TargetState) -> message::GetTargetStateResponse {
    message::GetTargetStateResponse {
        target_id,
        cooldown_up_until: state.cooldown_up_until.map(timestamp),
        cooldown_down_until: state.cooldown_down_until.map(timestamp),
        pauses: state.pauses.iter().map(pause).collect(),
        pending: state.pending.as_ref().map(decision),
        last_decision: state.last.as_ref().map(told),
        recent_resizes: state
            .recent_resizes
            .iter()
            .copied()
            .map(timestamp)
            .collect(),
        review: state
            .reviewed
            .as_ref()
            .map(|(guide, found)| sizing::review(guide, found)),
    }
}

/// A lease.
pub fn lease(lease: &Lease) -> message::Lease {
    message::Lease {
        resource: lease.resource.clone(),
        holder: lease.holder.clone(),
        epoch: lease.epoch,
        expires_at: Some(timestamp(lease.expires_at)),
    }
}
