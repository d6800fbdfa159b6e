//! The tables, and how a change of them is taken back.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt, mem,
};

use jiff::Timestamp;
use sizing::review::Review;

use crate::{
    decide::{
        guide::Guide,
        input::{Input, State},
        record::Decision,
        run::{Run, Tail},
    },
    fleet::{cooldown::Cooldowns, lease::Lease, pause::Pause},
    policy::document::Policy,
};

type Undo = Box<dyn FnOnce(&mut Tables) + Send + Sync>;
/// How a change finds its table.
type Of<K, V> = fn(&mut Tables) -> &mut BTreeMap<K, V>;

/// A decision with what it was made from; its policy has a table of its own.
#[derive(Clone)]
pub struct Row {
    pub decision: Decision,
    pub input: Input,
    pub state: State,
}

/// A run, and the places of the holds of it that are kept whole.
#[derive(Clone)]
pub struct KeptRun {
    pub run: Run,
    pub first: i64,
    pub newest: i64,
}

/// Everything, by its key. Decisions are in the order in which they were made.
#[derive(Default)]
pub struct Tables {
    decisions: BTreeMap<i64, Row>,
    by_id: HashMap<String, i64>,
    by_tick: HashMap<(String, String), i64>,
    by_target: HashMap<String, BTreeSet<i64>>,
    pending: BTreeSet<i64>,
    last_place: i64,
    /// By the places of their holds that are kept whole.
    pub runs: BTreeMap<i64, KeptRun>,
    /// The places of their first holds, by what their ids have in common.
    pub by_tail: BTreeMap<Tail, BTreeSet<i64>>,
    pub policies: BTreeMap<String, Policy>,
    /// Version and time, in the order in which they were applied.
    pub applications: BTreeMap<i64, (String, Timestamp)>,
    pub cooldowns: BTreeMap<String, Cooldowns>,
    pub reviews: BTreeMap<String, (Guide, Review)>,
    pub pauses: BTreeMap<String, Pause>,
    pub leases: BTreeMap<String, Lease>,
    /// Of what is not committed, the newest last.
    undo: Vec<Undo>,
}

impl fmt::Debug for Tables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tables")
            .field("decisions", &self.decisions.len())
            .finish_non_exhaustive()
    }
}

impl Tables {
    /// Decisions before a place, newest first.
    pub fn before(&self, place: i64) -> impl Iterator<Item = (i64, &Row)> {
        let rows = self.decisions.range(..place).rev();
        rows.map(|(place, row)| (*place, row))
    }

    /// All decisions, oldest first.
    pub fn rows(&self) -> impl Iterator<Item = (i64, &Row)> {
        self.decisions.iter().map(|(place, row)| (*place, row))
    }

    /// The decisions of a target, oldest first.
    pub fn of_target(
        &self,
        target_id: &str,
    ) -> impl DoubleEndedIterator<Item = (i64, &Row)> + use<'_> {
        let places = self.by_target.get(target_id).into_iter().flatten();
        places.filter_map(|place| Some((*place, self.decisions.get(place)?)))
    }

    /// The decisions whose action has not ended, oldest first.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = (i64, &Row)> {
        let places = self.pending.iter();
        places.filter_map(|place| Some((*place, self.decisions.get(place)?)))
    }

    /// The decision of a place.
    pub fn at(&self, place: i64) -> Option<&Row> {
        self.decisions.get(&place)
    }

    /// The place and row of a decision.
    pub fn find(&self, decision_id: &str) -> Option<(i64, &Row)> {
        let place = *self.by_id.get(decision_id)?;
        Some((place, self.decisions.get(&place)?))
    }

    /// The decision of a tick for a target.
    pub fn of_tick(&self, tick_id: &str, target_id: &str) -> Option<&Row> {
        let key = (tick_id.to_owned(), target_id.to_owned());
        self.decisions.get(self.by_tick.get(&key)?)
    }

    /// Adds a decision after all others; its place.
    pub fn append(&mut self, row: Row) -> i64 {
        self.last_place += 1;
        self.set_row(self.last_place, Some(row));
        self.last_place
    }

    /// Replaces a decision, or with `None` removes it.
    pub fn set_row(&mut self, place: i64, row: Option<Row>) {
        let before = self.put(place, row);
        let undo = move |tables: &mut Self| {
            tables.put(place, before);
        };
        self.undo.push(Box::new(undo));
    }

    fn put(&mut self, place: i64, row: Option<Row>) -> Option<Row> {
        let before = self.decisions.remove(&place);
        if let Some(Row { decision, .. }) = &before {
            self.by_id.remove(&decision.decision_id);
            self.by_tick
                .remove(&(decision.tick_id.clone(), decision.target_id.clone()));
            if let Some(places) = self.by_target.get_mut(&decision.target_id) {
                places.remove(&place);
            }
            self.pending.remove(&place);
        }
        if let Some(row) = row {
            let decision = &row.decision;
            self.by_id.insert(decision.decision_id.clone(), place);
            self.by_tick.insert(
                (decision.tick_id.clone(), decision.target_id.clone()),
                place,
            );
            self.by_target
                .entry(decision.target_id.clone())
                .or_default()
                .insert(place);
            if decision.pending {
                self.pending.insert(place);
            }
            self.decisions.insert(place, row);
        }
        before
    }

    /// Replaces what a table has under a key, or with `None` removes it.
    pub fn set<K, V>(&mut self, table: Of<K, V>, key: K, value: Option<V>)
    where
        K: Clone + Ord + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let put = move |tables: &mut Self, key: K, value: Option<V>| match value {
            Some(value) => table(tables).insert(key, value),
            None => table(tables).remove(&key),
        };
        let before = put(self, key.clone(), value);
        let undo = move |tables: &mut Self| {
            put(tables, key, before);
        };
        self.undo.push(Box::new(undo));
    }

    /// Keeps what was changed.
    pub fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was changed since it was kept last.
    pub fn take_back(&mut self) {
        for undo in mem::take(&mut self.undo).into_iter().rev() {
            undo(self);
        }
    }
}
