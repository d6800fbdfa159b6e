//! What holds resizes back, whoever said so. A part that can't be asked is unknown, never fine.

use jiff::Timestamp;
use strum::IntoStaticStr;

/// The kill switch while it is on.
#[derive(Clone, Debug, PartialEq)]
pub struct KillSwitch {
    /// The reason.
    pub reason: String,
    /// Its beginning, if that is known.
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

/// The resizes that a pause holds back.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum Direction {
    /// One that this version doesn't know.
    Unspecified,
    /// All of them.
    Both,
    /// Those to a larger type.
    Up,
    /// Those to a smaller type.
    Down,
}

impl Direction {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A veto of an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Pause {
    /// Empty for the fleet.
    pub target_id: String,
    /// The resizes that it holds back.
    pub direction: Direction,
    /// The reason.
    pub reason: String,
    /// The operator; empty when they didn't say.
    pub by: String,
    /// Its beginning.
    pub since: Option<Timestamp>,
    /// Its end by itself; `None` is at resume.
    pub until: Option<Timestamp>,
}

/// The reach of the source of metrics when it was last asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// Servers that did, in the last tick.
    pub reached: u32,
    /// Those that can't be reached, or are too slow.
    pub unreached: u32,
    /// Why the first of them was not, one line.
    pub detail: String,
}

/// The reach of a source in a word.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum Reachability {
    /// Nothing was asked yet.
    Unknown,
    /// All servers answered.
    Reachable,
    /// Some did.
    Partly,
    /// None did.
    Unreachable,
}

impl Reach {
    /// The reach in a word.
    pub fn reachability(&self) -> Reachability {
        match (self.reached, self.unreached) {
            (0, 0) => Reachability::Unknown,
            (_, 0) => Reachability::Reachable,
            (0, _) => Reachability::Unreachable,
            (_, _) => Reachability::Partly,
        }
    }
}

impl Reachability {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why a part can't be asked, in a sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// The standing of everything that may hold resizes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What the actuator says of its dry run, or said last; `None` as long as it said nothing.
    pub dry_run: Option<bool>,
    /// The actuator's limits, or why it can't be asked.
    pub limits: Result<Limits, Unanswered>,
    /// The pauses in force, or why they can't be asked for.
    pub pauses: Result<Vec<Pause>, Unanswered>,
    /// The reach of the metrics source at the last tick.
    pub source: Reach,
    /// The epoch under which this scheduler is the one actor.
    pub lease_epoch: Option<u64>,
}

impl Standing {
    /// The parts that could not be found out, one line each.
    pub fn unknown(&self) -> Vec<String> {
        let limits = self.limits.as_ref().err();
        let pauses = self.pauses.as_ref().err();
        let parts = limits.into_iter().chain(pauses);
        parts.map(ToString::to_string).collect()
    }
}
