//! The state machine as journals of FORMAT 1 have it: flags beside the step.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    ladder::Ladder,
    limits::Limits,
    machine::Resize,
    state::{Aim, At, Call, LastStart, LastStop, SinceStop, State, Watch},
    step::{Monitoring, Outcome, Step},
};
use crate::cloud::Checks;

/// One resize. What each flag means stands where its value goes, in `state.rs`.
#[derive(Debug, Deserialize)]
pub struct Machine {
    limits: Limits,
    monitoring_enabled: bool,
    step: Step,
    ending: Option<Outcome>,
    in_flight: bool,
    ladder: Vec<String>,
    rung: usize,
    round: u32,
    tries: u32,
    pause: u32,
    waited: Duration,
    looks: u32,
    idle_stops: u32,
    missing: Duration,
    marked: bool,
    stop_asked: bool,
    start_accepted: bool,
    unconfirmed: u32,
    saw_down: bool,
    saw_pending: bool,
    as_is: bool,
    overdue: bool,
    #[serde(default)]
    start_only: bool,
    #[serde(default)]
    no_stop: bool,
    #[serde(default)]
    in_vain: bool,
    paged: bool,
    seen_type: String,
    last_checks: Option<Checks>,
    error: Option<String>,
    monitoring: Option<Monitoring>,
}

/// What the record had beside it.
#[derive(Debug)]
pub struct Beside {
    pub account: String,
    pub breadcrumb_is_old: bool,
    pub stop_sent_at: Option<Timestamp>,
}

impl Machine {
    /// The same resize; `None` where its ladder lacks the target or the old type.
    pub fn into_resize(self, beside: &Beside) -> Option<Resize> {
        let state = self.state(beside);
        let mut types = self.ladder.into_iter();
        let (target, from) = (types.next()?, types.next()?);
        let mut ladder = Ladder::new(&from, &target);
        ladder.extend(types.collect());
        Some(Resize {
            limits: self.limits,
            monitoring_enabled: self.monitoring_enabled,
            ladder,
            state,
            tries: self.tries,
            pause: self.pause,
            account: Some(beside.account.clone()).filter(|account| !account.is_empty()),
            seen_type: self.seen_type,
            paged: self.paged,
            error: self.error,
            monitoring: self.monitoring,
        })
    }

    fn state(&self, beside: &Beside) -> State {
        let watch = Watch {
            waited: self.waited,
            looks: self.looks,
            missing: self.missing,
        };
        let call = match self.in_flight {
            false => Call::Due,
            true => Call::UnderWay {
                since: beside.stop_sent_at.filter(|_| self.step == Step::Stop),
            },
        };
        let at = match self.step {
            Step::Preflight => {
                let tagged = self.marked;
                return State::Preflight { tagged };
            }
            Step::Mark => {
                let tagged = self.marked;
                return State::Mark { tagged, call };
            }
            Step::Recheck => return State::Recheck(watch),
            // No journal of FORMAT 1 has it.
            Step::LastLook => return State::LastLook,
            Step::Stop if !self.stop_asked => return State::Stop(call),
            Step::Unmark => {
                return State::Unmark {
                    // Nothing gets there without an end in mind; "refused" claims the least.
                    outcome: self.ending.unwrap_or(Outcome::Refused),
                    stop_asked: self.stop_asked,
                    call,
                };
            }
            Step::Ended(outcome) => return State::Ended(outcome),
            Step::Stop => At::Stop(call),
            Step::AwaitStopped => At::AwaitStopped(watch),
            Step::Modify => At::Modify(call),
            Step::ReadBack => At::ReadBack(watch),
            Step::Start => At::Start(call),
            Step::AwaitRunning => At::AwaitRunning(watch),
            Step::Check => At::Check(watch),
            Step::Monitor => At::Monitor(call),
            Step::Confirm => At::Confirm(call),
        };
        let since = SinceStop {
            aim: self.aim(),
            round: self.round,
            overdue: self.overdue,
            stop: LastStop {
                sent_at: beside.stop_sent_at,
                seen_down: self.saw_down,
                idle: self.idle_stops,
            },
            start: LastStart {
                accepted: self.start_accepted,
                seen_booting: self.saw_pending,
                unconfirmed: self.unconfirmed,
            },
            tag_is_old: beside.breadcrumb_is_old,
            checks: self.last_checks,
        };
        State::AfterStop(at, since)
    }

    fn aim(&self) -> Aim {
        let may_stop = !self.no_stop;
        if self.start_only {
            let untouched = self.in_vain;
            Aim::OnlyStart { untouched }
        } else if self.in_vain {
            Aim::Untouched
        } else if self.as_is {
            Aim::AsIs { may_stop }
        } else {
            let rung = self.rung;
            Aim::Rung { rung, may_stop }
        }
    }
}
