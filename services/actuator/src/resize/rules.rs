//! What each event does to a resize: the arms of the one `match` in `Resize::apply`.

use std::time::Duration;

use super::{Monitoring, Outcome, Resize, Step};
use crate::cloud::{Checks, ErrorKind, InstanceState};

impl Resize {
    // Looks

    pub(super) fn looked(&mut self, elapsed: Duration) {
        self.waited += elapsed;
        self.looks += 1;
        self.missing = Duration::ZERO;
        // While a type reads back, the pause belongs to the start that was refused before.
        if self.step != Step::ReadBack {
            self.pause = 0;
        }
    }

    pub(super) fn seen_before_stop(&mut self, state: InstanceState, instance_type: &str) {
        let expected = self.ladder.get(1).map(String::as_str);
        if state == InstanceState::Running && Some(instance_type) == expected {
            self.enter(Step::Stop);
        } else {
            // Somebody was faster. A machine that a user stopped stays stopped.
            self.refuse(format!(
                "it is {state} on {instance_type} by now; the pre-flight saw it running on {}",
                expected.unwrap_or_default()
            ));
        }
    }

    pub(super) fn seen_stopping(&mut self, state: InstanceState, instance_type: String) {
        match state {
            InstanceState::Stopped => {
                let known = self.ladder.contains(&instance_type);
                self.seen_type = instance_type;
                self.idle_stops = 0;
                if !known {
                    self.as_is = true;
                    self.fail("somebody changed the type while it was stopped");
                } else if self.overdue && self.rung == 0 {
                    // The short way back: it still has the old type, or the target if the modify came through.
                    self.rung = usize::from(self.seen_type != self.ladder[0]);
                }
                self.enter_modify_or_start();
            }
            InstanceState::Stopping => {
                self.saw_down = true;
                if self.waited > self.limits.stop && !self.overdue {
                    self.overdue = true;
                    self.paged = true;
                    self.fail(
                        "it does not stop; it starts on its old type as soon as it has stopped",
                    );
                }
            }
            InstanceState::Running | InstanceState::Pending if self.saw_down => {
                self.somebody_started_it();
            }
            InstanceState::Running if self.waited >= self.limits.settle => {
                self.seen_type = instance_type;
                self.idle_stops += 1;
                if self.no_stop || self.idle_stops >= self.limits.tries_per_type {
                    self.fail("the stop had no effect");
                    self.as_is = true;
                    self.in_vain = self.no_stop;
                    self.end_running();
                } else {
                    self.enter(Step::Stop);
                }
            }
            _ => {}
        }
    }

    /// Long after its own stop. Had that come to nothing, a user's machine stays as it is; had it come to anything, the
    /// machine was up in between, and what it was to become is no longer asked for.
    pub(super) fn stopped_by_others(&mut self, instance_type: String, reason: String) {
        if !self.doubts_its_stop() {
            self.fail_first(&reason);
            self.as_is = true;
            self.seen_type = instance_type;
            self.enter_modify_or_start();
        } else {
            self.error = None;
            self.refuse(reason);
        }
    }

    pub(super) fn seen_modified(&mut self, state: InstanceState, instance_type: String) {
        match state {
            InstanceState::Stopped if instance_type == self.wanted() => {
                self.seen_type = instance_type;
                self.enter(Step::Start);
            }
            InstanceState::Stopped if self.waited >= self.limits.settle => {
                self.seen_type = instance_type;
                if self.ladder.contains(&self.seen_type) {
                    self.refused(format!(
                        "type {} does not read back",
                        self.wanted().to_owned()
                    ));
                    self.enter_modify_or_start();
                } else {
                    self.as_is = true;
                    self.fail("somebody changed the type while it was stopped");
                    self.enter(Step::Start);
                }
            }
            InstanceState::Pending | InstanceState::Running => self.somebody_started_it(),
            _ => {}
        }
    }

    pub(super) fn seen_starting(&mut self, state: InstanceState, instance_type: String) {
        self.paged |= self.waited > self.limits.start;
        match state {
            InstanceState::Running => {
                let stale = instance_type != self.wanted() && self.waited < self.limits.settle;
                if self.as_is || !stale {
                    self.seen_type = instance_type;
                    self.enter(Step::Check);
                }
            }
            InstanceState::Pending => self.saw_pending = true,
            InstanceState::Stopped if self.saw_pending || self.waited >= self.limits.settle => {
                self.seen_type = instance_type;
                self.refused(if self.saw_pending {
                    "it booted and stopped again (often an encrypted volume whose key has no grant)"
                } else {
                    "the start had no effect"
                });
                self.enter_modify_or_start();
            }
            _ => {}
        }
    }

    pub(super) fn checked(&mut self, state: InstanceState, checks: Checks) {
        self.last_checks = Some(checks);
        let may_roll_back = self.rung == 0 && self.round == 0 && !self.as_is && !self.no_stop;
        match (state, checks) {
            (InstanceState::Stopped | InstanceState::Stopping, _) => {
                self.fail("it stopped again after it had booted");
                self.enter(Step::AwaitRunning);
                self.saw_pending = true;
            }
            (InstanceState::Running, Checks::Ok) => self.healthy(),
            _ if self.waited < self.limits.check => {}
            _ if may_roll_back => {
                self.fail("the status checks do not pass on the new type");
                self.rung = 1;
                self.tries = 0;
                self.pause = 0;
                self.enter(Step::Stop);
            }
            _ => {
                self.fail("the status checks do not pass");
                self.healthy();
            }
        }
    }

    pub(super) fn look_failed(
        &mut self,
        step: Step,
        kind: ErrorKind,
        message: String,
        elapsed: Duration,
    ) {
        self.pause += 1;
        if kind == ErrorKind::NotFound && self.stop_asked {
            self.missing += elapsed;
            self.paged |= self.missing > self.limits.start;
            if self.missing >= self.limits.missing {
                self.gone("it is not found any more");
            }
            return;
        }
        match step {
            Step::Recheck => {
                self.tries += 1;
                // One "not found" can be a replica that lags.
                let may_pass = kind.is_transient() || kind == ErrorKind::NotFound;
                if self.tries >= self.limits.tries_before_stop || !may_pass {
                    self.refuse(message);
                }
            }
            Step::Check if self.waited >= self.limits.check => {
                // Unknown health is no reason to take a running machine down again.
                self.fail(format!("the status checks can't be read: {message}"));
                self.healthy();
            }
            _ => {}
        }
    }

    // Calls

    pub(super) fn mark_failed(&mut self, kind: ErrorKind, message: String) {
        self.marked |= kind.is_uncertain();
        self.tries += 1;
        self.pause += 1;
        if self.tries >= self.limits.tries_before_stop || !kind.is_transient() {
            self.refuse(message);
        }
    }

    /// What can't be taken off now is swept up at the next start of the actuator.
    pub(super) fn unmark_failed(&mut self, kind: ErrorKind) {
        self.tries += 1;
        self.pause += 1;
        if self.tries >= self.limits.tries_before_stop || !kind.is_transient() {
            self.ended();
        }
    }

    pub(super) fn stop_was_asked(&mut self) {
        self.stop_asked = true;
        self.start_accepted = false;
        self.saw_down = false;
        self.tries = 0;
        self.pause = 0;
        self.enter(Step::AwaitStopped);
    }

    pub(super) fn stop_failed(&mut self, kind: ErrorKind, message: String) {
        self.tries += 1;
        self.pause += 1;
        let hopeless = self.tries >= self.limits.tries_before_stop;
        match kind {
            ErrorKind::Throttled
            | ErrorKind::CredentialsMissing
            | ErrorKind::CredentialsExpired
                if !hopeless => {}
            ErrorKind::WrongState | ErrorKind::NotFound if !self.stop_asked && !hopeless => {
                self.enter(Step::Recheck);
            }
            ErrorKind::WrongState | ErrorKind::NotFound if self.stop_asked => {
                self.enter(Step::AwaitStopped);
            }
            _ if self.stop_asked => {
                // No second stop. What was seen may be stale, so only a fresh look at a running machine ends this.
                self.fail(message);
                self.idle_stops = self.limits.tries_per_type;
                self.enter(Step::AwaitStopped);
            }
            _ => self.refuse(message),
        }
    }

    pub(super) fn modify_failed(&mut self, kind: ErrorKind, message: String) {
        self.pause += 1;
        match kind {
            ErrorKind::WrongState | ErrorKind::NotFound
                if self.tries + 1 < self.limits.tries_before_stop =>
            {
                self.tries += 1;
                // A stop that had not quite ended; AwaitStopped looks until it has.
                self.enter(Step::AwaitStopped);
                self.saw_down = true;
            }
            _ if kind.is_transient() && self.tries + 1 < self.limits.tries_before_stop => {
                self.tries += 1;
            }
            _ => self.next_rung(message),
        }
    }

    pub(super) fn start_was_asked(&mut self) {
        self.saw_pending = false;
        self.enter(Step::AwaitRunning);
    }

    pub(super) fn start_failed(&mut self, kind: ErrorKind, message: String) {
        self.pause += 1;
        match kind {
            ErrorKind::Throttled
            | ErrorKind::CredentialsMissing
            | ErrorKind::CredentialsExpired => {
                self.fail(message);
            }
            ErrorKind::WrongState | ErrorKind::NotFound => {
                self.saw_pending = false;
                self.enter(Step::AwaitRunning);
            }
            ErrorKind::TypeMismatch if self.tries + 1 < self.limits.tries_before_stop => {
                self.tries += 1;
                self.enter(Step::ReadBack);
            }
            ErrorKind::InsufficientCapacity => self.refused(message),
            _ => self.next_rung(message),
        }
    }

    /// A refusal says where the machine is: how much depends on what was refused.
    pub(super) fn confirm_failed(&mut self, kind: ErrorKind, message: String) {
        self.pause += 1;
        match kind {
            // Nothing is known; ask again.
            _ if kind.is_transient() => {}
            // Only a stopped machine is refused for these.
            ErrorKind::InsufficientCapacity
            | ErrorKind::LimitExceeded
            | ErrorKind::Unsupported
            | ErrorKind::NotForThisInstance
            | ErrorKind::TypeMismatch => {
                self.fail(message);
                self.enter(Step::AwaitStopped);
                self.saw_down = true;
            }
            // On its way down, or gone: the next looks tell.
            ErrorKind::WrongState | ErrorKind::NotFound => self.enter(Step::AwaitRunning),
            // The right to start is lost. Seen running again and again, it runs.
            _ => {
                self.unconfirmed += 1;
                self.fail(message);
                self.enter(Step::AwaitRunning);
            }
        }
    }

    // Ways on

    pub(super) fn extend_ladder(&mut self, fallbacks: Vec<String>) {
        for name in fallbacks {
            if !self.ladder.contains(&name) {
                self.ladder.push(name);
            }
        }
    }

    /// It runs on the new type and fails its checks, but something forbids another stop.
    pub(super) fn give_the_roll_back_up(&mut self, reason: String) {
        self.fail(reason);
        self.as_is = true;
        self.healthy();
    }

    pub(super) fn enter(&mut self, step: Step) {
        self.step = step;
        self.waited = Duration::ZERO;
        self.looks = 0;
        self.missing = Duration::ZERO;
    }

    pub(super) fn enter_modify_or_start(&mut self) {
        self.start_accepted = false;
        self.in_vain = false;
        self.enter(if self.start_only || self.seen_type == self.wanted() {
            Step::Start
        } else {
            Step::Modify
        });
    }

    /// This type didn't work; once more, or on to the next rung.
    pub(super) fn refused(&mut self, message: impl Into<String>) {
        self.tries += 1;
        if self.tries >= self.limits.tries_per_type || self.round > 0 {
            self.next_rung(message);
        } else {
            self.pause = self.pause.max(self.tries);
            self.fail(message);
        }
    }

    pub(super) fn next_rung(&mut self, message: impl Into<String>) {
        self.fail(message);
        self.tries = 0;
        if self.start_only {
            self.round += 1;
            self.paged = true;
        } else if self.as_is {
            // The type that somebody chose doesn't start either: back to ours.
            self.as_is = false;
            self.rung = 1;
        } else {
            self.rung += 1;
            if self.rung >= self.ladder.len() {
                self.rung = 0;
                self.round += 1;
                self.paged = true;
            }
        }
        // In the first round every second counts; after it, time is what is needed.
        self.pause = self.round;
        self.enter_modify_or_start();
    }

    pub(super) fn somebody_started_it(&mut self) {
        self.fail("somebody started it in the middle of the resize");
        self.as_is = true;
        self.saw_pending = false;
        self.enter(Step::AwaitRunning);
    }

    pub(super) fn healthy(&mut self) {
        if self.monitoring.is_some() {
            self.end_running();
        } else if self.monitoring_enabled {
            self.enter(Step::Monitor);
        } else {
            self.monitoring = Some(Monitoring::Skipped);
            self.end_running();
        }
    }

    pub(super) fn end_running(&mut self) {
        let confirmed = self.start_accepted || !self.stop_asked;
        if !confirmed && self.unconfirmed < self.limits.tries_before_stop {
            self.enter(Step::Confirm);
            return;
        }
        let outcome = if self.in_vain && self.seen_type == self.ladder[1] {
            Outcome::Refused
        } else if self.seen_type == self.ladder[0] {
            Outcome::Succeeded
        } else if self.seen_type == self.ladder[1] {
            Outcome::RolledBack
        } else {
            Outcome::FellBack
        };
        if outcome == Outcome::Succeeded && self.last_checks == Some(Checks::Ok) {
            self.error = None;
        }
        self.end(outcome);
    }

    pub(super) fn gone(&mut self, what: &str) {
        self.fail(format!("{what}: terminated by somebody else"));
        self.step = Step::Ended(Outcome::Gone);
    }

    pub(super) fn refuse(&mut self, reason: impl Into<String>) {
        self.fail(reason);
        self.end(Outcome::Refused);
    }

    fn end(&mut self, outcome: Outcome) {
        self.ending = Some(outcome);
        if self.marked {
            self.tries = 0;
            self.pause = 0;
            self.enter(Step::Unmark);
        } else {
            self.ended();
        }
    }

    pub(super) fn ended(&mut self) {
        // Nothing gets here without an end in mind; "refused" claims the least.
        self.step = Step::Ended(self.ending.unwrap_or(Outcome::Refused));
    }

    /// The first cause stays: what comes after it follows from it.
    pub(super) fn fail(&mut self, message: impl Into<String>) {
        if self.error.is_none() {
            self.error = Some(message.into());
        }
    }

    /// What decides from here on, and then what went before.
    pub(super) fn fail_first(&mut self, message: &str) {
        self.error = Some(match self.error.take() {
            None => message.to_owned(),
            Some(before) => format!("{message}; before that: {before}"),
        });
    }

    pub(super) fn pause_before_call(&self) -> Duration {
        match self.pause {
            0 => Duration::ZERO,
            exponent => self
                .limits
                .first_pause
                .saturating_mul(1 << (exponent - 1).min(10))
                .min(self.limits.longest_pause),
        }
    }
}
