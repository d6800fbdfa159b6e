//! The names of a resize's steps, phases and ends.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A step by its name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The named checks, before anything is changed.
    Preflight,
    /// The breadcrumb goes onto the instance.
    Mark,
    /// One last look: is it still what the checks saw?
    Recheck,
    Stop,
    AwaitStopped,
    Modify,
    /// Does the new type read back?
    ReadBack,
    Start,
    AwaitRunning,
    /// The cloud's status checks.
    Check,
    Monitor,
    /// It seems to run, but no start was accepted since the stop: one more, which a running machine ignores.
    Confirm,
    /// The breadcrumb comes off.
    Unmark,
    Ended(Outcome),
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Preflight => "preflight",
            Self::Mark => "mark",
            Self::Recheck => "recheck",
            Self::Stop => "stop",
            Self::AwaitStopped => "wait_stopped",
            Self::Modify => "modify",
            Self::ReadBack => "read_back",
            Self::Start => "start",
            Self::AwaitRunning => "wait_running",
            Self::Check => "status_checks",
            Self::Monitor => "monitoring",
            Self::Confirm => "confirm",
            Self::Unmark => "unmark",
            Self::Ended(outcome) => outcome.name(),
        })
    }
}

/// How it ended. None leaves the machine stopped.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
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
        match self {
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled_back",
            Self::FellBack => "fell_back",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::DryRun => "dry_run",
        }
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitoring {
    Ok,
    /// The set-up failed; the resize stands.
    Degraded,
    /// Turned off.
    Skipped,
}
