//! What the scheduler remembers between ticks. All of it may be lost: the stores of the other services hold what counts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::domain::{ActionTaken, Ending, TargetResult, TickReport, TypeInfo};

/// Shared by ticks, followers and the APIs.
#[derive(Debug)]
pub struct State {
    started_at: Timestamp,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ticks: u64,
    last_tick: Option<Arc<TickReport>>,
    next_tick_at: Option<Timestamp>,
    results: HashMap<String, TargetResult>,
    resize_ends: HashMap<String, Option<Timestamp>>,
    types: HashMap<String, TypeInfo>,
    dry_run: Option<bool>,
}

/// What the APIs show.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Start of this process.
    pub started_at: Timestamp,
    /// Ticks since then.
    pub ticks: u64,
    /// Absent before the first. Resizes that have ended since say how.
    pub last_tick: Option<TickReport>,
    /// Absent when the clock doesn't run.
    pub next_tick_at: Option<Timestamp>,
}

impl State {
    /// Nothing is known yet.
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            started_at,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the APIs.
    pub fn summary(&self) -> Summary {
        let inner = self.inner();
        let last_tick = inner.last_tick.as_ref().map(|report| {
            let mut report = TickReport::clone(report);
            for result in &mut report.results {
                if let Some(known) = inner.results.get(&result.target_id)
                    && known.decision_id == result.decision_id
                {
                    result.action_taken = known.action_taken;
                }
            }
            report
        });
        Summary {
            started_at: self.started_at,
            ticks: inner.ticks,
            last_tick,
            next_tick_at: inner.next_tick_at,
        }
    }

    /// A tick has ended.
    pub fn tick_ended(&self, report: &Arc<TickReport>) {
        let mut inner = self.inner();
        inner.ticks += 1;
        inner.last_tick = Some(Arc::clone(report));
        for result in &report.results {
            // What is there of the same decision comes from its follower, which knows more.
            let followed = inner.results.get(&result.target_id).is_some_and(|known| {
                !result.decision_id.is_empty() && known.decision_id == result.decision_id
            });
            if !followed {
                inner
                    .results
                    .insert(result.target_id.clone(), result.clone());
            }
        }
    }

    /// When the clock runs the next tick.
    pub fn set_next_tick(&self, at: Option<Timestamp>) {
        self.inner().next_tick_at = at;
    }

    /// A target's newest result.
    pub fn result(&self, target_id: &str) -> Option<TargetResult> {
        self.inner().results.get(target_id).cloned()
    }

    /// The resize of `decision_id` ended: the target's result says how. Returns that result.
    pub fn resize_ended(&self, mut result: TargetResult, ending: &Ending) -> TargetResult {
        let mut inner = self.inner();
        result.action_taken = ActionTaken::Ended(ending.outcome);
        result.at = ending.at.max(result.at);
        if !ending.instance_type.is_empty() {
            result.instance_type.clone_from(&ending.instance_type);
        }
        let superseded = inner
            .results
            .get(&result.target_id)
            .is_some_and(|known| known.decision_id != result.decision_id && known.at > result.at);
        if !superseded {
            inner
                .results
                .insert(result.target_id.clone(), result.clone());
        }
        result
    }

    /// The end of the target's last resize: the outer `None` when nobody asked for it yet.
    pub fn resize_end(&self, target_id: &str) -> Option<Option<Timestamp>> {
        self.inner().resize_ends.get(target_id).copied()
    }

    /// Remembers it; never goes back in time.
    pub fn note_resize_end(&self, target_id: &str, at: Option<Timestamp>) {
        let mut inner = self.inner();
        let known = inner.resize_ends.entry(target_id.to_owned()).or_default();
        *known = (*known).max(at);
    }

    /// The described types among `names`, and the names of the others.
    pub fn types<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> (Vec<TypeInfo>, Vec<String>) {
        let inner = self.inner();
        let mut known = Vec::new();
        let mut missing = Vec::new();
        for name in names {
            match inner.types.get(name) {
                Some(info) => known.push(info.clone()),
                None => missing.push(name.clone()),
            }
        }
        (known, missing)
    }

    /// Remembers descriptions: a type never changes.
    pub fn note_types(&self, types: Vec<TypeInfo>) {
        let mut inner = self.inner();
        for info in types {
            inner.types.insert(info.name.clone(), info);
        }
    }

    /// What the actuator last said of its dry run; true as long as it said nothing.
    pub fn dry_run(&self) -> bool {
        self.inner().dry_run.unwrap_or(true)
    }

    /// The same; `None` as long as it said nothing.
    pub fn known_dry_run(&self) -> Option<bool> {
        self.inner().dry_run
    }

    /// The actuator said this.
    pub fn note_dry_run(&self, dry_run: bool) {
        self.inner().dry_run = Some(dry_run);
    }
}
