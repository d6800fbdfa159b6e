//! One resize as a state machine: what happened goes in, what to do next comes out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    breadcrumb::Breadcrumb,
    event::{Action, Event},
    ladder::Ladder,
    limits::Limits,
    state::{At, Call, State, Watch},
    step::{Monitoring, Outcome, Phase, Step},
};
use crate::cloud::ErrorKind;

/// One resize.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Resize {
    pub(super) limits: Limits,
    pub(super) monitoring_enabled: bool,
    pub(super) ladder: Ladder,
    pub(super) state: State,
    /// Refusals on this rung, or failures of this call before the stop.
    pub(super) tries: u32,
    /// Exponent of the next pause; 0 is no pause.
    pub(super) pause: u32,
    /// That the instance belongs to; `None` until the pre-flight has seen it, and in old journals.
    pub(super) account: Option<String>,
    /// The last type that was seen.
    pub(super) seen_type: String,
    pub(super) paged: bool,
    pub(super) error: Option<String>,
    pub(super) monitoring: Option<Monitoring>,
}

impl Resize {
    /// A resize of a machine from one type to another, nothing done yet.
    pub fn new(from: &str, target: &str, monitoring_enabled: bool, limits: Limits) -> Self {
        Self {
            limits,
            monitoring_enabled,
            ladder: Ladder::new(from, target),
            state: State::Preflight { tagged: false },
            tries: 0,
            pause: 0,
            account: None,
            seen_type: from.to_owned(),
            paged: false,
            error: None,
            monitoring: None,
        }
    }

    /// A resize of which only the breadcrumb is left: back to the old type, and no second stop.
    pub fn recover(
        crumb: &Breadcrumb,
        account: &str,
        monitoring_enabled: bool,
        limits: Limits,
    ) -> Self {
        let mut machine = Self::new(&crumb.from, &crumb.target, monitoring_enabled, limits);
        machine.ladder.extend(crumb.fallbacks.clone());
        machine.account = Some(account.to_owned());
        machine.state = machine.back_to_the_old_type();
        machine.fail("the journal was lost; only the instance's breadcrumb was left");
        machine
    }

    /// To be called, and the result to be written down, before each action that changes something.
    pub fn intend(&mut self, now: Timestamp) {
        if let Some(call) = self.state.call_mut() {
            *call = Call::UnderWay { since: Some(now) };
        }
    }

    /// When the call that is under way was written down.
    pub fn under_way_since(&self) -> Option<Timestamp> {
        self.state.clone().call_mut().and_then(|call| call.since())
    }

    /// Takes it up again after the process that ran it has ended: a call that was under way may have been carried out
    /// or not, and what was seen is old.
    pub fn resume(&mut self) {
        let under_way = self.state.call_mut().is_some_and(|call| *call != Call::Due);
        if under_way && self.step() != Step::Monitor {
            let event = Event::Failed {
                kind: ErrorKind::LostReply,
                message: "the actuator ended during the call".to_owned(),
            };
            // Legal in every step that calls.
            let _ = self.apply(event, Duration::ZERO);
        }
        self.state = match self.state.clone() {
            State::Preflight { tagged } | State::Mark { tagged, .. } => State::Preflight { tagged },
            State::Recheck(_) | State::LastLook | State::Stop(_) => {
                State::Preflight { tagged: true }
            }
            State::AfterStop(at, mut since) => {
                let at = match at {
                    // Still running after a while, it is asked to stop again.
                    At::Stop(_) => {
                        since.stop.seen_down = false;
                        At::AwaitStopped(Watch::default())
                    }
                    At::Modify(_) | At::Start(_) => {
                        since.stop.seen_down = true;
                        At::AwaitStopped(Watch::default())
                    }
                    At::AwaitStopped(_) => At::AwaitStopped(Watch::default()),
                    At::ReadBack(_) => At::ReadBack(Watch::default()),
                    At::AwaitRunning(_) => At::AwaitRunning(Watch::default()),
                    At::Check(_) | At::Monitor(_) => At::Check(Watch::default()),
                    At::Confirm(_) => At::Confirm(Call::Due),
                };
                State::AfterStop(at, since)
            }
            State::Unmark {
                outcome,
                stop_asked,
                ..
            } => State::Unmark {
                outcome,
                stop_asked,
                call: Call::Due,
            },
            ended @ State::Ended(_) => ended,
        };
    }

    /// From here on the machine is neither stopped nor changed: if it is down it starts on the type that it has, and if it
    /// was not to go down yet it stays up. To be called after [`Resize::resume`].
    pub fn start_only(&mut self, why: &str) {
        self.never_stop(why);
        if let State::AfterStop(at, since) = &mut self.state {
            since.aim = since.aim.only_start();
            if matches!(at, At::Modify(_) | At::ReadBack(_)) {
                *at = At::AwaitStopped(Watch::default());
                since.stop.seen_down = true;
            }
        }
    }

    /// From here on the machine is not stopped: what it was asked for is too old. Whether a stop that was asked for before
    /// came to anything is seen; if not, a start is sent all the same, and then it ends as refused.
    pub fn never_stop(&mut self, why: &str) {
        self.state = match self.state.clone() {
            State::Preflight { tagged } | State::Mark { tagged, .. } => self.refuse(tagged, why),
            State::Recheck(_) | State::Stop(_) => self.refuse_marked(why),
            State::AfterStop(at, since) => self.no_stop_any_more(at, since, why),
            ended @ (State::LastLook | State::Unmark { .. } | State::Ended(_)) => ended,
        }
    }

    /// What a stop that EC2 knows of means, `asked_at` its time: that somebody else asked for it. Only where it matters, for
    /// no other stop of its own follows.
    pub fn stopped_by_others(
        &self,
        asked_at: Timestamp,
        clocks_differ_by: Duration,
    ) -> Option<String> {
        let State::AfterStop(at, since) = &self.state else {
            return None;
        };
        let looks = matches!(
            at,
            At::AwaitStopped(_) | At::ReadBack(_) | At::AwaitRunning(_)
        );
        let matters = since.doubts_its_stop(at) || looks && since.aim.rung().is_some();
        let later = asked_at.duration_since(since.stop.sent_at?);
        let is_later = SignedDuration::try_from(clocks_differ_by).is_ok_and(|least| later > least);
        (matters && !since.aim.may_stop() && is_later).then(|| {
            format!(
                "somebody else stopped it at {asked_at}, {} s after the stop of this resize",
                later.as_secs()
            )
        })
    }

    /// True, once, when a start was accepted since the breadcrumb was written.
    pub fn take_old_tag(&mut self) -> bool {
        match &mut self.state {
            State::AfterStop(_, since) => std::mem::take(&mut since.tag_is_old),
            _ => false,
        }
    }

    /// Where it is.
    pub fn step(&self) -> Step {
        self.state.step()
    }

    /// True once a stop may have been carried out.
    pub fn stop_asked(&self) -> bool {
        match &self.state {
            State::Preflight { .. }
            | State::Mark { .. }
            | State::Recheck(_)
            | State::LastLook
            | State::Stop(_) => false,
            State::AfterStop(..) => true,
            State::Unmark { stop_asked, .. } => *stop_asked,
            State::Ended(outcome) => !matches!(outcome, Outcome::Refused | Outcome::DryRun),
        }
    }

    /// What the breadcrumb of this resize says.
    pub fn breadcrumb(&self, resize_id: &str) -> Breadcrumb {
        self.ladder.breadcrumb(resize_id)
    }

    /// The account that the breadcrumb is sealed for; empty where it isn't known.
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or_default()
    }

    /// Where it is, for those who watch.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Preflight { .. } | State::Mark { .. } | State::Recheck(_) | State::LastLook => {
                Phase::Preflight
            }
            State::Stop(_) => Phase::Stopping,
            State::AfterStop(At::Check(_), _) => Phase::Checking,
            State::AfterStop(At::Monitor(_), _) => Phase::Monitoring,
            State::AfterStop(_, since) if since.is_rolling_back() => Phase::RollingBack,
            State::AfterStop(At::Stop(_) | At::AwaitStopped(_), _) => Phase::Stopping,
            State::AfterStop(At::Modify(_) | At::ReadBack(_), _) => Phase::Modifying,
            State::AfterStop(At::Start(_) | At::AwaitRunning(_) | At::Confirm(_), _) => {
                Phase::Starting
            }
            State::Unmark {
                outcome: Outcome::Refused,
                ..
            } => Phase::Preflight,
            State::Unmark { .. } => Phase::Monitoring,
            State::Ended(outcome) => Phase::Ended(*outcome),
        }
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The type it is to run on now.
    pub fn wanted(&self) -> &str {
        match &self.state {
            State::AfterStop(_, since) => self.wanted_by(since),
            State::Unmark { .. } | State::Ended(_) => &self.seen_type,
            _ => &self.ladder.target,
        }
    }

    /// The last type that was seen on the instance.
    pub fn seen_type(&self) -> &str {
        &self.seen_type
    }

    /// True once it no longer aims at the target.
    pub fn is_rolling_back(&self) -> bool {
        matches!(&self.state, State::AfterStop(_, since) if since.is_rolling_back())
    }

    /// True once a person should look: the whole ladder has failed, or a stop or a start hangs. Never turns false.
    pub fn needs_a_person(&self) -> bool {
        self.paged
    }

    /// Why it is not going as planned; `None` when it is.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// How monitoring is; `None` when it wasn't got to.
    pub fn monitoring(&self) -> Option<Monitoring> {
        self.monitoring
    }

    /// What to do next, and how long to wait before.
    pub fn next(&self) -> (Action, Duration) {
        let limits = &self.limits;
        let pause = limits.pause(self.pause);
        let look = |watch: &Watch, limit: Duration| {
            let hung = watch.waited > limit;
            let least = if hung {
                limits.longest_pause / 2
            } else {
                limits.poll
            };
            (Action::Look, least.max(pause))
        };
        match &self.state {
            State::Preflight { .. } => (Action::Preflight, Duration::ZERO),
            State::Mark { .. } => (Action::Mark, pause),
            State::Recheck(_) | State::LastLook => (Action::Look, pause),
            State::Stop(_) => (Action::Stop, pause),
            State::AfterStop(at, since) => match at {
                At::Stop(_) => (Action::Stop, pause),
                At::AwaitStopped(watch) => look(watch, limits.stop),
                At::Modify(_) => (Action::Modify(self.wanted_by(since).to_owned()), pause),
                // The first look can be at once: often the new type reads back already.
                At::ReadBack(Watch { looks: 0, .. }) => (Action::Look, pause),
                At::ReadBack(watch) => look(watch, limits.settle),
                At::Start(_) | At::Confirm(_) => (Action::Start, pause),
                At::AwaitRunning(watch) => look(watch, limits.start),
                At::Check(_) => (Action::Status, limits.poll.max(pause)),
                At::Monitor(_) => (Action::Monitor, Duration::ZERO),
            },
            State::Unmark { .. } => (Action::Unmark, pause),
            State::Ended(outcome) => (Action::Finish(*outcome), Duration::ZERO),
        }
    }
}
