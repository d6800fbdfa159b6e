//! What is written into the journal before and after a call.

use super::{Executor, answer::Answer};
use crate::{
    journal::{Kind, Record},
    resize::{Action, Step},
};

impl Executor {
    /// Before a call that changes something.
    ///
    /// # Errors
    /// The call must not be made: what that is for the machine.
    pub(super) async fn write_intent(
        &self,
        action: &Action,
        record: &mut Record,
    ) -> Result<(), Answer> {
        if !action.mutates() {
            self.journal.publish(record);
            return Ok(());
        }
        if *action == Action::Stop
            && let Some(reason) = self.too_late_for_a_stop(record)
        {
            return Err(Answer::refused(reason));
        }
        let needed = action.needs_the_journal();
        let (step, now) = (record.machine.step(), self.clock.now());
        record.machine.intend(now);
        let line = record.line(Kind::Intent, step, &intent(action), now);
        match self.journal.write(record, line, needed).await {
            Err(error) if needed => Err(Answer::refused(error.to_string())),
            // The journal has said it; going on from memory is all that can be done for a machine that is down.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) async fn write_result(&self, record: &mut Record, step: Step, detail: &str) {
        let line = record.line(Kind::Result, step, detail, self.clock.now());
        // The journal has said it, and writes it later.
        let _ = self.journal.write(record, line, false).await;
    }
}

/// What is about to happen.
pub(super) fn intent(action: &Action) -> String {
    match action {
        Action::Preflight => "checking whether it may be resized".to_owned(),
        Action::Look => "looking at the instance".to_owned(),
        Action::Mark => "tagging it, so that it is found whatever happens".to_owned(),
        Action::Unmark => "taking the tag off".to_owned(),
        Action::Stop => "stopping it".to_owned(),
        Action::Modify(target) => format!("changing its type to {target}"),
        Action::Start => "starting it".to_owned(),
        Action::Status => "waiting for its status checks".to_owned(),
        Action::Monitor => "setting monitoring up".to_owned(),
        Action::Finish(outcome) => outcome.name().to_owned(),
    }
}
