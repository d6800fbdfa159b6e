//! What one query gave so far, and how an answer to a part of it is added. Pure.
//!
//! Invariant: it gives what an answer to the whole window would, but for what came later than a reading goes back.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus_api::LabelledSeries;

use super::{
    grid::Plan,
    kept::Kept,
    matching::{Index, Wanted},
};
use crate::{samples::series::Sample, sources::source::Unmeasured};

/// What stays doubtful when it was read anew is not read anew again for so long, seconds.
const DOUBTED_AGAIN_AFTER: i64 = 86_400;

/// The series of one query.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// By their labels.
    series: Vec<Kept>,
    index: Index,
    /// All is known up to this point of the grid; `None` when the next reading has to be of all.
    until: Option<i64>,
    /// Whether it reaches back to the beginning of the window without a gap in what was asked.
    is_whole: bool,
    /// Where the window begins, seconds since the Unix epoch.
    begin: f64,
    /// Raised by who can't use it. The store may have had a bad hour; then what is kept is worse than what it says now.
    doubted: Arc<AtomicBool>,
    /// The tick that read it anew for that.
    believed_at: Option<i64>,
}

impl History {
    /// Of nothing yet.
    pub fn new(instance_label: &str) -> Self {
        Self {
            index: Index::new(instance_label),
            ..Self::default()
        }
    }

    /// All is known up to this point of the grid, as far as a tick at `now` believes it.
    pub fn until(&mut self, now: i64) -> Option<i64> {
        let lately = self
            .believed_at
            .is_some_and(|at| now - at < DOUBTED_AGAIN_AFTER);
        if self.doubted.swap(false, Ordering::Relaxed) && !lately {
            self.believed_at = Some(now);
            self.until = None;
        }
        self.until
    }

    /// Whether all of the window was asked for.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// To be raised when it is of no use.
    pub fn doubted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.doubted)
    }

    /// Whether there are series of other machines than those with these labels.
    pub fn has_others(&self, labels: &[&str]) -> bool {
        self.index.has_others(&self.series, labels)
    }

    /// The samples of a target in the window.
    ///
    /// # Errors
    /// When nobody can tell which they are.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Vec<Sample>, Unmeasured> {
        self.index.find(&self.series, self.begin, wanted)
    }

    /// That there are series, and none is `wanted`.
    pub fn strangers(&self, wanted: &Wanted<'_>) -> Option<Unmeasured> {
        self.index.strangers(&self.series, wanted)
    }

    /// Adds what was answered for what was missing. It replaces what was known of that time.
    pub fn add(&mut self, answer: Vec<LabelledSeries>, plan: &Plan) {
        let (begin, start) = (plan.window.start, plan.missing.start);
        let (end, step) = (plan.missing.end, i64::from(plan.missing.step_seconds));
        let cutoff = start as f64 - step as f64 / 2.0;
        self.begin = begin as f64;
        let continues = self.is_whole && self.until.is_some_and(|until| start <= until);
        self.is_whole = start <= begin || continues;
        if start <= begin {
            self.series.clear();
        }
        let known = self.series.len();
        let mut silent_since = Vec::with_capacity(self.series.len());
        for kept in &mut self.series {
            silent_since.push(kept.last().filter(|last| *last < cutoff));
            kept.cut(cutoff);
        }
        let mut until = end;
        let mut is_sound = true;
        let mut found = HashSet::new();
        let mut new = Vec::new();
        for LabelledSeries { labels, samples } in answer {
            let Some(place) = self.place(&labels) else {
                let mut kept = Kept::new(labels);
                is_sound &= kept.extend(samples);
                new.push(kept);
                continue;
            };
            let kept = &mut self.series[place];
            let before = kept.last();
            // Some servers begin a little before what they are asked for.
            let samples = samples.into_iter().filter(|sample| sample.at >= cutoff);
            is_sound &= kept.extend(samples) && found.insert(place);
            // Who was not heard for longer than a reading goes back may have been cut off, and what it said come late.
            if let Some(since) = silent_since[place].filter(|_| kept.last() > before) {
                until = until.min(since as i64);
            }
        }
        self.series.retain(|kept| kept.last() >= Some(self.begin));
        let has_changed = self.series.len() < known || !new.is_empty() || known == 0;
        self.series.append(&mut new);
        for kept in &mut self.series {
            kept.compact(plan.settled as f64, self.begin);
        }
        if has_changed {
            is_sound &= self.settle();
        }
        self.until = is_sound.then(|| end - (end - until + step - 1) / step * step);
    }

    /// Adds what was answered for the present.
    pub fn add_present(&mut self, answer: Vec<LabelledSeries>) {
        let mut new = Vec::new();
        for LabelledSeries { labels, samples } in answer {
            let Some(present) = samples.last() else {
                continue;
            };
            match self.place(&labels) {
                Some(place) => self.series[place].set_present(*present),
                None => {
                    let mut kept = Kept::new(labels);
                    kept.set_present(*present);
                    new.push(kept);
                }
            }
        }
        if !new.is_empty() {
            self.series.append(&mut new);
            self.settle();
        }
    }

    /// Bytes that it takes.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.series
            .iter()
            .map(|kept| size_of::<Kept>() + kept.bytes())
            .sum()
    }

    /// Where the series with these labels is.
    fn place(&self, labels: &BTreeMap<String, String>) -> Option<usize> {
        let place = self
            .series
            .binary_search_by(|kept| kept.labels().compare(labels));
        place.ok()
    }

    /// Brings the series into order; whether each is there once.
    fn settle(&mut self) -> bool {
        self.series
            .sort_by(|one, other| one.labels().cmp(other.labels()));
        self.index = self.index.of(&self.series);
        self.series
            .windows(2)
            .all(|pair| pair[0].labels() != pair[1].labels())
    }
}

#[cfg(test)]
mod tests;
