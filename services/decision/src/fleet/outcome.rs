//! The end of an action: how, when, and on which type.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// How the action of a decision ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Running on the new type.
    Succeeded,
    /// Running on the old type again.
    RolledBack,
    /// Running on a third type.
    FellBack,
    /// Terminated by somebody else.
    Gone,
    /// Refused before anything was changed.
    Refused,
    /// Only pretended.
    DryRun,
    /// Never taken on.
    NotStarted,
}

impl Outcome {
    /// As stored and as a metric label.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// In a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled back to the old type",
            Self::FellBack => "fell back to a third type",
            Self::Gone => "the instance is gone",
            Self::Refused => "refused, nothing was changed",
            Self::DryRun => "dry run, nothing was changed",
            Self::NotStarted => "never started",
        }
    }

    /// Whether the machine has another type than before.
    pub fn changed_the_type(self) -> bool {
        matches!(self, Self::Succeeded | Self::FellBack)
    }

    /// Whether the machine was stopped on the way.
    pub fn touched_the_machine(self) -> bool {
        matches!(self, Self::Succeeded | Self::RolledBack | Self::FellBack)
    }
}

/// The end of an action.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// The type that the instance runs on now, as reported.
    pub instance_type: String,
    /// One sentence of the reporter.
    pub detail: String,
    /// When: cooldowns count from here.
    pub at: Timestamp,
}
