//! A resize as data: what to do next, given what has been seen so far.
//!
//! mark → look → stop → wait → modify → read back → start → wait → status checks → monitoring → unmark. What fails before
//! the stop leaves the machine as it was. What fails after it moves to the next rung of the ladder: the target, the old
//! type, the fallbacks, and round again with growing pauses.
//!
//! Invariant: once a stop may have been carried out, the only ends are "running" and "gone". There is no way out of
//! `Modify`, `ReadBack` or `Start` but through `AwaitRunning`.
//! Invariant: a resize that is not to stop its machine any more, and may have, ends only after a start was accepted, or when
//! the cloud says that somebody else asked for the stop it is down for.
//! Invariant: it ends as running only after a start was accepted since the last stop. What is seen can be stale, without
//! a bound; what a start answers can't, and a running machine ignores it.
//! Invariant: no I/O and no clock; time comes in as what has passed since the last event.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::cloud::{Checks, ErrorKind, InstanceState};

mod breadcrumb;
mod rules;

pub use self::breadcrumb::Breadcrumb;

/// How long to wait for what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Limits {
    /// Between two looks.
    pub poll: Duration,
    /// A stop that takes longer is given up.
    pub stop: Duration,
    /// A start that takes longer is reported.
    pub start: Duration,
    /// Status checks that take longer roll back.
    pub check: Duration,
    /// What is seen is rarely older than this.
    pub settle: Duration,
    /// A machine that was stopped and isn't found for this long is gone. Long, for a wrong region or account looks just
    /// the same.
    pub missing: Duration,
    /// First pause before a call is repeated; each further one is twice as long.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// Refusals of one type before the next rung is tried.
    pub tries_per_type: u32,
    /// Failures of a call that still can be given up.
    pub tries_before_stop: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(5),
            stop: Duration::from_secs(600),
            start: Duration::from_secs(300),
            check: Duration::from_secs(600),
            settle: Duration::from_secs(60),
            missing: Duration::from_secs(3_600),
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(60),
            tries_per_type: 3,
            tries_before_stop: 5,
        }
    }
}

/// Where it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The pre-flight found nothing in the way. `fallbacks`: types of the same family to try when neither the target
    /// nor the old type will start, best first.
    Passed {
        fallbacks: Vec<String>,
    },
    /// The pre-flight found something, or something forbids the stop.
    Refused {
        reason: String,
    },
    /// The pre-flight passed and nothing else may happen.
    DryRun,
    /// Answer of a look.
    Seen {
        state: InstanceState,
        instance_type: String,
    },
    /// Answer of the status checks.
    Status {
        state: InstanceState,
        checks: Checks,
    },
    /// The call was accepted.
    Done,
    /// The call, or the look, failed.
    Failed {
        kind: ErrorKind,
        message: String,
    },
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

/// One resize.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Resize {
    limits: Limits,
    monitoring_enabled: bool,
    step: Step,
    /// The outcome, while the breadcrumb comes off.
    ending: Option<Outcome>,
    /// A call that changes something is under way: written before it, so that a restart knows.
    in_flight: bool,
    /// Types to run on, best first: the target, the old type, the fallbacks.
    ladder: Vec<String>,
    /// Which of them is being tried.
    rung: usize,
    /// How many times the whole ladder has failed.
    round: u32,
    /// Refusals on this rung, or failures of this call before the stop.
    tries: u32,
    /// Exponent of the next pause; 0 is no pause.
    pause: u32,
    /// Time in this step.
    waited: Duration,
    /// Looks taken in this step.
    looks: u32,
    /// Stops that were accepted and not seen to do anything.
    idle_stops: u32,
    /// For how long no look has found the instance.
    missing: Duration,
    /// The breadcrumb may be on the instance.
    marked: bool,
    /// A stop may have been carried out.
    stop_asked: bool,
    /// A start was accepted since the last stop, and since it was last seen down.
    start_accepted: bool,
    /// Confirmations that were refused.
    unconfirmed: u32,
    /// It was seen going down since the last stop.
    saw_down: bool,
    /// It was seen booting since the last start.
    saw_pending: bool,
    /// Somebody changed it under us: run it as it is.
    as_is: bool,
    /// The stop took too long: no change of type any more.
    overdue: bool,
    /// Nothing but a start may happen to the machine.
    #[serde(default)]
    start_only: bool,
    /// It is too late for a stop.
    #[serde(default)]
    no_stop: bool,
    /// The stop had no effect, as far as was seen.
    #[serde(default)]
    in_vain: bool,
    paged: bool,
    /// The last type that was seen.
    seen_type: String,
    last_checks: Option<Checks>,
    error: Option<String>,
    monitoring: Option<Monitoring>,
}

impl Resize {
    /// A resize of a machine from one type to another, nothing done yet.
    pub fn new(from: &str, target: &str, monitoring_enabled: bool, limits: Limits) -> Self {
        Self {
            limits,
            monitoring_enabled,
            step: Step::Preflight,
            ending: None,
            in_flight: false,
            ladder: vec![target.to_owned(), from.to_owned()],
            rung: 0,
            round: 0,
            tries: 0,
            pause: 0,
            waited: Duration::ZERO,
            looks: 0,
            idle_stops: 0,
            missing: Duration::ZERO,
            marked: false,
            stop_asked: false,
            start_accepted: false,
            unconfirmed: 0,
            saw_down: false,
            saw_pending: false,
            as_is: false,
            overdue: false,
            start_only: false,
            no_stop: false,
            in_vain: false,
            paged: false,
            seen_type: from.to_owned(),
            last_checks: None,
            error: None,
            monitoring: None,
        }
    }

    /// A resize of which only the breadcrumb is left: back to the old type, and no second stop.
    pub fn recover(crumb: &Breadcrumb, monitoring_enabled: bool, limits: Limits) -> Self {
        let mut machine = Self::new(&crumb.from, &crumb.target, monitoring_enabled, limits);
        machine.extend_ladder(crumb.fallbacks.clone());
        machine.step = Step::AwaitStopped;
        machine.rung = 1;
        machine.idle_stops = machine.limits.tries_per_type;
        machine.marked = true;
        machine.stop_asked = true;
        machine.fail("the journal was lost; only the instance's breadcrumb was left");
        machine
    }

    /// To be called, and the result to be written down, before each action that changes something.
    pub fn intend(&mut self) {
        self.in_flight = true;
    }

    /// Takes it up again after the process that ran it has ended: a call that was under way may have been carried out
    /// or not, and what was seen is old.
    pub fn resume(&mut self) {
        if self.in_flight && self.step != Step::Monitor {
            let event = Event::Failed {
                kind: ErrorKind::LostReply,
                message: "the actuator ended during the call".to_owned(),
            };
            // Legal in every step that calls.
            let _ = self.apply(event, Duration::ZERO);
        }
        self.in_flight = false;
        match self.step {
            Step::Mark | Step::Recheck => self.enter(Step::Preflight),
            Step::Stop if !self.stop_asked => self.enter(Step::Preflight),
            // Still running after a while, it is asked to stop again.
            Step::Stop => {
                self.enter(Step::AwaitStopped);
                self.saw_down = false;
            }
            Step::Modify | Step::Start => {
                self.enter(Step::AwaitStopped);
                self.saw_down = true;
            }
            Step::Monitor => self.enter(Step::Check),
            step => self.enter(step),
        }
    }

    /// From here on the machine is neither stopped nor changed: if it is down it starts on the type that it has, and if it
    /// was not to go down yet it stays up. To be called after [`Resize::resume`].
    pub fn start_only(&mut self, why: &str) {
        let step = self.step;
        self.never_stop(why);
        self.start_only = true;
        self.monitoring_enabled = false;
        if self.stop_asked && !matches!(step, Step::Unmark | Step::Ended(_)) {
            self.as_is = true;
            if matches!(step, Step::Modify | Step::ReadBack) {
                self.enter(Step::AwaitStopped);
                self.saw_down = true;
            }
        }
    }

    /// From here on the machine is not stopped: what it was asked for is too old. Whether a stop that was asked for before
    /// came to anything is seen; if not, a start is sent all the same, and then it ends as refused.
    pub fn never_stop(&mut self, why: &str) {
        self.no_stop = true;
        match self.step {
            Step::Unmark | Step::Ended(_) => {}
            _ if !self.stop_asked => self.refuse(why),
            step => {
                self.fail_first(why);
                if step == Step::Stop {
                    self.enter(Step::AwaitStopped);
                    self.saw_down = false;
                }
            }
        }
    }

    /// True where it matters whose stop a machine is down for: no other stop of its own follows.
    pub fn asks_whose_stop(&self) -> bool {
        let looks = matches!(
            self.step,
            Step::AwaitStopped | Step::ReadBack | Step::AwaitRunning
        );
        self.no_stop && (self.doubts_its_stop() || looks && !self.as_is)
    }

    /// Nothing has shown that its stop came to anything.
    fn doubts_its_stop(&self) -> bool {
        self.step == Step::AwaitStopped && !self.saw_down
    }

    /// Where it is.
    pub fn step(&self) -> Step {
        self.step
    }

    /// True once a stop may have been carried out.
    pub fn stop_asked(&self) -> bool {
        self.stop_asked
    }

    /// What the breadcrumb of this resize says.
    pub fn breadcrumb(&self, resize_id: &str) -> Breadcrumb {
        Breadcrumb {
            resize_id: resize_id.to_owned(),
            from: self.ladder[1].clone(),
            target: self.ladder[0].clone(),
            fallbacks: self.ladder[2..].to_vec(),
        }
    }

    /// Where it is, for those who watch.
    pub fn phase(&self) -> Phase {
        match self.step {
            Step::Preflight | Step::Mark | Step::Recheck => Phase::Preflight,
            Step::Unmark if self.ending == Some(Outcome::Refused) => Phase::Preflight,
            Step::Unmark => Phase::Monitoring,
            Step::Check => Phase::Checking,
            Step::Monitor => Phase::Monitoring,
            Step::Ended(outcome) => Phase::Ended(outcome),
            _ if self.is_rolling_back() => Phase::RollingBack,
            Step::Stop | Step::AwaitStopped => Phase::Stopping,
            Step::Modify | Step::ReadBack => Phase::Modifying,
            Step::Start | Step::AwaitRunning | Step::Confirm => Phase::Starting,
        }
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.step {
            Step::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The type it is to run on now.
    pub fn wanted(&self) -> &str {
        if self.as_is {
            return &self.seen_type;
        }
        self.ladder.get(self.rung).unwrap_or(&self.seen_type)
    }

    /// The last type that was seen on the instance.
    pub fn seen_type(&self) -> &str {
        &self.seen_type
    }

    /// True once it no longer aims at the target.
    pub fn is_rolling_back(&self) -> bool {
        self.rung != 0 || self.as_is || self.overdue
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
        let pause = self.pause_before_call();
        let look = |limit: Duration| {
            let hung = self.waited > limit;
            let least = if hung {
                self.limits.longest_pause / 2
            } else {
                self.limits.poll
            };
            (Action::Look, least.max(pause))
        };
        match self.step {
            Step::Preflight => (Action::Preflight, Duration::ZERO),
            Step::Mark => (Action::Mark, pause),
            Step::Recheck => (Action::Look, pause),
            Step::Stop => (Action::Stop, pause),
            Step::AwaitStopped => look(self.limits.stop),
            Step::Modify => (Action::Modify(self.wanted().to_owned()), pause),
            // The first look can be at once: often the new type reads back already.
            Step::ReadBack if self.looks == 0 => (Action::Look, pause),
            Step::ReadBack => look(self.limits.settle),
            Step::Start | Step::Confirm => (Action::Start, pause),
            Step::AwaitRunning => look(self.limits.start),
            Step::Check => (Action::Status, self.limits.poll.max(pause)),
            Step::Monitor => (Action::Monitor, Duration::ZERO),
            Step::Unmark => (Action::Unmark, pause),
            Step::Ended(outcome) => (Action::Finish(outcome), Duration::ZERO),
        }
    }

    /// Takes in what happened `elapsed` after the event before.
    ///
    /// # Errors
    /// An event that can't happen in this step; then nothing has changed.
    pub fn apply(&mut self, event: Event, elapsed: Duration) -> Result<(), IllegalEvent> {
        use Event::{
            Done, DryRun, Failed, Monitored, Passed, Refused, Seen, Status, StoppedByOthers,
        };
        use Step::{
            AwaitRunning, AwaitStopped, Check, Confirm, Ended, Mark, Modify, Monitor, Preflight,
            ReadBack, Recheck, Start, Stop, Unmark,
        };
        match (self.step, event) {
            (Preflight, Passed { fallbacks }) => {
                self.extend_ladder(fallbacks);
                self.enter(Mark);
            }
            (Preflight, DryRun) => self.step = Ended(Outcome::DryRun),
            (Stop, Refused { reason }) if self.stop_asked && self.rung == 0 => {
                self.never_stop(&reason);
            }
            (Stop, Refused { reason }) if self.stop_asked => self.give_the_roll_back_up(reason),
            (Preflight | Mark | Recheck | Stop, Refused { reason }) => self.refuse(reason),

            (Mark, Done) => {
                self.marked = true;
                self.tries = 0;
                self.pause = 0;
                self.enter(Recheck);
            }
            (Mark, Failed { kind, message }) => self.mark_failed(kind, message),

            (Recheck | AwaitStopped | ReadBack | AwaitRunning, Seen { state, .. })
            | (Check, Status { state, .. })
                if state.is_gone() =>
            {
                self.gone(&format!("it is {state}"));
            }
            (
                step @ (Recheck | AwaitStopped | ReadBack | AwaitRunning),
                Seen {
                    state,
                    instance_type,
                },
            ) => {
                self.looked(elapsed);
                match step {
                    Recheck => self.seen_before_stop(state, &instance_type),
                    AwaitStopped => self.seen_stopping(state, instance_type),
                    ReadBack => self.seen_modified(state, instance_type),
                    _ => self.seen_starting(state, instance_type),
                }
            }
            (
                step @ (Recheck | AwaitStopped | ReadBack | AwaitRunning | Check),
                Failed { kind, message },
            ) => {
                self.waited += elapsed;
                self.looks += 1;
                self.look_failed(step, kind, message, elapsed);
            }

            (
                AwaitStopped | ReadBack | AwaitRunning,
                StoppedByOthers {
                    instance_type,
                    reason,
                },
            ) => self.stopped_by_others(instance_type, reason),

            (Stop, Done) => self.stop_was_asked(),
            (Stop, Failed { kind, .. }) if kind.is_uncertain() => self.stop_was_asked(),
            (Stop, Failed { kind, message }) => self.stop_failed(kind, message),

            (Modify, Done) => {
                // It has been waited for; the machine is down meanwhile.
                self.pause = 0;
                self.enter(ReadBack);
            }
            (Modify, Failed { kind, .. }) if kind.is_uncertain() => self.enter(ReadBack),
            (Modify, Failed { kind, message }) => self.modify_failed(kind, message),

            (Start | Confirm, Done) => {
                self.start_accepted = true;
                self.start_was_asked();
            }
            (Start, Failed { kind, .. }) if kind.is_uncertain() => self.start_was_asked(),
            (Start, Failed { kind, message }) => self.start_failed(kind, message),
            (Confirm, Failed { kind, message }) => self.confirm_failed(kind, message),

            (Check, Status { state, checks }) => {
                self.looked(elapsed);
                self.checked(state, checks);
            }
            (Monitor, Monitored(monitoring)) => {
                self.monitoring = Some(monitoring);
                self.end_running();
            }
            (Unmark, Done) => self.ended(),
            (Unmark, Failed { kind, .. }) => self.unmark_failed(kind),
            (step, event) => return Err(IllegalEvent { step, event }),
        }
        self.in_flight = false;
        Ok(())
    }
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
