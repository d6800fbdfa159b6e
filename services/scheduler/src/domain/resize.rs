//! Resizes at the actuator, and how they end.

use std::fmt;

use jiff::Timestamp;
use strum::IntoStaticStr;

/// A resize at the actuator.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// Its progress.
    pub progress: Progress,
    /// The actuator only pretends.
    pub dry_run: bool,
}

/// The progress of a resize.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It goes on.
    UnderWay(Step),
    /// It came to an end.
    Ended(Ending),
}

/// A step of a resize that goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// It is looked at before anything is changed.
    Preflight,
    /// The machine goes down.
    Stopping,
    /// Its type is changed.
    Modifying,
    /// It comes up.
    Starting,
    /// Its status checks are waited for.
    Checking,
    /// Its monitoring is set up.
    Monitoring,
    /// It goes back to the old type.
    RollingBack,
}

/// The outcome of an action.
#[derive(Clone, Copy, Debug, Eq, Hash, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Running on the new type.
    Succeeded,
    /// Running on the old type.
    RolledBack,
    /// Running on a third type.
    FellBack,
    /// Terminated by somebody else.
    Gone,
    /// Refused before anything was changed.
    Refused,
    /// Nothing was changed, by configuration.
    DryRun,
    /// The actuator never took it on.
    NotStarted,
}

impl Outcome {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The end of an action, as it is reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The outcome.
    pub outcome: Outcome,
    /// The type it runs on now; empty when unknown.
    pub instance_type: String,
    /// One sentence.
    pub detail: String,
    /// The target was refused to this instance for good: no failure that more waiting mends.
    pub refused_for_good: bool,
    /// The time of the end; the cooldown counts from here.
    pub at: Timestamp,
}
