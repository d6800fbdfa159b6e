//! The p95 of the trailing day at 80 % of the capacity: what rightsizing advisers do, every step.

use crate::closed_loop::{
    cells::STEPS_A_DAY,
    demand::quantile,
    ladder::fitting,
    policy::{Moment, Policy},
};

/// Fits a quantile of the trailing day.
#[derive(Clone, Copy, Debug)]
pub struct Trailing {
    pub quantile: f64,
    /// Share of the capacity that it may take.
    pub share: f64,
}

impl Default for Trailing {
    fn default() -> Self {
        Self {
            quantile: 0.95,
            share: 0.8,
        }
    }
}

impl Policy for Trailing {
    fn choose(&mut self, moment: &Moment<'_>) -> usize {
        let mut day = moment.past(STEPS_A_DAY).to_vec();
        day.sort_by(f64::total_cmp);
        fitting(quantile(&day, self.quantile), self.share)
    }
}
