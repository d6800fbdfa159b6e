//! What a resize asks for, and what it is told.

use super::step::{Monitoring, Outcome, Step};
use crate::cloud::{Checks, ErrorKind, InstanceState};

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    Preflight,
    Look,
    Mark,
    Stop,
    Modify(String),
    Start,
    Status,
    Monitor,
    Unmark,
    Finish(Outcome),
}

impl Action {
    /// True when it changes something: then it is written down before it is done.
    pub fn mutates(&self) -> bool {
        match self {
            Self::Mark
            | Self::Stop
            | Self::Modify(_)
            | Self::Start
            | Self::Monitor
            | Self::Unmark => true,
            Self::Preflight | Self::Look | Self::Status | Self::Finish(_) => false,
        }
    }

    /// True when it must not be done unless it is written down: nothing has to be brought back yet.
    pub fn needs_the_journal(&self) -> bool {
        matches!(self, Self::Mark | Self::Stop)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The pre-flight found nothing in the way.
    Passed {
        /// Types of the same family to try when neither the target nor the old type will start, best first.
        fallbacks: Vec<String>,
        /// That the instance belongs to.
        account: String,
    },
    /// The pre-flight found something, or something forbids the stop.
    Refused { reason: String },
    /// The pre-flight passed and nothing else may happen.
    DryRun,
    /// Answer of a look.
    Seen {
        state: InstanceState,
        instance_type: String,
    },
    /// Answer of a look: its breadcrumb isn't on the instance any more, so its stop was made good.
    Untagged,
    /// Answer of the status checks.
    Status {
        state: InstanceState,
        checks: Checks,
    },
    /// The call was accepted.
    Done,
    /// The call, or the look, failed.
    Failed { kind: ErrorKind, message: String },
    /// What the set-up of monitoring came to.
    Monitored(Monitoring),
    /// It is down, but for a stop that somebody else asked for.
    StoppedByOthers {
        instance_type: String,
        reason: String,
    },
}

/// An event that can't happen in this step: a bug, or a damaged journal.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("event {event:?} is illegal in step {step:?}")]
pub struct IllegalEvent {
    pub step: Step,
    pub event: Event,
}
