//! What holds resizes back now, whoever said so: kill switch, breaker, pauses, dry run, a degraded journal, a Prometheus that
//! does not answer, lost epochs. Each part is asked where it is kept, and one that can't be asked is unknown, never fine.

use jiff::Timestamp;

use crate::{sources::prometheus::Reach, tick::engine::Engine};

/// The kill switch while it is on.
#[derive(Clone, Debug, PartialEq)]
pub struct KillSwitch {
    /// Why.
    pub reason: String,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
}

/// What the actuator says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Whether its configuration makes every resize a dry run.
    pub dry_run: bool,
    /// `None` while it is off.
    pub kill_switch: Option<KillSwitch>,
    /// `None` while the breaker is closed.
    pub breaker_open_until: Option<Timestamp>,
    /// Resizes that failed within the breaker's window.
    pub failures: u32,
    /// So many open it; 0 when it is turned off.
    pub failures_limit: u32,
    /// The highest lease epoch under which a resize was taken on.
    pub fence_epoch: u64,
    /// Why the journal can't take anything on; empty when it can.
    pub journal_degraded: String,
}

/// A veto of an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Pause {
    /// Empty for the fleet.
    pub target_id: String,
    /// "both", "up" or "down".
    pub direction: String,
    /// Why.
    pub reason: String,
    /// Who said so; empty when they didn't say.
    pub by: String,
    /// When it began.
    pub since: Option<Timestamp>,
    /// When it ends by itself; `None` is at resume.
    pub until: Option<Timestamp>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What the actuator says of its dry run, or said last; `None` as long as it said nothing.
    pub dry_run: Option<bool>,
    /// Or why it can't be asked.
    pub limits: Result<Limits, String>,
    /// Or why they can't be asked for.
    pub pauses: Result<Vec<Pause>, String>,
    /// At the last tick.
    pub prometheus: Reach,
    /// The epoch under which this scheduler is the one actor.
    pub lease_epoch: Option<u64>,
}

impl Standing {
    /// Asks actuator and decision service at once, within the time of a health probe, and shows the answers as metrics.
    pub async fn ask(engine: &Engine) -> Self {
        let (limits, pauses) = futures::join!(engine.clients.limits(), engine.clients.pauses());
        let standing = Self {
            dry_run: match &limits {
                Ok(limits) => Some(limits.dry_run),
                Err(_) => engine.state.known_dry_run(),
            },
            limits: limits.map_err(|error| error.to_string()),
            pauses: pauses.map_err(|error| error.to_string()),
            prometheus: engine.source.reach(),
            lease_epoch: engine.lease.epoch(),
        };
        engine.metrics.standing(&standing);
        standing
    }

    /// What could not be found out, one line each.
    pub fn unknown(&self) -> Vec<String> {
        let limits = self.limits.as_ref().err();
        let pauses = self.pauses.as_ref().err();
        limits.into_iter().chain(pauses).cloned().collect()
    }
}
