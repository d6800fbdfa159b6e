//! What each look at the machine leads to.

use std::time::Duration;

use crate::{
    cloud::{Checks, ErrorKind, InstanceState},
    resize::{
        ladder::OLD_TYPE,
        machine::Resize,
        state::{Aim, At, Call, SinceStop, State, Watch},
        step::Outcome,
    },
};

impl Resize {
    pub(in crate::resize) fn seen_before_stop(
        &mut self,
        state: InstanceState,
        instance_type: &str,
    ) -> State {
        self.pause = 0;
        if state == InstanceState::Running && instance_type == self.ladder.from {
            return State::Stop(Call::Due);
        }
        // Somebody was faster. A machine that a user stopped stays stopped.
        let reason = format!(
            "it is {state} on {instance_type} by now; the pre-flight saw it running on {}",
            self.ladder.from
        );
        self.refuse_marked(reason)
    }

    pub(in crate::resize) fn recheck_failed(
        &mut self,
        watch: Watch,
        kind: ErrorKind,
        message: String,
    ) -> State {
        self.pause += 1;
        self.tries += 1;
        // One "not found" can be a replica that lags.
        let may_pass = kind.is_transient() || kind == ErrorKind::NotFound;
        match self.tries >= self.limits.tries_before_stop || !may_pass {
            true => self.refuse_marked(message),
            false => State::Recheck(watch),
        }
    }

    /// A machine that is down on a type of the ladder, but the old one, is down for this resize, whatever the journal says.
    /// Down on the old type, nothing tells a user's stop from one that the journal has forgotten: a person is called.
    pub(in crate::resize) fn seen_at_last(
        &mut self,
        state: InstanceState,
        instance_type: String,
    ) -> State {
        let down = matches!(state, InstanceState::Stopped | InstanceState::Stopping);
        if down && instance_type != self.ladder.from && self.ladder.contains(&instance_type) {
            self.fail_first(&format!(
                "it is {state} on {instance_type}, so the journal is older than what was done to it"
            ));
            self.seen_type = instance_type;
            return self.back_to_the_old_type();
        }
        if down {
            self.paged = true;
            self.fail_first(&format!(
                "it is {state} on {instance_type}; start it unless somebody stopped it on purpose: this resize may have \
                 stopped it, if the journal was put back from a copy"
            ));
        }
        self.unmark(Outcome::Refused, false)
    }

    pub(in crate::resize) fn last_look_failed(
        &mut self,
        kind: ErrorKind,
        message: String,
    ) -> State {
        self.pause += 1;
        self.tries += 1;
        // What can't be seen may be down: the tag stays for as long as it takes, unless it is gone.
        match kind {
            ErrorKind::NotFound if self.tries >= self.limits.tries_before_stop => {
                self.unmark(Outcome::Refused, false)
            }
            _ => {
                self.paged |= self.tries >= self.limits.tries_before_stop;
                self.fail(message);
                State::LastLook
            }
        }
    }

    pub(in crate::resize) fn seen_stopping(
        &mut self,
        watch: Watch,
        mut since: SinceStop,
        state: InstanceState,
        instance_type: String,
    ) -> State {
        self.pause = 0;
        match state {
            InstanceState::Stopped => {
                self.seen_type = instance_type;
                since.stop.idle = 0;
                match &mut since.aim {
                    aim if !self.ladder.contains(&self.seen_type) => {
                        *aim = aim.as_is();
                        self.fail("somebody changed the type while it was stopped");
                    }
                    // The short way back: it still has the old type, or the target if the modify came through.
                    Aim::Rung { rung, .. } if since.overdue && *rung == 0 => {
                        *rung = usize::from(self.seen_type != self.ladder.target);
                    }
                    _ => {}
                }
                return self.modify_or_start(since);
            }
            InstanceState::Stopping => {
                since.stop.seen_down = true;
                if watch.waited > self.limits.stop && !since.overdue {
                    since.overdue = true;
                    self.paged = true;
                    self.fail(
                        "it does not stop; it starts on its old type as soon as it has stopped",
                    );
                }
            }
            InstanceState::Running | InstanceState::Pending if since.stop.seen_down => {
                return self.somebody_started_it(since);
            }
            InstanceState::Running if watch.waited >= self.limits.settle => {
                self.seen_type = instance_type;
                since.stop.idle += 1;
                if since.aim.may_stop() && since.stop.idle < self.limits.tries_per_type {
                    return State::AfterStop(At::Stop(Call::Due), since);
                }
                self.fail("the stop had no effect");
                since.aim = since.aim.stop_in_vain();
                return self.end_running(since);
            }
            _ => {}
        }
        State::AfterStop(At::AwaitStopped(watch), since)
    }

    /// Long after its own stop. Had that come to nothing, a user's machine stays as it is; had it come to anything, the
    /// machine was up in between, and what it was to become is no longer asked for.
    pub(in crate::resize) fn down_for_others(
        &mut self,
        at: &At,
        mut since: SinceStop,
        instance_type: String,
        reason: String,
    ) -> State {
        if since.doubts_its_stop(at) {
            self.error = Some(reason);
            return self.unmark(Outcome::Refused, true);
        }
        self.fail_first(&reason);
        since.aim = since.aim.as_is();
        self.seen_type = instance_type;
        self.modify_or_start(since)
    }

    pub(in crate::resize) fn seen_modified(
        &mut self,
        watch: Watch,
        mut since: SinceStop,
        state: InstanceState,
        instance_type: String,
    ) -> State {
        // The pause belongs to the start that was refused before.
        match state {
            InstanceState::Stopped if instance_type == self.wanted_by(&since) => {
                self.seen_type = instance_type;
                State::AfterStop(At::Start(Call::Due), since)
            }
            InstanceState::Stopped if watch.waited >= self.limits.settle => {
                self.seen_type = instance_type;
                if self.ladder.contains(&self.seen_type) {
                    let message = format!("type {} does not read back", self.wanted_by(&since));
                    self.refused(&mut since, message);
                    return self.modify_or_start(since);
                }
                since.aim = since.aim.as_is();
                self.fail("somebody changed the type while it was stopped");
                State::AfterStop(At::Start(Call::Due), since)
            }
            InstanceState::Pending | InstanceState::Running => self.somebody_started_it(since),
            _ => State::AfterStop(At::ReadBack(watch), since),
        }
    }

    pub(in crate::resize) fn seen_starting(
        &mut self,
        watch: Watch,
        mut since: SinceStop,
        state: InstanceState,
        instance_type: String,
    ) -> State {
        self.pause = 0;
        self.paged |= watch.waited > self.limits.start;
        let settled = watch.waited >= self.limits.settle;
        match state {
            InstanceState::Running => {
                let stale = instance_type != self.wanted_by(&since) && !settled;
                if since.aim.rung().is_none() || !stale {
                    self.seen_type = instance_type;
                    return State::AfterStop(At::Check(Watch::default()), since);
                }
            }
            InstanceState::Pending => since.start.seen_booting = true,
            InstanceState::Stopped if since.start.seen_booting || settled => {
                self.seen_type = instance_type;
                let message = if since.start.seen_booting {
                    "it booted and stopped again (often an encrypted volume whose key has no grant)"
                } else {
                    "the start had no effect"
                };
                self.refused(&mut since, message);
                return self.modify_or_start(since);
            }
            _ => {}
        }
        State::AfterStop(At::AwaitRunning(watch), since)
    }

    pub(in crate::resize) fn checked(
        &mut self,
        watch: Watch,
        mut since: SinceStop,
        state: InstanceState,
        checks: Checks,
    ) -> State {
        self.pause = 0;
        since.checks = Some(checks);
        let may_roll_back = since.round == 0
            && matches!(
                since.aim,
                Aim::Rung {
                    rung: 0,
                    may_stop: true
                }
            );
        match (state, checks) {
            (InstanceState::Stopped | InstanceState::Stopping, _) => {
                self.fail("it stopped again after it had booted");
                since.start.seen_booting = true;
                State::AfterStop(At::AwaitRunning(Watch::default()), since)
            }
            (InstanceState::Running, Checks::Ok) => self.healthy(since),
            _ if watch.waited < self.limits.check => State::AfterStop(At::Check(watch), since),
            _ if may_roll_back => {
                self.fail("the status checks do not pass on the new type");
                since.aim = Aim::Rung {
                    rung: OLD_TYPE,
                    may_stop: true,
                };
                self.tries = 0;
                State::AfterStop(At::Stop(Call::Due), since)
            }
            _ => {
                self.fail("the status checks do not pass");
                self.healthy(since)
            }
        }
    }

    /// `elapsed` since the event before the look that failed.
    pub(in crate::resize) fn look_failed(
        &mut self,
        at: At,
        mut watch: Watch,
        since: SinceStop,
        (kind, message, elapsed): (ErrorKind, String, Duration),
    ) -> State {
        self.pause += 1;
        if kind == ErrorKind::NotFound {
            watch.missing += elapsed;
            self.paged |= watch.missing > self.limits.start;
            if watch.missing >= self.limits.missing {
                return self.gone("it is not found any more");
            }
        } else if matches!(at, At::Check(_)) && watch.waited >= self.limits.check {
            // Unknown health is no reason to take a running machine down again.
            self.fail(format!("the status checks can't be read: {message}"));
            return self.healthy(since);
        }
        let at = match at {
            At::AwaitStopped(_) => At::AwaitStopped(watch),
            At::ReadBack(_) => At::ReadBack(watch),
            At::AwaitRunning(_) => At::AwaitRunning(watch),
            At::Check(_) => At::Check(watch),
            other => other,
        };
        State::AfterStop(at, since)
    }
}
