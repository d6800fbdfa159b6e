//! The ways on from where a resize is: up the ladder, to a running machine, to the end.

use crate::{
    cloud::Checks,
    resize::{
        ladder::OLD_TYPE,
        machine::Resize,
        state::{Aim, At, Call, LastStop, SinceStop, State, Watch},
        step::{Monitoring, Outcome},
    },
};

impl Resize {
    /// The type it is to run on.
    pub(in crate::resize) fn wanted_by(&self, since: &SinceStop) -> &str {
        let rung = since.aim.rung();
        rung.and_then(|rung| self.ladder.rung(rung))
            .unwrap_or(&self.seen_type)
    }

    /// It is down.
    pub(in crate::resize) fn modify_or_start(&mut self, mut since: SinceStop) -> State {
        since.start.accepted = false;
        since.aim = since.aim.down();
        let at = match self.seen_type == self.wanted_by(&since) {
            true => At::Start(Call::Due),
            false => At::Modify(Call::Due),
        };
        State::AfterStop(at, since)
    }

    /// This type didn't work; once more, or on to the next rung.
    pub(in crate::resize) fn refused(&mut self, since: &mut SinceStop, message: impl Into<String>) {
        self.tries += 1;
        if self.tries >= self.limits.tries_per_type || since.round > 0 {
            self.next_rung(since, message);
        } else {
            self.pause = self.pause.max(self.tries);
            self.fail(message);
        }
    }

    pub(in crate::resize) fn next_rung(
        &mut self,
        since: &mut SinceStop,
        message: impl Into<String>,
    ) {
        self.fail(message);
        self.tries = 0;
        let is_rung = |rung| self.ladder.rung(rung).is_some();
        since.aim = match since.aim.next(is_rung) {
            Some(next) => next,
            None => {
                since.round += 1;
                self.paged = true;
                since.aim.first()
            }
        };
        // In the first round every second counts; after it, time is what is needed.
        self.pause = since.round;
    }

    pub(in crate::resize) fn somebody_started_it(&mut self, mut since: SinceStop) -> State {
        self.fail("somebody started it in the middle of the resize");
        since.aim = since.aim.as_is();
        since.start.seen_booting = false;
        State::AfterStop(At::AwaitRunning(Watch::default()), since)
    }

    pub(in crate::resize) fn healthy(&mut self, since: SinceStop) -> State {
        if self.monitoring.is_some() {
            return self.end_running(since);
        }
        if self.monitoring_enabled && !matches!(since.aim, Aim::OnlyStart { .. }) {
            return State::AfterStop(At::Monitor(Call::Due), since);
        }
        self.monitoring = Some(Monitoring::Skipped);
        self.end_running(since)
    }

    pub(in crate::resize) fn end_running(&mut self, since: SinceStop) -> State {
        let start = &since.start;
        if !start.accepted && start.unconfirmed < self.limits.tries_before_stop {
            return State::AfterStop(At::Confirm(Call::Due), since);
        }
        let outcome = if self.seen_type == self.ladder.target {
            Outcome::Succeeded
        } else if self.seen_type != self.ladder.from {
            Outcome::FellBack
        } else if since.aim.is_untouched() {
            Outcome::Refused
        } else {
            Outcome::RolledBack
        };
        match outcome {
            Outcome::Succeeded if since.checks == Some(Checks::Ok) => self.error = None,
            Outcome::Succeeded => {}
            _ => self.fail(format!(
                "it runs on {}, not on {}: somebody else changed its type or started it",
                self.seen_type, self.ladder.target
            )),
        }
        self.unmark(outcome, true)
    }

    pub(in crate::resize) fn gone(&mut self, what: &str) -> State {
        self.fail(format!("{what}: terminated by somebody else"));
        State::Ended(Outcome::Gone)
    }

    /// Before the stop. `tagged`: an earlier process may have gone further than the journal says.
    pub(in crate::resize) fn refuse(&mut self, tagged: bool, reason: impl Into<String>) -> State {
        self.fail(reason);
        self.begin_anew();
        match tagged {
            true => State::LastLook,
            false => State::Ended(Outcome::Refused),
        }
    }

    /// Before the stop, which this very process was about to ask for.
    pub(in crate::resize) fn refuse_marked(&mut self, reason: impl Into<String>) -> State {
        self.fail(reason);
        self.unmark(Outcome::Refused, false)
    }

    /// It was stopped, and little is known of how: back to the old type, and no second stop.
    pub(in crate::resize) fn back_to_the_old_type(&self) -> State {
        let stop = LastStop {
            idle: self.limits.tries_per_type,
            ..LastStop::default()
        };
        State::AfterStop(
            At::AwaitStopped(Watch::default()),
            SinceStop::new(OLD_TYPE, stop),
        )
    }

    pub(in crate::resize) fn unmark(&mut self, outcome: Outcome, stop_asked: bool) -> State {
        self.begin_anew();
        State::Unmark {
            outcome,
            stop_asked,
            call: Call::Due,
        }
    }

    /// The first cause stays: what comes after it follows from it.
    pub(in crate::resize) fn fail(&mut self, message: impl Into<String>) {
        if self.error.is_none() {
            self.error = Some(message.into());
        }
    }

    /// What decides from here on, and then what went before.
    pub(in crate::resize) fn fail_first(&mut self, message: &str) {
        self.error = Some(match self.error.take() {
            None => message.to_owned(),
            Some(before) => format!("{message}; before that: {before}"),
        });
    }
}
