//! Messages of the other services, to and from the scheduler's own terms.

use common::{
    text::one_line,
    time::{from_proto, to_proto},
};
use jiff::Timestamp;
use proto::{actuator, decision, predictor, scheduler};

use crate::{
    domain::{
        Action, Decision, Ending, Event, EventKind, Instance, Outcome, Policy, Question, Resize,
        Target, TargetResult, TickReport, TypeInfo, Unknown,
    },
    memory::hindsight::{Issued, Promise},
    tick::standing::{KillSwitch, Limits, Pause, Standing},
};

/// Notes that go with a question.
const MOST_NOTES: usize = 16;
/// Pauses in one status; `autoscaler pauses` lists all.
const PAUSES_SHOWN: usize = 100;

/// A message that lacks what the contract promises, or holds what it doesn't know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the answer has no usable `{0}`; are both services of the same version?")]
pub struct BadAnswer(pub &'static str);

/// A forecast on its way from the predictor to the decision service. The scheduler decides nothing by it; it only keeps
/// what it takes to judge it later.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast(predictor::v1::SeriesForecast);

impl Forecast {
    /// "model", "mixed" or "naive".
    pub fn basis(&self) -> &'static str {
        use predictor::v1::ForecastBasis as Basis;
        match self.0.basis() {
            Basis::Unspecified => "",
            Basis::Model => "model",
            Basis::Mixed => "mixed",
            Basis::Naive => "naive",
        }
    }

    /// Whose it is.
    pub fn target_id(&self) -> &str {
        &self.0.series_id
    }

    /// Takes the predictor's calibration out: it goes back to the predictor, and nobody else has a use for it.
    pub fn take_calibration(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.calibration_state)
    }

    /// What can be judged later; `None` when the answer lacks what that takes.
    pub fn issued(&self) -> Option<Issued> {
        let quantile = |row: &[predictor::v1::QuantileValue], q: f64| {
            row.iter()
                .find(|entry| (entry.quantile - q).abs() < 1e-9)
                .map(|entry| entry.value)
        };
        Some(Issued {
            origin: self.0.origin?.seconds,
            last: self.0.last_cpu,
            step_seconds: self.0.history?.step_seconds,
            promises: self
                .0
                .horizons
                .iter()
                .map(|horizon| Promise {
                    horizon_seconds: horizon.horizon_seconds,
                    point: horizon.point,
                    level_q90: quantile(&horizon.at_horizon, 0.9),
                    peak_q90: quantile(&horizon.peak, 0.9),
                    peak_q95: quantile(&horizon.peak, 0.95),
                })
                .collect(),
        })
    }
}

impl From<predictor::v1::SeriesForecast> for Forecast {
    fn from(message: predictor::v1::SeriesForecast) -> Self {
        Self(message)
    }
}

/// A series as the predictor takes it.
pub fn series(target_id: &str, series: &crate::domain::Series) -> predictor::v1::Series {
    predictor::v1::Series {
        series_id: target_id.to_owned(),
        timestamps_seconds: series.timestamps.clone(),
        cpu: series.cpu_percent.clone(),
        capacity: series.capacity_percent,
        memory_percent: series.memory_percent.clone(),
        disk_bytes_per_second: series.disk_bytes_per_second.clone(),
        calibration_state: series.calibration_state.clone(),
        ..Default::default()
    }
}

/// A question as the decision service takes it.
pub fn decide_request(question: &Question<'_>) -> decision::v1::DecideRequest {
    let instance_type = question
        .instance
        .map(|instance| instance.instance_type.clone());
    decision::v1::DecideRequest {
        tick_id: question.tick_id.to_owned(),
        target_id: question.target.id.clone(),
        instance_id: question.target.instance_id.clone(),
        instance_type: instance_type.unwrap_or_default(),
        observation: question
            .observation
            .map(|observation| decision::v1::Observation {
                observed_at: Some(to_proto(observation.observed_at)),
                cpu_percent: observation.cpu_percent,
                memory_percent: observation.memory_percent,
                memory_peak_mib: observation.memory_peak_mib,
                disk_bytes_per_second: observation.disk_bytes_per_second,
                samples: observation.samples,
                saturated_seconds: observation.saturated_seconds,
                cpu_spanned_seconds: observation.cpu_evidence.spanned_seconds,
                cpu_observed_seconds: observation.cpu_evidence.observed_seconds,
                memory_spanned_seconds: observation.memory_evidence.spanned_seconds,
                memory_observed_seconds: observation.memory_evidence.observed_seconds,
                cpu_peak_last_hour_percent: observation.cpu_peak_last_hour_percent,
            }),
        forecast: question.forecast.map(|forecast| forecast.0.clone()),
        unknown_reason: question
            .unknown
            .map(|unknown| unknown.reason().to_owned())
            .unwrap_or_default(),
        unknown_reason_code: question
            .unknown
            .map_or(decision::v1::ReasonCode::Unspecified, unknown_code)
            .into(),
        // Without a description nobody knows; a hold is all that can follow.
        dry_run: question.instance.is_none_or(|instance| instance.dry_run),
        lease_epoch: question.lease_epoch,
        instance_types: question
            .instance_types
            .iter()
            .map(|info| decision::v1::InstanceTypeInfo {
                instance_type: info.name.clone(),
                vcpus: info.vcpus,
                memory_mib: info.memory_mib,
            })
            .collect(),
        ladder: question.target.ladder.clone(),
        notes: question
            .notes
            .iter()
            .take(MOST_NOTES)
            .map(|note| one_line(note))
            .collect(),
    }
}

fn unknown_code(unknown: &Unknown) -> decision::v1::ReasonCode {
    use decision::v1::ReasonCode;
    match unknown {
        Unknown::Metrics(_) => ReasonCode::MetricsUnknown,
        Unknown::Forecast(_) => ReasonCode::ForecastUnavailable,
        Unknown::Instance(_) => ReasonCode::InstanceUnavailable,
    }
}

impl TryFrom<decision::v1::Decision> for Decision {
    type Error = BadAnswer;

    fn try_from(message: decision::v1::Decision) -> Result<Self, BadAnswer> {
        let action = match message.action() {
            decision::v1::Action::Unspecified => return Err(BadAnswer("decision.action")),
            decision::v1::Action::Hold => Action::Hold,
            decision::v1::Action::ScaleUp => Action::ScaleUp,
            decision::v1::Action::ScaleDown => Action::ScaleDown,
        };
        if message.decision_id.is_empty() {
            return Err(BadAnswer("decision.decision_id"));
        }
        if action != Action::Hold && message.to_instance_type.is_empty() {
            return Err(BadAnswer("decision.to_instance_type"));
        }
        Ok(Self {
            reason_code: short_name(message.reason_code().as_str_name(), "REASON_CODE_"),
            decided_at: message
                .decided_at
                .as_ref()
                .and_then(from_proto)
                .ok_or(BadAnswer("decision.decided_at"))?,
            id: message.decision_id,
            target_id: message.target_id,
            instance_id: message.instance_id,
            action,
            from_type: message.from_instance_type,
            to_type: message.to_instance_type,
            reason: message.reason,
            confidence: message.confidence,
            predicted_cpu_percent: message.predicted_cpu_percent,
            horizon_seconds: message.horizon_seconds,
            dry_run: message.dry_run,
            pending: message.pending,
            lease_epoch: message.lease_epoch,
        })
    }
}

/// "forecast_in_range" of "REASON_CODE_FORECAST_IN_RANGE".
fn short_name(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

impl From<decision::v1::Policy> for Policy {
    fn from(message: decision::v1::Policy) -> Self {
        Self {
            ladder: message.ladder,
            max_sample_age_seconds: message.max_sample_age_seconds,
        }
    }
}

/// An ending as the decision service takes it.
pub fn report_request(decision_id: &str, ending: &Ending) -> decision::v1::ReportOutcomeRequest {
    use decision::v1::Outcome as Message;
    decision::v1::ReportOutcomeRequest {
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

/// An instance of an actuator that is, or isn't, in dry run.
///
/// # Errors
/// A type or state that is missing or that this version doesn't know.
pub fn instance(instance: actuator::v1::Instance, dry_run: bool) -> Result<Instance, BadAnswer> {
    use actuator::v1::InstanceState as State;
    if instance.instance_type.is_empty() {
        return Err(BadAnswer("instance.instance_type"));
    }
    Ok(Instance {
        state: match instance.state() {
            State::Unspecified => return Err(BadAnswer("instance.state")),
            State::Pending => "pending",
            State::Running => "running",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
            State::ShuttingDown => "shutting down",
            State::Terminated => "terminated",
        },
        instance_type: instance.instance_type,
        private_ip: instance.private_ip,
        public_ip: instance.public_ip,
        dry_run,
        vcpus: (instance.vcpus > 0).then_some(instance.vcpus),
    })
}

impl From<actuator::v1::InstanceType> for TypeInfo {
    fn from(message: actuator::v1::InstanceType) -> Self {
        Self {
            name: message.instance_type,
            vcpus: message.vcpus,
            memory_mib: message.memory_mib,
        }
    }
}

/// A resize as the actuator has it; `now` stands in for an end without a time.
///
/// # Errors
/// A phase that this version doesn't know.
pub fn resize(message: actuator::v1::Resize, now: Timestamp) -> Result<Resize, BadAnswer> {
    use actuator::v1::ResizePhase as Phase;
    let phase = message.phase();
    let outcome = match phase {
        Phase::Unspecified => return Err(BadAnswer("resize.phase")),
        Phase::Preflight
        | Phase::Stopping
        | Phase::Modifying
        | Phase::Starting
        | Phase::Checking
        | Phase::Monitoring
        | Phase::RollingBack => None,
        Phase::Succeeded => Some(Outcome::Succeeded),
        Phase::RolledBack => Some(Outcome::RolledBack),
        Phase::FellBack => Some(Outcome::FellBack),
        Phase::Gone => Some(Outcome::Gone),
        Phase::Refused => Some(Outcome::Refused),
        Phase::DryRun => Some(Outcome::DryRun),
    };
    let ending = outcome.map(|outcome| Ending {
        outcome,
        instance_type: message.running_instance_type.clone(),
        detail: describe_end(&message, outcome),
        refused_for_good: message.refused_for_good,
        at: message
            .finished_at
            .as_ref()
            .and_then(from_proto)
            .unwrap_or(now),
    });
    Ok(Resize {
        phase: short_name(phase.as_str_name(), "RESIZE_PHASE_"),
        ending,
        dry_run: message.dry_run,
    })
}

fn describe_end(resize: &actuator::v1::Resize, outcome: Outcome) -> String {
    use actuator::v1::MonitoringState;
    let (from, to) = (&resize.from_instance_type, &resize.target_instance_type);
    let running = &resize.running_instance_type;
    let mut text = match outcome {
        Outcome::Succeeded => format!("went from {from} to {to}"),
        Outcome::RolledBack => format!("could not go to {to}, runs on {running} again"),
        Outcome::FellBack => format!("could not go to {to}, runs on {running}"),
        Outcome::Gone => "was terminated by somebody else".to_owned(),
        Outcome::Refused => format!("was not taken to {to}"),
        Outcome::DryRun => format!("would go from {from} to {to}"),
        Outcome::NotStarted => format!("was never taken to {to}"),
    };
    if !resize.error.is_empty() {
        text += &format!(": {}", resize.error);
    }
    if resize.monitoring() == MonitoringState::Degraded {
        text += "; monitoring is degraded";
    }
    text
}

/// What the actuator says may be stopped.
pub fn limits(message: actuator::v1::GetLimitsResponse) -> Limits {
    let breaker = message.breaker.unwrap_or_default();
    let switch = message.kill_switch.unwrap_or_default();
    Limits {
        dry_run: message.dry_run,
        kill_switch: switch.on.then(|| KillSwitch {
            reason: one_line(&switch.reason),
            since: switch.since.as_ref().and_then(from_proto),
        }),
        breaker_open_until: breaker.open_until.as_ref().and_then(from_proto),
        failures: breaker.failures,
        failures_limit: breaker.limit,
        fence_epoch: message.fence_epoch,
        journal_degraded: one_line(&message.journal_degraded),
    }
}

impl From<decision::v1::PauseState> for Pause {
    fn from(message: decision::v1::PauseState) -> Self {
        Self {
            direction: short_name(message.direction().as_str_name(), "PAUSE_DIRECTION_"),
            target_id: message.target_id,
            reason: message.reason,
            by: message.by,
            since: message.since.as_ref().and_then(from_proto),
            until: message.until.as_ref().and_then(from_proto),
        }
    }
}

/// What holds resizes back, as the scheduler's API shows it.
pub fn standing(standing: &Standing) -> scheduler::v1::Standing {
    let limits = standing.limits.as_ref().ok();
    let pauses = standing.pauses.as_ref().map_or(&[][..], Vec::as_slice);
    scheduler::v1::Standing {
        dry_run: standing.dry_run,
        kill_switch: limits.map(|limits| match &limits.kill_switch {
            None => scheduler::v1::KillSwitchStanding::default(),
            Some(switch) => scheduler::v1::KillSwitchStanding {
                on: true,
                reason: switch.reason.clone(),
                since: switch.since.map(to_proto),
            },
        }),
        breaker: limits.map(|limits| scheduler::v1::BreakerStanding {
            open_until: limits.breaker_open_until.map(to_proto),
            failures: limits.failures,
            limit: limits.failures_limit,
        }),
        pauses: pauses
            .iter()
            .take(PAUSES_SHOWN)
            .map(|pause| scheduler::v1::PauseStanding {
                target_id: pause.target_id.clone(),
                direction: pause.direction.clone(),
                reason: pause.reason.clone(),
                by: pause.by.clone(),
                since: pause.since.map(to_proto),
                until: pause.until.map(to_proto),
            })
            .collect(),
        pauses_in_force: u32::try_from(pauses.len()).unwrap_or(u32::MAX),
        journal_degraded: limits
            .map(|limits| limits.journal_degraded.clone())
            .unwrap_or_default(),
        prometheus: standing.prometheus.name().to_owned(),
        prometheus_detail: standing.prometheus.detail.clone(),
        lease_epoch: standing.lease_epoch.unwrap_or(0),
        fence_epoch: limits.map_or(0, |limits| limits.fence_epoch),
        unknown: standing.unknown(),
    }
}

/// A tick as the scheduler's API shows it.
pub fn tick(report: &TickReport) -> scheduler::v1::Tick {
    scheduler::v1::Tick {
        tick_id: report.id.clone(),
        started_at: Some(to_proto(report.started_at)),
        finished_at: Some(to_proto(report.finished_at)),
        results: report.results.iter().map(target_result).collect(),
        dry_run: report.dry_run,
    }
}

/// A target's result as the scheduler's API shows it.
pub fn target_result(result: &TargetResult) -> scheduler::v1::TargetResult {
    scheduler::v1::TargetResult {
        target_id: result.target_id.clone(),
        instance_id: result.instance_id.clone(),
        instance_type: result.instance_type.clone(),
        decision_id: result.decision_id.clone(),
        action: result.action.name().to_owned(),
        reason_code: result.reason_code.clone(),
        reason: result.reason.clone(),
        confidence: result.confidence,
        predicted_cpu_percent: result.predicted_cpu_percent,
        cpu_percent: result.cpu_percent,
        action_taken: result.action_taken.to_owned(),
        target_instance_type: result.target_instance_type.clone(),
        error: result.error.clone(),
        at: Some(to_proto(result.at)),
        forecast_basis: result.forecast_basis.to_owned(),
        memory_percent: result.memory_percent,
        disk_bytes_per_second: result.disk_bytes_per_second,
        horizon_seconds: result.horizon_seconds,
    }
}

/// A target as the scheduler's API shows it.
pub fn target(target: &Target, last_result: Option<&TargetResult>) -> scheduler::v1::Target {
    scheduler::v1::Target {
        target_id: target.id.clone(),
        instance_id: target.instance_id.clone(),
        ladder: target.ladder.clone(),
        last_result: last_result.map(target_result),
    }
}

/// An event as the scheduler's API shows it.
pub fn event(event: &Event) -> scheduler::v1::WatchEventsResponse {
    use scheduler::v1::EventKind as Message;
    scheduler::v1::WatchEventsResponse {
        at: Some(to_proto(event.at)),
        kind: match event.kind {
            EventKind::TickStarted => Message::TickStarted,
            EventKind::TickFinished => Message::TickFinished,
            EventKind::Decision => Message::Decision,
            EventKind::ResizeStarted => Message::ResizeStarted,
            EventKind::ResizeFinished => Message::ResizeFinished,
            EventKind::Error => Message::Error,
        }
        .into(),
        target_id: event.target_id.clone(),
        message: event.message.clone(),
        result: event.result.as_ref().map(target_result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resize_in(phase: actuator::v1::ResizePhase) -> actuator::v1::Resize {
        actuator::v1::Resize {
            from_instance_type: "t2.small".into(),
            target_instance_type: "t2.medium".into(),
            running_instance_type: "t2.small".into(),
            error: "no capacity".into(),
            phase: phase.into(),
            ..Default::default()
        }
    }

    #[test]
    fn only_the_last_six_phases_end_a_resize() {
        use actuator::v1::ResizePhase as Phase;
        let now = Timestamp::UNIX_EPOCH;
        for number in 1..=13 {
            let phase = Phase::try_from(number).unwrap();
            let resize = resize(resize_in(phase), now).unwrap();
            assert_eq!(resize.ending.is_some(), number >= 8, "{phase:?}");
        }
        let rolled_back = resize(resize_in(Phase::RolledBack), now).unwrap();
        let ending = rolled_back.ending.unwrap();
        assert_eq!(rolled_back.phase, "rolled_back");
        assert_eq!(
            ending.detail,
            "could not go to t2.medium, runs on t2.small again: no capacity"
        );
        assert_eq!(
            resize(resize_in(Phase::Unspecified), now),
            Err(BadAnswer("resize.phase"))
        );
    }

    #[test]
    fn a_refusal_for_good_is_passed_on() {
        let mut message = resize_in(actuator::v1::ResizePhase::RolledBack);
        for refused_for_good in [true, false] {
            message.refused_for_good = refused_for_good;
            let ended = resize(message.clone(), Timestamp::UNIX_EPOCH).unwrap();
            let report = report_request("1", &ended.ending.unwrap());
            assert_eq!(report.refused_for_good, refused_for_good);
        }
    }

    #[test]
    fn a_decision_that_says_nothing_is_refused() {
        let good = decision::v1::Decision {
            decision_id: "1".into(),
            action: decision::v1::Action::ScaleUp.into(),
            to_instance_type: "t2.medium".into(),
            reason_code: decision::v1::ReasonCode::Cooldown.into(),
            decided_at: Some(to_proto(Timestamp::UNIX_EPOCH)),
            ..Default::default()
        };
        let decision = Decision::try_from(good.clone()).unwrap();
        assert_eq!(decision.reason_code, "cooldown");
        for (bad, field) in [
            (
                decision::v1::Decision {
                    action: 99,
                    ..good.clone()
                },
                "decision.action",
            ),
            (
                decision::v1::Decision {
                    decision_id: String::new(),
                    ..good.clone()
                },
                "decision.decision_id",
            ),
            (
                decision::v1::Decision {
                    to_instance_type: String::new(),
                    ..good.clone()
                },
                "decision.to_instance_type",
            ),
            (
                decision::v1::Decision {
                    decided_at: None,
                    ..good
                },
                "decision.decided_at",
            ),
        ] {
            assert_eq!(Decision::try_from(bad), Err(BadAnswer(field)));
        }
    }
}
