//! How many whole windows a tick may read: after a start all are missing, and a tick has to end. Pure.
//!
//! Who has to wait reads its last hours, so that saturation is acted on at once, and is warm some ticks later.

use std::{collections::HashSet, hash::Hash};

/// What is read of a window until all of it is, seconds.
pub const SHORT_SECONDS: u32 = 6 * 3_600;
/// Targets whose window may be read in a tick: what a fleet of that size reads at once, and 10,000 in seven ticks.
const TARGETS_OF_A_TICK: usize = 1_500;
/// The metrics whose window is longer than what is read in short.
const METRICS: usize = 4;

/// The windows that a tick may still read; one of a metric of a target is 1.
#[derive(Debug)]
pub struct Budget<Q> {
    of_a_tick: usize,
    left: usize,
    /// The part of it for who failed before, so that they keep nobody else from it.
    left_for_failed: usize,
    /// Those that may, and were not done.
    tried: HashSet<Q>,
}

impl<Q> Default for Budget<Q> {
    fn default() -> Self {
        Self::new(TARGETS_OF_A_TICK * METRICS)
    }
}

impl<Q> Budget<Q> {
    /// So many for each tick.
    pub fn new(of_a_tick: usize) -> Self {
        Self {
            of_a_tick,
            left: of_a_tick,
            left_for_failed: of_a_tick / 2,
            tried: HashSet::new(),
        }
    }

    /// A tick begins.
    pub fn refill(&mut self) {
        self.left = self.of_a_tick;
        self.left_for_failed = self.of_a_tick / 2;
    }
}

impl<Q: Clone + Eq + Hash> Budget<Q> {
    /// Whether `question` may read the windows of so many targets now. Who needs more than there is for a tick may when it is
    /// the first.
    pub fn take(&mut self, question: &Q, targets: usize) -> bool {
        let fits = |left: usize, of: usize| left >= targets || left == of;
        let has_failed = self.tried.contains(question);
        let may = fits(self.left, self.of_a_tick)
            && (!has_failed || fits(self.left_for_failed, self.of_a_tick / 2));
        if may {
            self.left = self.left.saturating_sub(targets);
            if has_failed {
                self.left_for_failed = self.left_for_failed.saturating_sub(targets);
            }
            self.tried.insert(question.clone());
        }
        may
    }

    /// Its window was read.
    pub fn done(&mut self, question: &Q) {
        self.tried.remove(question);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many windows of chunks are read in each tick; those of the first chunks never.
    fn ticks(chunks: usize, failing: usize) -> Vec<usize> {
        let mut budget = Budget::default();
        let all = (0..chunks).flat_map(|chunk| (0..METRICS).map(move |metric| (chunk, metric)));
        let mut waiting: Vec<(usize, usize)> = all.collect();
        let mut ticks = Vec::new();
        while waiting.iter().any(|(chunk, _)| *chunk >= failing) {
            budget.refill();
            let before = waiting.len();
            waiting.retain(|question| {
                let is_read = budget.take(question, 500) && question.0 >= failing;
                if is_read {
                    budget.done(question);
                }
                !is_read
            });
            ticks.push(before - waiting.len());
        }
        ticks
    }

    #[test]
    fn a_small_fleet_is_read_at_once_and_ten_thousand_within_ten_ticks() {
        assert_eq!(ticks(3, 0), [12]);
        assert_eq!(ticks(20, 0), [12, 12, 12, 12, 12, 12, 8]);
    }

    #[test]
    fn who_fails_keeps_nobody_from_it() {
        assert_eq!(ticks(8, 5).iter().sum::<usize>(), 3 * METRICS);
    }

    #[test]
    fn who_needs_more_than_there_is_may_when_it_is_the_first() {
        let mut budget = Budget::new(2);
        assert!(budget.take(&"a", 3));
        assert!(!budget.take(&"b", 1));
        budget.refill();
        assert!(budget.take(&"a", 3));
        assert!(!budget.take(&"b", 3));
    }
}
