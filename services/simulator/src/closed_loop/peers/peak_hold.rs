//! The peak of the past hour, and as much more as it grew by in 5 of 100 hours.

use crate::closed_loop::{
    cells::STEPS_A_DAY,
    demand::quantile,
    ladder::{SATURATED_SHARE, fitting},
    policy::{Moment, Policy},
};

const HOUR: usize = STEPS_A_DAY / 24;
/// Residuals are of so many steps.
const REMEMBERED: usize = 7 * STEPS_A_DAY;

/// Fits the past peak with the usual growth.
#[derive(Clone, Debug)]
pub struct PeakHold {
    quantile: f64,
    /// By how much the peak of an hour was above that of the hour before, ascending.
    growth: Vec<f64>,
    /// The same in order of time.
    order: std::collections::VecDeque<f64>,
}

impl Default for PeakHold {
    fn default() -> Self {
        Self {
            quantile: 0.95,
            growth: Vec::new(),
            order: std::collections::VecDeque::new(),
        }
    }
}

impl Policy for PeakHold {
    fn choose(&mut self, moment: &Moment<'_>) -> usize {
        let peak = moment.highest(HOUR);
        if let Some(until) = moment
            .demand
            .len()
            .checked_sub(HOUR)
            .filter(|until| *until > 0)
        {
            let before = &moment.demand[until.saturating_sub(HOUR)..until];
            let grown = peak - before.iter().copied().fold(0.0, f64::max);
            let at = self.growth.partition_point(|known| *known < grown);
            self.growth.insert(at, grown);
            self.order.push_back(grown);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                let at = self.growth.partition_point(|known| *known < oldest);
                self.growth.remove(at);
            }
        }
        let growth = match self.growth.is_empty() {
            true => 0.0,
            false => quantile(&self.growth, self.quantile),
        };
        fitting(peak + growth, SATURATED_SHARE)
    }
}
