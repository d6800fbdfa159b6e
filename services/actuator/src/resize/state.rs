//! Where a resize is, each place with what only counts there.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ladder::OLD_TYPE,
    step::{Outcome, Step},
};
use crate::cloud::Checks;

/// Where it is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// `tagged`: the breadcrumb may be on the instance all the same, for it was here before.
    Preflight {
        tagged: bool,
    },
    Mark {
        tagged: bool,
        call: Call,
    },
    Recheck(Watch),
    /// It is refused, and an earlier process has left its breadcrumb: is the machine down for this resize all the same? A
    /// journal that was put back from before the stop doesn't know of it.
    LastLook,
    /// The first stop: nothing has happened to the machine yet.
    Stop(Call),
    /// A stop may have been carried out: from here on the machine has to be brought up.
    AfterStop(At, SinceStop),
    Unmark {
        outcome: Outcome,
        /// A stop may have been carried out.
        stop_asked: bool,
        call: Call,
    },
    Ended(Outcome),
}

/// Where it is once a stop may have been carried out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum At {
    /// Another stop: for one that had no effect, or to roll back.
    Stop(Call),
    AwaitStopped(Watch),
    Modify(Call),
    ReadBack(Watch),
    Start(Call),
    AwaitRunning(Watch),
    Check(Watch),
    Monitor(Call),
    Confirm(Call),
}

/// A call that changes something.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    #[default]
    Due,
    /// Written down before it was made, so that a restart knows.
    UnderWay {
        /// When; `None` where a journal of FORMAT 1 doesn't say.
        since: Option<Timestamp>,
    },
}

impl Call {
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::Due => None,
            Self::UnderWay { since } => since,
        }
    }
}

/// Looks in one step.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Watch {
    /// Since the step began.
    pub waited: Duration,
    pub looks: u32,
    /// For how long no look has found the instance.
    pub missing: Duration,
}

impl Watch {
    /// One more look, `elapsed` after the event before.
    pub fn after(self, elapsed: Duration) -> Self {
        Self {
            waited: self.waited + elapsed,
            looks: self.looks + 1,
            missing: self.missing,
        }
    }

    /// The look found the instance.
    pub fn found(self) -> Self {
        Self {
            missing: Duration::ZERO,
            ..self
        }
    }
}

/// What is remembered from the first stop on, whatever the step.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct SinceStop {
    pub aim: Aim,
    /// How many times the whole ladder has failed.
    pub round: u32,
    /// A stop took too long: no change of type any more.
    pub overdue: bool,
    pub stop: LastStop,
    pub start: LastStart,
    /// A start was accepted since the breadcrumb was written: it doesn't speak of what comes now.
    pub tag_is_old: bool,
    /// Of the last status checks.
    pub checks: Option<Checks>,
}

/// The last stop that may have been carried out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct LastStop {
    /// `None` where nothing says it.
    pub sent_at: Option<Timestamp>,
    /// It was seen going down.
    pub seen_down: bool,
    /// Stops, up to this one, that were accepted and not seen to do anything.
    pub idle: u32,
}

/// The last start, or what there was before it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct LastStart {
    /// A start was accepted since the last stop, and since the machine was last seen down.
    pub accepted: bool,
    /// It was seen booting.
    pub seen_booting: bool,
    /// Confirmations that were refused.
    pub unconfirmed: u32,
}

/// What the machine is to run on, and whether it may go down once more for it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aim {
    /// A type of the ladder.
    Rung { rung: usize, may_stop: bool },
    /// The type that it has: somebody changed it under us.
    AsIs { may_stop: bool },
    /// The type that it has: the stop had no effect, as far as was seen, and it is not stopped again.
    Untouched,
    /// The type that it has: nothing but a start may happen to the machine.
    OnlyStart { untouched: bool },
}

impl SinceStop {
    pub fn new(rung: usize, stop: LastStop) -> Self {
        Self {
            aim: Aim::Rung {
                rung,
                may_stop: true,
            },
            round: 0,
            overdue: false,
            stop,
            start: LastStart::default(),
            tag_is_old: false,
            checks: None,
        }
    }

    /// True once it no longer aims at the target.
    pub fn is_rolling_back(&self) -> bool {
        self.overdue || self.aim.rung() != Some(0)
    }

    /// Nothing has shown that its stop came to anything.
    pub fn doubts_its_stop(&self, at: &At) -> bool {
        matches!(at, At::AwaitStopped(_)) && !self.stop.seen_down
    }
}

impl Aim {
    /// Of the ladder; `None` for the type that it has.
    pub fn rung(self) -> Option<usize> {
        match self {
            Self::Rung { rung, .. } => Some(rung),
            Self::AsIs { .. } | Self::Untouched | Self::OnlyStart { .. } => None,
        }
    }

    pub fn may_stop(self) -> bool {
        match self {
            Self::Rung { may_stop, .. } | Self::AsIs { may_stop } => may_stop,
            Self::Untouched | Self::OnlyStart { .. } => false,
        }
    }

    pub fn is_untouched(self) -> bool {
        matches!(self, Self::Untouched | Self::OnlyStart { untouched: true })
    }

    /// Somebody changed it under us.
    pub fn as_is(self) -> Self {
        match self {
            Self::Rung { may_stop, .. } => Self::AsIs { may_stop },
            other => other,
        }
    }

    pub fn never_stop(self) -> Self {
        match self {
            Self::Rung { rung, .. } => Self::Rung {
                rung,
                may_stop: false,
            },
            Self::AsIs { .. } => Self::AsIs { may_stop: false },
            other => other,
        }
    }

    pub fn only_start(self) -> Self {
        Self::OnlyStart {
            untouched: self.is_untouched(),
        }
    }

    /// The stop had no effect. Where another one could have followed, it is as if somebody had started it.
    pub fn stop_in_vain(self) -> Self {
        match self {
            Self::OnlyStart { .. } => Self::OnlyStart { untouched: true },
            aim if aim.may_stop() => aim.as_is(),
            _ => Self::Untouched,
        }
    }

    /// It is down.
    pub fn down(self) -> Self {
        match self {
            Self::Untouched => Self::AsIs { may_stop: false },
            Self::OnlyStart { .. } => Self::OnlyStart { untouched: false },
            other => other,
        }
    }

    /// This type did not work. `rungs` are those of the ladder; `None` when it begins anew, or when there is no other.
    pub fn next(self, is_rung: impl Fn(usize) -> bool) -> Option<Self> {
        let may_stop = self.may_stop();
        match self {
            Self::OnlyStart { .. } => None,
            // The type that somebody chose doesn't start either: back to ours.
            Self::AsIs { .. } | Self::Untouched => Some(Self::Rung {
                rung: OLD_TYPE,
                may_stop,
            }),
            Self::Rung { rung, .. } => is_rung(rung + 1).then_some(Self::Rung {
                rung: rung + 1,
                may_stop,
            }),
        }
    }

    /// The first type again.
    pub fn first(self) -> Self {
        match self {
            Self::Rung { may_stop, .. } => Self::Rung { rung: 0, may_stop },
            other => other,
        }
    }
}

impl State {
    /// By its name.
    pub fn step(&self) -> Step {
        match self {
            Self::Preflight { .. } => Step::Preflight,
            Self::Mark { .. } => Step::Mark,
            Self::Recheck(_) => Step::Recheck,
            Self::LastLook => Step::LastLook,
            Self::Stop(_) | Self::AfterStop(At::Stop(_), _) => Step::Stop,
            Self::AfterStop(At::AwaitStopped(_), _) => Step::AwaitStopped,
            Self::AfterStop(At::Modify(_), _) => Step::Modify,
            Self::AfterStop(At::ReadBack(_), _) => Step::ReadBack,
            Self::AfterStop(At::Start(_), _) => Step::Start,
            Self::AfterStop(At::AwaitRunning(_), _) => Step::AwaitRunning,
            Self::AfterStop(At::Check(_), _) => Step::Check,
            Self::AfterStop(At::Monitor(_), _) => Step::Monitor,
            Self::AfterStop(At::Confirm(_), _) => Step::Confirm,
            Self::Unmark { .. } => Step::Unmark,
            Self::Ended(outcome) => Step::Ended(*outcome),
        }
    }

    /// The call of a step that changes something.
    pub fn call_mut(&mut self) -> Option<&mut Call> {
        match self {
            Self::Mark { call, .. }
            | Self::Stop(call)
            | Self::AfterStop(
                At::Stop(call)
                | At::Modify(call)
                | At::Start(call)
                | At::Monitor(call)
                | At::Confirm(call),
                _,
            )
            | Self::Unmark { call, .. } => Some(call),
            _ => None,
        }
    }
}
