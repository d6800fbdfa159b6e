//! What each event does to a resize.

mod calls;
mod looks;
mod ways;

use std::time::Duration;

use self::calls::{start_accepted, start_sent};
use super::{
    event::{Event, IllegalEvent},
    machine::Resize,
    state::{At, State, Watch},
    step::Outcome,
};

impl Resize {
    /// Takes in what happened `elapsed` after the event before.
    ///
    /// # Errors
    /// An event that can't happen in this step; then nothing has changed.
    pub fn apply(&mut self, event: Event, elapsed: Duration) -> Result<(), IllegalEvent> {
        use At::{
            AwaitRunning, AwaitStopped, Check, Confirm, Modify, Monitor, ReadBack, Start,
            Stop as StopAgain,
        };
        use Event::{
            Done, DryRun, Failed, Monitored, Passed, Refused, Seen, Status, StoppedByOthers,
            Untagged,
        };
        use State::{AfterStop, Ended, LastLook, Mark, Preflight, Recheck, Stop, Unmark};
        self.state = match (self.state.clone(), event) {
            (Preflight { tagged }, Passed { fallbacks, account }) => {
                self.passed(tagged, fallbacks, account)
            }
            (Preflight { .. }, DryRun) => Ended(Outcome::DryRun),
            (Preflight { tagged } | Mark { tagged, .. }, Refused { reason }) => {
                self.refuse(tagged, reason)
            }
            (Recheck(_) | Stop(_), Refused { reason }) => self.refuse_marked(reason),
            (AfterStop(at @ StopAgain(_), since), Refused { reason }) => {
                self.another_stop_refused(at, since, &reason)
            }

            (Mark { .. }, Done) => self.marked(),
            (Mark { tagged, .. }, Failed { kind, message }) => {
                self.mark_failed(tagged, kind, message)
            }

            (Recheck(_), Seen { state, .. })
            | (AfterStop(AwaitStopped(_) | ReadBack(_) | AwaitRunning(_), _), Seen { state, .. })
            | (AfterStop(Check(_), _), Status { state, .. })
                if state.is_gone() =>
            {
                self.gone(&format!("it is {state}"))
            }
            (
                Recheck(_),
                Seen {
                    state,
                    instance_type,
                },
            ) => self.seen_before_stop(state, &instance_type),
            (Recheck(watch), Failed { kind, message }) => {
                self.recheck_failed(watch.after(elapsed), kind, message)
            }
            (
                LastLook,
                Seen {
                    state,
                    instance_type,
                },
            ) => self.seen_at_last(state, instance_type),
            (LastLook, Untagged) => self.unmark(Outcome::Refused, false),
            (LastLook, Failed { kind, message }) => self.last_look_failed(kind, message),

            (Stop(call), Done) => self.first_stop_asked(call),
            (Stop(call), Failed { kind, .. }) if kind.is_uncertain() => self.first_stop_asked(call),
            (Stop(_), Failed { kind, message }) => self.first_stop_failed(kind, message),
            (AfterStop(StopAgain(call), since), Done) => self.stop_asked_again(call, since),
            (AfterStop(StopAgain(call), since), Failed { kind, .. }) if kind.is_uncertain() => {
                self.stop_asked_again(call, since)
            }
            (AfterStop(StopAgain(_), since), Failed { kind, message }) => {
                self.another_stop_failed(since, kind, message)
            }

            (
                AfterStop(
                    at @ (AwaitStopped(watch) | ReadBack(watch) | AwaitRunning(watch)),
                    since,
                ),
                Seen {
                    state,
                    instance_type,
                },
            ) => {
                let watch = watch.after(elapsed).found();
                match at {
                    AwaitStopped(_) => self.seen_stopping(watch, since, state, instance_type),
                    ReadBack(_) => self.seen_modified(watch, since, state, instance_type),
                    _ => self.seen_starting(watch, since, state, instance_type),
                }
            }
            (
                AfterStop(
                    at @ (AwaitStopped(watch) | ReadBack(watch) | AwaitRunning(watch)
                    | Check(watch)),
                    since,
                ),
                Failed { kind, message },
            ) => self.look_failed(at, watch.after(elapsed), since, (kind, message, elapsed)),
            (
                AfterStop(at @ (AwaitStopped(_) | ReadBack(_) | AwaitRunning(_)), since),
                StoppedByOthers {
                    instance_type,
                    reason,
                },
            ) => self.down_for_others(&at, since, instance_type, reason),

            (AfterStop(Modify(_), since), Done) => {
                // It has been waited for; the machine is down meanwhile.
                self.pause = 0;
                AfterStop(ReadBack(Watch::default()), since)
            }
            (AfterStop(Modify(_), since), Failed { kind, .. }) if kind.is_uncertain() => {
                AfterStop(ReadBack(Watch::default()), since)
            }
            (AfterStop(Modify(_), since), Failed { kind, message }) => {
                self.modify_failed(since, kind, message)
            }

            (AfterStop(Start(_) | Confirm(_), since), Done) => start_accepted(since),
            (AfterStop(Start(_), since), Failed { kind, .. }) if kind.is_uncertain() => {
                start_sent(since)
            }
            (AfterStop(Start(_), since), Failed { kind, message }) => {
                self.start_failed(since, kind, message)
            }
            (AfterStop(Confirm(_), since), Failed { kind, message }) => {
                self.confirm_failed(since, kind, message)
            }

            (AfterStop(Check(watch), since), Status { state, checks }) => {
                self.checked(watch.after(elapsed).found(), since, state, checks)
            }
            (AfterStop(Monitor(_), since), Monitored(monitoring)) => {
                self.monitoring = Some(monitoring);
                self.end_running(since)
            }
            (Unmark { outcome, .. }, Done) => Ended(outcome),
            (
                Unmark {
                    outcome,
                    stop_asked,
                    ..
                },
                Failed { kind, .. },
            ) => self.unmark_failed(outcome, stop_asked, kind),
            (state, event) => {
                return Err(IllegalEvent {
                    step: state.step(),
                    event,
                });
            }
        };
        Ok(())
    }
}
