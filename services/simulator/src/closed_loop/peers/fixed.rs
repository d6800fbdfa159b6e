//! One rung for all time.

use crate::closed_loop::{
    account::Account,
    demand::Demand,
    ladder::LARGEST,
    policy::{Moment, Policy},
};

/// Stays on one rung.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub usize);

impl Policy for Fixed {
    fn choose(&mut self, _: &Moment<'_>) -> usize {
        self.0
    }
}

/// The rungs of a machine that was on the smallest size which, looking back, was saturated for no more than `share` of the
/// time. It was on it from the start.
pub fn best(demand: &Demand, share: f64) -> Vec<usize> {
    let scored = demand.scored();
    let all = |rung: usize| vec![rung; scored.len()];
    (0..LARGEST)
        .map(all)
        .find(|rungs| Account::of(scored, rungs).saturated <= share)
        .unwrap_or_else(|| all(LARGEST))
}
