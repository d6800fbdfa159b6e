//! What holds resizes back, as JSON.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::convert::PAUSES_SHOWN,
    domain::{Pause, Standing},
};

/// What holds resizes back now, whoever said so. What can't be found out is null, and `unknown` says why.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingBody {
    /// The actuator only pretends.
    dry_run: Option<bool>,
    /// Nothing is stopped while it is on.
    kill_switch: Option<KillSwitchBody>,
    /// Open after too many failures.
    breaker: Option<BreakerBody>,
    /// In force, the fleet's first; at most 100.
    pauses: Option<Vec<PauseBody>>,
    /// How many are in force.
    pauses_in_force: Option<usize>,
    /// Why the actuator's journal takes nothing on; null when it does.
    journal_degraded: Option<String>,
    /// "reachable", "partly", "unreachable", or "unknown" before the first tick.
    prometheus: &'static str,
    /// Why it was not reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    prometheus_detail: Option<String>,
    /// The epoch under which this scheduler is the one actor; null while it is not.
    lease_epoch: Option<u64>,
    /// The highest epoch under which the actuator took a resize on.
    fence_epoch: Option<u64>,
    /// What could not be found out, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<String>,
}

/// The kill switch.
#[derive(Debug, Serialize, ToSchema)]
pub struct KillSwitchBody {
    on: bool,
    /// Why; null while it is off.
    reason: Option<String>,
    /// RFC 3339; null while it is off, or when it is not known.
    since: Option<String>,
}

/// The circuit breaker.
#[derive(Debug, Serialize, ToSchema)]
pub struct BreakerBody {
    open: bool,
    /// RFC 3339; null while it is closed.
    open_until: Option<String>,
    /// Resizes within its window that did not end on their target.
    failures: u32,
    /// So many open it; 0 when it is turned off.
    limit: u32,
}

/// A pause.
#[derive(Debug, Serialize, ToSchema)]
pub struct PauseBody {
    /// Null for the fleet.
    target: Option<String>,
    /// "both", "up" or "down".
    direction: &'static str,
    /// Why.
    reason: Option<String>,
    /// Who, as they call themselves.
    by: Option<String>,
    /// RFC 3339.
    since: Option<String>,
    /// RFC 3339; null until it is taken back.
    until: Option<String>,
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

impl From<&Pause> for PauseBody {
    fn from(pause: &Pause) -> Self {
        Self {
            target: text(&pause.target_id),
            direction: pause.direction.name(),
            reason: text(&pause.reason),
            by: text(&pause.by),
            since: time(pause.since),
            until: time(pause.until),
        }
    }
}

impl From<Standing> for StandingBody {
    fn from(standing: Standing) -> Self {
        let limits = standing.limits.as_ref().ok();
        let pauses = standing.pauses.as_ref().ok();
        Self {
            dry_run: standing.dry_run,
            kill_switch: limits.map(|limits| KillSwitchBody {
                on: limits.kill_switch.is_some(),
                reason: limits
                    .kill_switch
                    .as_ref()
                    .map(|switch| switch.reason.clone()),
                since: time(limits.kill_switch.as_ref().and_then(|switch| switch.since)),
            }),
            breaker: limits.map(|limits| BreakerBody {
                open: limits.breaker_open_until.is_some(),
                open_until: time(limits.breaker_open_until),
                failures: limits.failures,
                limit: limits.failures_limit,
            }),
            pauses: pauses.map(|pauses| {
                pauses
                    .iter()
                    .take(PAUSES_SHOWN)
                    .map(PauseBody::from)
                    .collect()
            }),
            pauses_in_force: pauses.map(Vec::len),
            journal_degraded: limits.and_then(|limits| text(&limits.journal_degraded)),
            prometheus: standing.source.reachability().name(),
            prometheus_detail: text(&standing.source.detail),
            lease_epoch: standing.lease_epoch,
            fence_epoch: limits.map(|limits| limits.fence_epoch),
            unknown: standing.unknown(),
        }
    }
}
