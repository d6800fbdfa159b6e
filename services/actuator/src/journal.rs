//! What this actuator took on: every resize with its state machine and its steps, and who may start the next one.
//!
//! In memory, so a restart forgets it; the calls are shaped for a database (each is one transaction).
//! Invariant: at most one resize of an instance is active.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::resize::{Outcome, Phase, Resize};

/// Steps that are kept of one resize. A resize that finds no capacity for days tries thousands of times.
const STEPS_KEPT: usize = 60;

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
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
    fn asks_the_same(&self, other: &Self) -> bool {
        self.instance_id == other.instance_id
            && self.target == other.target
            && self.expected == other.expected
            && self.dry_run == other.dry_run
    }
}

/// One step as it went.
#[derive(Clone, Debug, PartialEq)]
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

/// One resize as it stands.
#[derive(Clone, Debug)]
pub struct Record {
    pub request: Request,
    /// The request's, or the configuration's.
    pub dry_run: bool,
    pub machine: Resize,
    pub steps: Vec<StepRecord>,
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
            created_at,
            finished_at: None,
        }
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.finished_at.and(self.machine.outcome())
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

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It is new, and taken on: whoever asked must run it.
    New(Record),
    /// It was asked for before; this is how it stands.
    Known(Record),
}

/// Why a request is not taken on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("resize {0} exists already with another content; take a new id")]
    OtherContent(String),
    #[error("resize {active} of instance {instance_id} is still running; wait for it")]
    Busy { instance_id: String, active: String },
    #[error("lease epoch {given} is stale, {highest} has been seen; acquire the lease again")]
    StaleEpoch { given: u64, highest: u64 },
}

/// All resizes.
#[derive(Debug)]
pub struct Journal {
    state: Mutex<State>,
    /// Ended resizes that are kept.
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    resizes: HashMap<String, watch::Sender<Arc<Record>>>,
    /// Ids, oldest first.
    order: VecDeque<String>,
    /// Instance to the resize that is active on it.
    active: HashMap<String, String>,
    highest_epoch: u64,
}

impl Journal {
    /// An empty one that keeps `capacity` ended resizes.
    pub fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
        }
    }

    /// The resize of that request, if it was taken on before.
    ///
    /// # Errors
    /// The id is taken by a request of other content.
    pub async fn known(&self, request: &Request) -> Result<Option<Record>, Refusal> {
        self.state().known(request)
    }

    /// Takes a resize on, unless something speaks against it.
    ///
    /// # Errors
    /// Says what.
    pub async fn admit(&self, record: Record) -> Result<Admission, Refusal> {
        let mut state = self.state();
        if let Some(known) = state.known(&record.request)? {
            return Ok(Admission::Known(known));
        }
        let Request {
            resize_id,
            instance_id,
            lease_epoch,
            ..
        } = &record.request;
        if *lease_epoch != 0 {
            if *lease_epoch < state.highest_epoch {
                return Err(Refusal::StaleEpoch {
                    given: *lease_epoch,
                    highest: state.highest_epoch,
                });
            }
            state.highest_epoch = *lease_epoch;
        }
        if let Some(active) = state.active.get(instance_id) {
            return Err(Refusal::Busy {
                instance_id: instance_id.clone(),
                active: active.clone(),
            });
        }
        state.active.insert(instance_id.clone(), resize_id.clone());
        state.order.push_back(resize_id.clone());
        let sender = watch::Sender::new(Arc::new(record.clone()));
        state.resizes.insert(resize_id.clone(), sender);
        state.forget(self.capacity);
        Ok(Admission::New(record))
    }

    /// Writes down how it stands: before each call to the cloud what is about to happen, and after it what came of it.
    pub async fn save(&self, record: &Record) {
        let mut state = self.state();
        if record.finished_at.is_some() {
            let Request {
                resize_id,
                instance_id,
                ..
            } = &record.request;
            if state.active.get(instance_id) == Some(resize_id) {
                state.active.remove(instance_id);
            }
        }
        if let Some(sender) = state.resizes.get(&record.request.resize_id) {
            sender.send_replace(Arc::new(record.clone()));
        }
    }

    /// One resize.
    pub async fn get(&self, resize_id: &str) -> Option<Record> {
        let state = self.state();
        let sender = state.resizes.get(resize_id)?;
        let record = sender.borrow();
        Some(Record::clone(&record))
    }

    /// One resize and all that becomes of it.
    pub fn watch(&self, resize_id: &str) -> Option<watch::Receiver<Arc<Record>>> {
        self.state()
            .resizes
            .get(resize_id)
            .map(watch::Sender::subscribe)
    }

    /// Resizes, newest first: of one instance or of all, those that have not ended or all.
    pub async fn list(
        &self,
        instance_id: Option<&str>,
        active_only: bool,
        limit: usize,
    ) -> Vec<Record> {
        let state = self.state();
        state
            .order
            .iter()
            .rev()
            .filter_map(|resize_id| state.resizes.get(resize_id))
            .map(|sender| Arc::clone(&sender.borrow()))
            .filter(|record| {
                instance_id.is_none_or(|wanted| record.request.instance_id == wanted)
                    && !(active_only && record.finished_at.is_some())
            })
            .take(limit)
            .map(|record| Record::clone(&record))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made in one piece, so what a panicking holder left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn known(&self, request: &Request) -> Result<Option<Record>, Refusal> {
        let Some(sender) = self.resizes.get(&request.resize_id) else {
            return Ok(None);
        };
        let known = sender.borrow();
        if known.request.asks_the_same(request) {
            Ok(Some(Record::clone(&known)))
        } else {
            Err(Refusal::OtherContent(request.resize_id.clone()))
        }
    }

    fn forget(&mut self, capacity: usize) {
        let mut surplus = self
            .order
            .len()
            .saturating_sub(capacity + self.active.len());
        let resizes = &mut self.resizes;
        self.order.retain(|resize_id| {
            let ended = resizes
                .get(resize_id)
                .is_none_or(|sender| sender.borrow().finished_at.is_some());
            if surplus == 0 || !ended {
                return true;
            }
            surplus -= 1;
            resizes.remove(resize_id);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::Limits;

    fn record(resize_id: &str, instance_id: &str, target: &str, epoch: u64) -> Record {
        let request = Request {
            resize_id: resize_id.to_owned(),
            instance_id: instance_id.to_owned(),
            target: target.to_owned(),
            expected: "t2.small".to_owned(),
            lease_epoch: epoch,
            dry_run: false,
            reason: String::new(),
        };
        let machine = Resize::new("t2.small", target, true, Limits::default());
        Record::new(request, false, machine, Timestamp::UNIX_EPOCH)
    }

    async fn end(journal: &Journal, mut record: Record) {
        record.finished_at = Some(Timestamp::UNIX_EPOCH);
        journal.save(&record).await;
    }

    #[tokio::test]
    async fn one_active_resize_per_instance_and_one_content_per_id() {
        let journal = Journal::new(10);
        let first = record("a", "i-1", "t2.medium", 3);
        assert!(matches!(
            journal.admit(first.clone()).await,
            Ok(Admission::New(_))
        ));
        assert!(matches!(
            journal.admit(first.clone()).await,
            Ok(Admission::Known(_))
        ));
        for (other, expected) in [
            (
                record("a", "i-1", "t2.large", 3),
                Refusal::OtherContent("a".into()),
            ),
            (
                record("b", "i-1", "t2.medium", 3),
                Refusal::Busy {
                    instance_id: "i-1".into(),
                    active: "a".into(),
                },
            ),
            (
                record("b", "i-2", "t2.medium", 2),
                Refusal::StaleEpoch {
                    given: 2,
                    highest: 3,
                },
            ),
        ] {
            assert_eq!(journal.admit(other).await.unwrap_err(), expected);
        }
        // A person has no lease.
        assert!(
            journal
                .admit(record("c", "i-2", "t2.medium", 0))
                .await
                .is_ok()
        );
        end(&journal, first).await;
        assert!(
            journal
                .admit(record("b", "i-1", "t2.medium", 4))
                .await
                .is_ok()
        );
        let active = journal.list(None, true, 10).await;
        let ids: Vec<_> = active
            .iter()
            .map(|record| record.request.resize_id.as_str())
            .collect();
        assert_eq!(ids, ["b", "c"]);
    }

    #[tokio::test]
    async fn the_oldest_ended_are_forgotten_and_the_active_never() {
        let journal = Journal::new(3);
        journal
            .admit(record("active", "i-0", "t2.medium", 0))
            .await
            .unwrap();
        for number in 1..=10 {
            let record = record(&format!("r{number}"), "i-1", "t2.medium", 0);
            journal.admit(record.clone()).await.unwrap();
            end(&journal, record).await;
        }
        let kept = journal.list(None, false, 100).await;
        let ids: Vec<_> = kept
            .iter()
            .map(|record| record.request.resize_id.as_str())
            .collect();
        assert_eq!(ids.len(), 5, "{ids:?}");
        assert!(
            ids.contains(&"active") && ids.contains(&"r10") && !ids.contains(&"r1"),
            "{ids:?}"
        );
    }

    #[test]
    fn endless_retries_keep_a_bounded_story() {
        let mut record = record("a", "i-1", "t2.medium", 0);
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
