//! The names of a resize's steps, phases and ends.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

/// A step by its name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, IntoStaticStr, PartialEq)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// The named checks, before anything is changed.
    Preflight,
    /// The breadcrumb goes onto the instance.
    Mark,
    /// One last look: is it still what the checks saw?
    Recheck,
    /// Refused after a restart: is it down all the same?
    LastLook,
    Stop,
    #[strum(serialize = "wait_stopped")]
    AwaitStopped,
    Modify,
    /// Does the new type read back?
    ReadBack,
    Start,
    #[strum(serialize = "wait_running")]
    AwaitRunning,
    /// The cloud's status checks.
    #[strum(serialize = "status_checks")]
    Check,
    #[strum(serialize = "monitoring")]
    Monitor,
    /// It seems to run, but no start was accepted since the stop: one more, which a running machine ignores.
    Confirm,
    /// The breadcrumb comes off.
    Unmark,
    Ended(Outcome),
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(outcome) => outcome.fmt(formatter),
            step => formatter.write_str(step.into()),
        }
    }
}

/// How it ended. None leaves the machine stopped.
#[derive(
    Clone, Copy, Debug, Deserialize, Display, Eq, Hash, IntoStaticStr, PartialEq, Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Running on the target type.
    Succeeded,
    /// Running on the old type.
    RolledBack,
    /// Running on another type.
    FellBack,
    /// Terminated by somebody else.
    Gone,
    /// Refused before anything was changed.
    Refused,
    /// Nothing was changed, on purpose.
    DryRun,
}

impl Outcome {
    /// As in labels and logs.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Where it is, in the words of the contract.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Preflight,
    Stopping,
    Modifying,
    Starting,
    Checking,
    Monitoring,
    /// On its way to another type than the target.
    RollingBack,
    Ended(Outcome),
}

/// How monitoring is after a resize.
#[derive(Clone, Copy, Debug, Deserialize, Eq, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Monitoring {
    Ok,
    /// The set-up failed; the resize stands.
    Degraded,
    /// Turned off.
    Skipped,
}
