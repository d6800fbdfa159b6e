//! Runs in the tables.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::tables::{KeptRun, Row, Tables};
use crate::{
    decide::{
        record::Decision,
        run::{Run, tail_of},
    },
    store::{HOLDS_KEPT_WHOLE, RUNS_SEARCHED},
};

impl Tables {
    /// The run with the hold of an id, and its newest hold.
    pub fn run_with(&self, decision_id: &str) -> Option<(&Run, &Decision)> {
        let firsts = self.by_tail.get(&tail_of(decision_id)?)?;
        let mut runs = firsts.iter().filter_map(|first| self.runs.get(first));
        let kept = runs.find(|kept| kept.run.at_id(decision_id).is_some())?;
        self.with_newest(kept)
    }

    /// The run that a target's newest decision is in, and that decision.
    pub fn run_under_way(&self, target_id: &str) -> Option<(&Run, &Decision)> {
        let (newest, _) = self.of_target(target_id).next_back()?;
        self.with_newest(self.runs.get(&newest)?)
    }

    /// The hold of a tick that is not kept whole.
    pub fn merged_of_tick(&self, tick_id: &str, target_id: &str) -> Option<Decision> {
        let rows = self.of_target(target_id).rev();
        let ends =
            rows.filter_map(|(place, _)| self.runs.get(&place).filter(|kept| kept.newest == place));
        let mut runs = ends
            .filter(|kept| kept.run.count() > HOLDS_KEPT_WHOLE)
            .take(RUNS_SEARCHED as usize);
        let (id, kept) = runs.find_map(|kept| Some((kept.run.of_tick(tick_id)?, kept)))?;
        let (run, newest) = self.with_newest(kept)?;
        let merged = run.merged(&id, newest)?;
        Some(Decision {
            tick_id: tick_id.to_owned(),
            ..merged
        })
    }

    /// The id of the decision about a target that was the newest at a time.
    pub fn newest_id_at(&self, target_id: &str, at: Timestamp) -> Option<String> {
        let mut rows = self.of_target(target_id).rev();
        let (place, row) = rows.find(|(_, row)| row.decision.decided_at <= at)?;
        let begun = self.runs.get(&place).filter(|kept| kept.first == place);
        let within = begun.and_then(|kept| kept.run.at(at));
        Some(within.unwrap_or_else(|| row.decision.decision_id.clone()))
    }

    /// Keeps a run of which the newest hold has a place. `None` where it has lost its first hold.
    pub fn keep_run(&mut self, run: &Run, newest: i64) -> Option<()> {
        let (first, _) = self.find(&run.first_id())?;
        let before = self.runs.get(&first).map(|kept| kept.newest);
        if let Some(before) = before.filter(|before| *before != first) {
            self.set_row(before, None);
            self.set(|tables| &mut tables.runs, before, None);
        }
        let kept = KeptRun {
            run: run.clone(),
            first,
            newest,
        };
        for place in [first, newest] {
            self.set(|tables| &mut tables.runs, place, Some(kept.clone()));
        }
        let mut firsts = self.by_tail.get(&run.tail).cloned().unwrap_or_default();
        firsts.insert(first);
        self.set(|tables| &mut tables.by_tail, run.tail, Some(firsts));
        Some(())
    }

    /// Removes a decision; a run that loses one of its two is none any more.
    pub fn remove(&mut self, place: i64) {
        self.set_row(place, None);
        let Some(KeptRun { run, first, newest }) = self.runs.get(&place).cloned() else {
            return;
        };
        for place in [first, newest] {
            self.set(|tables| &mut tables.runs, place, None);
        }
        let firsts = self.by_tail.get(&run.tail).cloned().unwrap_or_default();
        let firsts: BTreeSet<i64> = firsts.into_iter().filter(|other| *other != first).collect();
        let firsts = Some(firsts).filter(|firsts| !firsts.is_empty());
        self.set(|tables| &mut tables.by_tail, run.tail, firsts);
    }

    /// When the run of a hold that is its first ended so far; otherwise when it was decided.
    pub fn ended_so_far(&self, place: i64, row: &Row) -> Timestamp {
        let decided_at = row.decision.decided_at;
        let Some(kept) = self.runs.get(&place) else {
            return decided_at;
        };
        let newest = self.at(kept.newest);
        newest.map_or(decided_at, |newest| {
            newest.decision.decided_at.max(decided_at)
        })
    }

    fn with_newest<'a>(&'a self, kept: &'a KeptRun) -> Option<(&'a Run, &'a Decision)> {
        Some((&kept.run, &self.at(kept.newest)?.decision))
    }
}
