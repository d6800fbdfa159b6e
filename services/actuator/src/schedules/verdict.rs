//! What must be true of every schedule.

use std::time::Duration;

use super::{
    faults::{Fault, Then},
    scene::{FROM, ID, TARGET},
    stage::{Ending, Stage},
};
use crate::{
    cloud::{InstanceState, Operation},
    journal::{Kind, Line, Record},
    resize::{Breadcrumb, Outcome},
};

impl Stage {
    /// What must be true of every schedule.
    pub async fn judge(&self, fault: &Fault, ending: &Ending) -> Result<(), String> {
        let Ending {
            record,
            lines,
            crashes,
            stops_before,
        } = ending;
        let fake = &self.fake;
        let outcome = record.outcome().ok_or("it has not ended")?;
        // What was begun comes to its end.
        self.clock.sleep(Duration::from_secs(600)).await;
        let (state, runs_on) = (
            fake.state(ID).ok_or("no instance")?,
            fake.instance_type(ID).unwrap_or_default(),
        );
        let up = state == InstanceState::Running;
        let as_it_was = up && runs_on == FROM && fake.resizes(ID) == 0;
        let good = match outcome {
            Outcome::Gone => state.is_gone(),
            _ if state.is_gone() => fault.terminates,
            // A user who stops it when we have let go of it gets what he wants.
            _ if !up && fault.a_user_stops => true,
            Outcome::Succeeded => up && runs_on == TARGET,
            Outcome::RolledBack => up && runs_on == FROM,
            Outcome::FellBack => up && runs_on != TARGET && runs_on != FROM,
            Outcome::Refused => as_it_was,
            Outcome::DryRun => false,
        };
        if !good {
            return Err(format!("{outcome:?} and {state} on {runs_on}"));
        }
        // A crash costs a try, and can so cost the new type; it costs time, and can so come too late for a roll back.
        let tried_less =
            crashes > &0 && matches!(outcome, Outcome::RolledBack | Outcome::Succeeded);
        if !fault.outcomes.is_empty() && !fault.outcomes.contains(&outcome) && !tried_less {
            return Err(format!("{outcome:?} is not among {:?}", fault.outcomes));
        }
        let stops = fake.count(Operation::Stop);
        if stops > stops_before.unwrap_or(fault.stops) {
            return Err(format!("{stops} stops"));
        }
        // A start may come before it, where a stop may have been carried out.
        let starts = match crashes {
            0 => fake.count(Operation::Start),
            _ => 0,
        };
        if outcome == Outcome::Refused && fake.count(Operation::ModifyType) + starts > 0 {
            return Err("changed after a refusal".to_owned());
        }
        if fault.stops == 0 && fake.mutations() > 0 {
            return Err(format!("{} calls that change something", fake.mutations()));
        }
        let tagged = fake.tags(ID).contains_key(Breadcrumb::TAG);
        if tagged && !fault.tag_may_stay && !state.is_gone() {
            return Err("the tag stays".to_owned());
        }
        match fault.then {
            // Only what came after the crash is there.
            Then::Degraded if crashes > &0 => Ok(()),
            _ => self.judge_journal(fault, record, lines),
        }
    }

    fn judge_journal(&self, fault: &Fault, record: &Record, lines: &[Line]) -> Result<(), String> {
        for (index, line) in lines.iter().enumerate() {
            if line.seq != index as u64 + 1 {
                return Err(format!("line {} is missing", index + 1));
            }
        }
        if lines.len() as u64 != record.lines {
            return Err(format!("{} lines of {}", lines.len(), record.lines));
        }
        for (operation, steps) in [
            // Renewed before what follows an accepted start.
            (Operation::SetTag, &["mark", "stop", "modify", "start"][..]),
            (Operation::Stop, &["stop"]),
            (Operation::ModifyType, &["modify"]),
            (Operation::Start, &["start", "confirm"]),
            (Operation::RemoveTag, &["unmark"]),
        ] {
            let intents = lines
                .iter()
                .filter(|line| line.kind == Kind::Intent && steps.contains(&line.step.as_str()))
                .count();
            let calls = self.fake.count(operation);
            if calls > intents && !fault.journal_fails {
                return Err(format!("{calls} calls of {operation:?}, {intents} intents"));
            }
        }
        Ok(())
    }
}
