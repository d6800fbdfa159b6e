//! What is remembered of one resize.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::{
    rails::Recent,
    resize::{Outcome, Phase, Resize, Step},
};

/// Steps that are kept of one resize. A resize that finds no capacity for days tries thousands of times.
const STEPS_KEPT: usize = 60;

/// What was asked for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Request {
    pub resize_id: String,
    pub instance_id: String,
    pub target: String,
    /// The type the caller believes it has.
    pub expected: String,
    /// 0 for a person.
    pub lease_epoch: u64,
    /// Asked for by the caller.
    pub dry_run: bool,
    pub reason: String,
}

impl Request {
    /// Same content: what the resize does, not who asked for it or why.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.instance_id == other.instance_id
            && self.target == other.target
            && self.expected == other.expected
            && self.dry_run == other.dry_run
    }
}

/// One step as it went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StepRecord {
    /// Such as `stop`.
    pub name: String,
    /// Where the resize was.
    pub phase: Phase,
    pub started_at: Timestamp,
    /// `None` while it runs.
    pub finished_at: Option<Timestamp>,
    /// Calls made so far.
    pub attempts: u32,
    /// One sentence.
    pub detail: String,
    pub failed: bool,
}

/// Before a call, or after it.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    Intent,
    Result,
}

impl Kind {
    /// As in the table.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A line of the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// From 1 on, without a gap, within one resize.
    pub seq: u64,
    pub at: Timestamp,
    pub kind: Kind,
    /// Such as `stop`.
    pub step: String,
    /// One sentence.
    pub detail: String,
}

/// A type that EC2 refused for good, in its words.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RefusedType {
    pub instance_type: String,
    pub words: String,
}

/// One resize as it stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    pub request: Request,
    /// The request's, or the configuration's.
    pub dry_run: bool,
    pub machine: Resize,
    pub steps: Vec<StepRecord>,
    /// Of CPU credits, before the stop; `None` for types without them.
    pub credit_mode: Option<String>,
    /// Types that were refused for good on the way, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedType>,
    /// Lines that were written so far.
    pub lines: u64,
    pub created_at: Timestamp,
    /// `None` until it ends.
    pub finished_at: Option<Timestamp>,
}

impl Record {
    /// A resize that has just been asked for.
    pub fn new(request: Request, dry_run: bool, machine: Resize, created_at: Timestamp) -> Self {
        Self {
            request,
            dry_run,
            machine,
            steps: Vec::new(),
            credit_mode: None,
            refused: Vec::new(),
            lines: 0,
            created_at,
            finished_at: None,
        }
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.finished_at.and(self.machine.outcome())
    }

    /// EC2 said that it never starts on the type that it has now.
    pub fn note_refused(&mut self, words: &str) {
        let instance_type = self.machine.wanted().to_owned();
        let known = self
            .refused
            .iter()
            .any(|one| one.instance_type == instance_type);
        // It ran on the old type: whatever that was refused for passes.
        if !known && instance_type != self.request.expected {
            self.refused.push(RefusedType {
                instance_type,
                words: words.to_owned(),
            });
        }
    }

    /// True when it ended elsewhere because its target was refused for good.
    pub fn is_refused_for_good(&self) -> bool {
        let target = self
            .refused
            .iter()
            .any(|one| one.instance_type == self.request.target);
        target
            && matches!(
                self.outcome(),
                Some(Outcome::RolledBack | Outcome::FellBack)
            )
    }

    /// Only what acts does, and only under a lease.
    pub(super) fn moves_the_fence(&self) -> bool {
        self.request.lease_epoch != 0 && !self.dry_run
    }

    /// What counts for budgets.
    pub(super) fn recent(&self) -> Recent {
        Recent {
            instance_id: self.request.instance_id.clone(),
            created_at: self.created_at,
            finished_at: self.finished_at,
            outcome: self.outcome(),
            refused_for_good: self.is_refused_for_good(),
        }
    }

    /// The next line of its journal.
    pub fn line(&mut self, kind: Kind, step: Step, detail: &str, at: Timestamp) -> Line {
        self.lines += 1;
        Line {
            seq: self.lines,
            at,
            kind,
            step: step.to_string(),
            detail: detail.to_owned(),
        }
    }

    /// Opens a step, or the same one again for another attempt.
    pub fn begin_step(&mut self, name: &str, detail: String, now: Timestamp) {
        let phase = self.machine.phase();
        if let Some(last) = self.steps.last_mut()
            && last.name == name
            && last.finished_at.is_none()
        {
            last.attempts += 1;
            return;
        }
        if self.steps.len() >= STEPS_KEPT {
            // How it began and how it goes now is what is asked for; the middle is all alike.
            self.steps.remove(STEPS_KEPT / 2);
        }
        self.steps.push(StepRecord {
            name: name.to_owned(),
            phase,
            started_at: now,
            finished_at: None,
            attempts: 1,
            detail,
            failed: false,
        });
    }

    /// Closes the step that is open, if one is.
    pub fn end_step(&mut self, failed: bool, detail: Option<String>, now: Timestamp) {
        if let Some(last) = self.steps.last_mut()
            && last.finished_at.is_none()
        {
            last.finished_at = Some(now);
            last.failed = failed;
            if let Some(detail) = detail {
                last.detail = detail;
            }
            if last.attempts > 1 {
                last.detail = format!("{} ({} attempts)", last.detail, last.attempts);
            }
        }
    }

    /// Says what goes on in the open step.
    pub fn note(&mut self, detail: String) {
        if let Some(last) = self.steps.last_mut() {
            last.detail = detail;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::Limits;

    #[test]
    fn endless_retries_keep_a_bounded_story() {
        let request = Request {
            resize_id: "a".to_owned(),
            instance_id: "i-1".to_owned(),
            target: "t2.medium".to_owned(),
            expected: "t2.small".to_owned(),
            lease_epoch: 0,
            dry_run: false,
            reason: String::new(),
        };
        let machine = Resize::new("t2.small", "t2.medium", true, Limits::default());
        let mut record = Record::new(request, false, machine, Timestamp::UNIX_EPOCH);
        for number in 0..1_000 {
            record.begin_step(
                ["modify", "start"][number % 2],
                number.to_string(),
                Timestamp::UNIX_EPOCH,
            );
            record.end_step(true, None, Timestamp::UNIX_EPOCH);
        }
        assert_eq!(record.steps.len(), STEPS_KEPT);
        assert_eq!(record.steps[0].detail, "0");
        assert_eq!(record.steps.last().unwrap().detail, "999");
    }
}
