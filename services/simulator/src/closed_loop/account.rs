//! What came of a sequence of rungs: cost, saturation, resizes.

use std::{iter::Sum, ops::Add};

use crate::closed_loop::{
    cells::STEPS_A_DAY,
    ladder::{LARGEST, cost, saturates},
};

/// Minutes of a step.
const STEP_MINUTES: f64 = 5.0;
/// Minutes without capacity that a resize costs.
const RESIZE_MINUTES: f64 = 2.0;

/// Figures of one series, or their means over several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    /// Mean capacity, the largest rung's being 1.
    pub cost: f64,
    /// Share of the time, 0 to 1, in which there was too little capacity.
    pub saturated: f64,
    pub resizes_a_day: f64,
}

/// Minutes of too little capacity in a step.
pub fn saturated_minutes(demand: f64, rung: usize, resized: bool) -> f64 {
    match (saturates(demand, rung), resized) {
        (true, _) => STEP_MINUTES,
        (false, true) => RESIZE_MINUTES,
        (false, false) => 0.0,
    }
}

impl Account {
    /// That of one series: `rungs` of as many steps as `demand` has. At the first nothing was resized.
    pub fn of(demand: &[f64], rungs: &[usize]) -> Self {
        let (mut spent, mut minutes, mut resizes) = (0.0, 0.0, 0_usize);
        let mut before = rungs.first().copied().unwrap_or(LARGEST);
        for (demand, rung) in demand.iter().zip(rungs) {
            let resized = *rung != before;
            spent += cost(*rung);
            minutes += saturated_minutes(*demand, *rung, resized);
            resizes += usize::from(resized);
            before = *rung;
        }
        let steps = demand.len() as f64;
        Self {
            cost: spent / steps,
            saturated: minutes / (steps * STEP_MINUTES),
            resizes_a_day: resizes as f64 * STEPS_A_DAY as f64 / steps,
        }
    }

    /// The mean of several; zeros of none.
    pub fn mean(all: &[Self]) -> Self {
        let sum: Self = all.iter().copied().sum();
        let count = all.len().max(1) as f64;
        Self {
            cost: sum.cost / count,
            saturated: sum.saturated / count,
            resizes_a_day: sum.resizes_a_day / count,
        }
    }
}

impl Add for Account {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cost: self.cost + other.cost,
            saturated: self.saturated + other.saturated,
            resizes_a_day: self.resizes_a_day + other.resizes_a_day,
        }
    }
}

impl Sum for Account {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_accounted_as_by_hand() {
        // On 8, 8, 2, 2, 4 vCPU: saturated above 7.2, 7.2, 1.8, 1.8, 3.6.
        let demand = [7.3, 7.2, 1.0, 1.9, 3.7];
        let rungs = [3, 3, 1, 1, 2];
        let account = Account::of(&demand, &rungs);
        let close = |left: f64, right: f64| assert!((left - right).abs() < 1e-12, "{left} {right}");
        close(account.cost, (1.0 + 1.0 + 0.25 + 0.25 + 0.5) / 5.0);
        // Saturated, fine, resized, saturated, resized and saturated: that is no worse than saturated.
        close(account.saturated, (5.0 + 0.0 + 2.0 + 5.0 + 5.0) / 25.0);
        close(account.resizes_a_day, 2.0 * 288.0 / 5.0);
    }

    #[test]
    fn where_a_machine_is_when_scoring_begins_is_no_resize() {
        let account = Account::of(&[0.5; 4], &[0; 4]);
        assert_eq!((account.saturated, account.resizes_a_day), (0.0, 0.0));
    }

    #[test]
    fn means_are_over_series_not_over_steps() {
        let long = Account::of(&[0.0; 100], &[3; 100]);
        let short = Account::of(&[0.0; 2], &[1; 2]);
        assert_eq!(Account::mean(&[long, short]).cost, 0.625);
        assert_eq!(Account::mean(&[]), Account::default());
    }
}
