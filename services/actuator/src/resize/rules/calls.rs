//! What each answer of a call leads to.

use crate::{
    cloud::ErrorKind,
    resize::{
        machine::Resize,
        state::{At, Call, LastStop, SinceStop, State, Watch},
        step::Outcome,
    },
};

/// A start that may have come through.
pub(in crate::resize) fn start_sent(mut since: SinceStop) -> State {
    since.start.seen_booting = false;
    State::AfterStop(At::AwaitRunning(Watch::default()), since)
}

pub(in crate::resize) fn start_accepted(mut since: SinceStop) -> State {
    since.start.accepted = true;
    since.tag_is_old = true;
    start_sent(since)
}

fn await_stopped(since: SinceStop) -> State {
    State::AfterStop(At::AwaitStopped(Watch::default()), since)
}

fn await_stopped_and_down(mut since: SinceStop) -> State {
    since.stop.seen_down = true;
    await_stopped(since)
}

fn await_running(since: SinceStop) -> State {
    State::AfterStop(At::AwaitRunning(Watch::default()), since)
}

impl Resize {
    pub(in crate::resize) fn passed(
        &mut self,
        tagged: bool,
        fallbacks: Vec<String>,
        account: String,
    ) -> State {
        self.ladder.extend(fallbacks);
        self.account = Some(account);
        State::Mark {
            tagged,
            call: Call::Due,
        }
    }

    pub(in crate::resize) fn marked(&mut self) -> State {
        self.begin_anew();
        State::Recheck(Watch::default())
    }

    pub(in crate::resize) fn mark_failed(
        &mut self,
        tagged: bool,
        kind: ErrorKind,
        message: String,
    ) -> State {
        let tagged = tagged || kind.is_uncertain();
        match self.fails_for_good(kind) {
            true => self.refuse(tagged, message),
            false => State::Mark {
                tagged,
                call: Call::Due,
            },
        }
    }

    /// What can't be taken off now is swept up at the next start of the actuator.
    pub(in crate::resize) fn unmark_failed(
        &mut self,
        outcome: Outcome,
        stop_asked: bool,
        kind: ErrorKind,
    ) -> State {
        match self.fails_for_good(kind) {
            true => State::Ended(outcome),
            false => State::Unmark {
                outcome,
                stop_asked,
                call: Call::Due,
            },
        }
    }

    pub(in crate::resize) fn first_stop_asked(&mut self, call: Call) -> State {
        self.stop_asked_again(call, SinceStop::new(0, LastStop::default()))
    }

    pub(in crate::resize) fn stop_asked_again(
        &mut self,
        call: Call,
        mut since: SinceStop,
    ) -> State {
        since.stop.sent_at = call.since();
        since.stop.seen_down = false;
        since.start.accepted = false;
        self.begin_anew();
        await_stopped(since)
    }

    pub(in crate::resize) fn first_stop_failed(
        &mut self,
        kind: ErrorKind,
        message: String,
    ) -> State {
        self.tries += 1;
        self.pause += 1;
        let hopeless = self.tries >= self.limits.tries_before_stop;
        match kind {
            _ if hopeless => self.refuse_marked(message),
            kind if kind.passes() => State::Stop(Call::Due),
            ErrorKind::WrongState | ErrorKind::NotFound => State::Recheck(Watch::default()),
            _ => self.refuse_marked(message),
        }
    }

    pub(in crate::resize) fn another_stop_failed(
        &mut self,
        mut since: SinceStop,
        kind: ErrorKind,
        message: String,
    ) -> State {
        self.tries += 1;
        self.pause += 1;
        let hopeless = self.tries >= self.limits.tries_before_stop;
        match kind {
            kind if kind.passes() && !hopeless => State::AfterStop(At::Stop(Call::Due), since),
            ErrorKind::WrongState | ErrorKind::NotFound => await_stopped(since),
            _ => {
                // No second stop. What was seen may be stale, so only a fresh look at a running machine ends this.
                self.fail(message);
                since.stop.idle = self.limits.tries_per_type;
                await_stopped(since)
            }
        }
    }

    /// Something forbids a stop that is not the first.
    pub(in crate::resize) fn another_stop_refused(
        &mut self,
        at: At,
        mut since: SinceStop,
        reason: &str,
    ) -> State {
        if since.aim.rung() != Some(0) {
            // It runs on the new type and fails its checks.
            self.fail(reason);
            since.aim = since.aim.as_is();
            return self.healthy(since);
        }
        self.no_stop_any_more(at, since, reason)
    }

    pub(in crate::resize) fn no_stop_any_more(
        &mut self,
        at: At,
        mut since: SinceStop,
        why: &str,
    ) -> State {
        self.fail_first(why);
        since.aim = since.aim.never_stop();
        match at {
            At::Stop(_) => {
                since.stop.seen_down = false;
                await_stopped(since)
            }
            at => State::AfterStop(at, since),
        }
    }

    pub(in crate::resize) fn modify_failed(
        &mut self,
        mut since: SinceStop,
        kind: ErrorKind,
        message: String,
    ) -> State {
        self.pause += 1;
        let again = self.tries + 1 < self.limits.tries_before_stop;
        match kind {
            ErrorKind::WrongState | ErrorKind::NotFound if again => {
                self.tries += 1;
                // A stop that had not quite ended; AwaitStopped looks until it has.
                await_stopped_and_down(since)
            }
            _ if kind.is_transient() && again => {
                self.tries += 1;
                State::AfterStop(At::Modify(Call::Due), since)
            }
            _ => {
                self.next_rung(&mut since, message);
                self.modify_or_start(since)
            }
        }
    }

    pub(in crate::resize) fn start_failed(
        &mut self,
        mut since: SinceStop,
        kind: ErrorKind,
        message: String,
    ) -> State {
        self.pause += 1;
        match kind {
            kind if kind.passes() => {
                self.fail(message);
                State::AfterStop(At::Start(Call::Due), since)
            }
            ErrorKind::WrongState | ErrorKind::NotFound => start_sent(since),
            ErrorKind::TypeMismatch if self.tries + 1 < self.limits.tries_before_stop => {
                self.tries += 1;
                State::AfterStop(At::ReadBack(Watch::default()), since)
            }
            ErrorKind::InsufficientCapacity => {
                self.refused(&mut since, message);
                self.modify_or_start(since)
            }
            _ => {
                self.next_rung(&mut since, message);
                self.modify_or_start(since)
            }
        }
    }

    /// A refusal says where the machine is: how much depends on what was refused.
    pub(in crate::resize) fn confirm_failed(
        &mut self,
        mut since: SinceStop,
        kind: ErrorKind,
        message: String,
    ) -> State {
        self.pause += 1;
        match kind {
            // Nothing is known; ask again.
            _ if kind.is_transient() => State::AfterStop(At::Confirm(Call::Due), since),
            // Only a stopped machine is refused for these.
            ErrorKind::InsufficientCapacity
            | ErrorKind::LimitExceeded
            | ErrorKind::Unsupported
            | ErrorKind::NotForThisInstance
            | ErrorKind::TypeMismatch => {
                self.fail(message);
                await_stopped_and_down(since)
            }
            // On its way down, or gone: the next looks tell.
            ErrorKind::WrongState | ErrorKind::NotFound => await_running(since),
            // The right to start is lost. Seen running again and again, it runs.
            _ => {
                since.start.unconfirmed += 1;
                self.fail(message);
                await_running(since)
            }
        }
    }

    /// A call failed whose success nothing hangs on.
    fn fails_for_good(&mut self, kind: ErrorKind) -> bool {
        self.tries += 1;
        self.pause += 1;
        self.tries >= self.limits.tries_before_stop || !kind.is_transient()
    }

    /// The next call has its own tries.
    pub(in crate::resize) fn begin_anew(&mut self) {
        self.tries = 0;
        self.pause = 0;
    }
}
