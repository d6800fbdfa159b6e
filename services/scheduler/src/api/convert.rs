//! The scheduler's own terms as messages of its API.

use common::time::to_proto;
use proto::scheduler::v1 as message;

use crate::domain::{Event, EventKind, Standing, Target, TargetResult, TickReport};

/// Pauses in one status; `autoscaler pauses` lists all.
pub const PAUSES_SHOWN: usize = 100;

/// What holds resizes back, as the scheduler's API shows it.
pub fn standing(standing: &Standing) -> message::Standing {
    let limits = standing.limits.as_ref().ok();
    let pauses = standing.pauses.as_ref().map_or(&[][..], Vec::as_slice);
    message::Standing {
        dry_run: standing.dry_run,
        kill_switch: limits.map(|limits| match &limits.kill_switch {
            None => message::KillSwitchStanding::default(),
            Some(switch) => message::KillSwitchStanding {
                on: true,
                reason: switch.reason.clone(),
                since: switch.since.map(to_proto),
            },
        }),
        breaker: limits.map(|limits| message::BreakerStanding {
            open_until: limits.breaker_open_until.map(to_proto),
            failures: limits.failures,
            limit: limits.failures_limit,
        }),
        pauses: pauses
            .iter()
            .take(PAUSES_SHOWN)
            .map(|pause| message::PauseStanding {
                target_id: pause.target_id.clone(),
                direction: pause.direction.name().to_owned(),
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
        prometheus: standing.source.reachability().name().to_owned(),
        prometheus_detail: standing.source.detail.clone(),
        lease_epoch: standing.lease_epoch.unwrap_or(0),
        fence_epoch: limits.map_or(0, |limits| limits.fence_epoch),
        unknown: standing.unknown(),
    }
}

/// A tick as the scheduler's API shows it.
pub fn tick(report: &TickReport) -> message::Tick {
    message::Tick {
        tick_id: report.id.clone(),
        started_at: Some(to_proto(report.started_at)),
        finished_at: Some(to_proto(report.finished_at)),
        results: report.results.iter().map(target_result).collect(),
        dry_run: report.dry_run,
    }
}

/// A target's result as the scheduler's API shows it.
pub fn target_result(result: &TargetResult) -> message::TargetResult {
    message::TargetResult {
        target_id: result.target_id.clone(),
        instance_id: result.instance_id.clone(),
        instance_type: result.instance_type.clone(),
        decision_id: result.decision_id.clone(),
        action: result.action.name().to_owned(),
        reason_code: result.reason_name().to_owned(),
        reason: result.reason.clone(),
        confidence: result.confidence,
        predicted_cpu_percent: result.predicted_cpu_percent,
        cpu_percent: result.cpu_percent,
        action_taken: result.action_taken.name().to_owned(),
        target_instance_type: result.target_instance_type.clone(),
        error: result.error.clone(),
        at: Some(to_proto(result.at)),
        forecast_basis: result.basis_name().to_owned(),
        memory_percent: result.memory_percent,
        disk_bytes_per_second: result.disk_bytes_per_second,
        horizon_seconds: result.horizon_seconds,
    }
}

/// A target as the scheduler's API shows it.
pub fn target(target: &Target, last_result: Option<&TargetResult>) -> message::Target {
    message::Target {
        target_id: target.id.clone(),
        instance_id: target.instance_id.clone(),
        ladder: target.ladder.clone(),
        last_result: last_result.map(target_result),
    }
}

/// An event as the scheduler's API shows it.
pub fn event(event: &Event) -> message::WatchEventsResponse {
    use message::EventKind as Message;
    message::WatchEventsResponse {
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
