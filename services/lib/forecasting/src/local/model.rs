//! What is learned of a series, and what that says of it.

use super::{
    columns::{CLIP, COLUMNS, Coefficients, GRAM, Row},
    solve,
};
use crate::features::{Change, LocalForecast};

/// Minutes that one outcome counts for.
const UNIT_MINUTES: f64 = 15.0;
/// An outcome after a gap counts for no more units than this.
const MOST_UNITS: f64 = 3.0;
/// Outcomes fade with this time constant, in minutes.
const MEMORY_MINUTES: f64 = 96.0 * 60.0;
/// The ridge penalty, in units: chosen, like the time constant, on the later part of the training data.
const PENALTY: f64 = 20.0;
/// Errors beyond so many usual ones count as that many.
const HUBER: f64 = 2.0;
/// Less than this was learned: no forecast.
const LEAST_UNITS: f64 = 8.0;
/// Whatever is worse counts as this bad.
const WORST_RATIO: f64 = 5.0;

/// What was learned of one series for one horizon.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalModel {
    /// Upper triangle of the weighted sum of row × row.
    pub gram: [f64; GRAM],
    /// Weighted sums of row × change: level, peak.
    pub moments: [[f64; COLUMNS]; 2],
    /// How much was learned, in units.
    pub units: f64,
    /// Usual size of an error, by which outliers are told: level, peak.
    pub usual: [f64; 2],
    /// Recent mean error: level, peak.
    pub error: [f64; 2],
    /// Recent mean size of the change: level, peak.
    pub moved: [f64; 2],
}

impl Default for LocalModel {
    fn default() -> Self {
        Self {
            gram: [0.0; GRAM],
            moments: [[0.0; COLUMNS]; 2],
            units: 0.0,
            usual: [1.0; 2],
            error: [0.0; 2],
            moved: [0.0; 2],
        }
    }
}

impl LocalModel {
    /// Learns that `row` was followed by `change`; `elapsed_minutes` since the row learned before.
    pub fn learn(
        &mut self,
        coefficients: &Coefficients,
        row: &Row,
        change: Change,
        elapsed_minutes: f64,
    ) {
        let keep = (-elapsed_minutes / MEMORY_MINUTES).exp();
        let units = (elapsed_minutes / UNIT_MINUTES).min(MOST_UNITS);
        let changes = [change.level, change.peak].map(|change| change.clamp(-CLIP, CLIP));
        let experienced = self.units > LEAST_UNITS;
        let mut weight: f64 = units;
        for (output, change) in changes.into_iter().enumerate() {
            let error = (change - dot(&coefficients[output], row)).abs();
            let blend = |old: f64, new: f64, rate: f64| {
                let keep = (1.0 - rate).powf(units);
                keep * old + (1.0 - keep) * new
            };
            self.usual[output] = blend(self.usual[output], error, 0.02);
            if experienced {
                self.error[output] = blend(self.error[output], error.min(5.0), 0.01);
                self.moved[output] = blend(self.moved[output], change.abs().min(5.0), 0.01);
            }
            let usual = HUBER * self.usual[output];
            if error > usual {
                weight = weight.min(units * usual / error);
            }
        }
        let mut entries = self.gram.iter_mut();
        for (column, left) in row.iter().enumerate() {
            let left = left * weight;
            for (right, entry) in row[column..].iter().zip(&mut entries) {
                *entry = *entry * keep + left * right;
            }
        }
        for (moments, change) in self.moments.iter_mut().zip(changes) {
            for (entry, value) in moments.iter_mut().zip(row) {
                *entry = *entry * keep + weight * value * change;
            }
        }
        self.units = self.units * keep + units;
    }

    /// The weights that fit best what was learned; zeros, which say "as now", before enough was.
    pub fn coefficients(&self) -> Coefficients {
        if self.units <= LEAST_UNITS {
            return [[0.0; COLUMNS]; 2];
        }
        solve::ridge(&self.gram, PENALTY, &self.moments).unwrap_or([[0.0; COLUMNS]; 2])
    }

    /// What `coefficients` (its own) say after `row`.
    pub fn forecast(&self, coefficients: &Coefficients, row: &Row) -> LocalForecast {
        if self.units <= LEAST_UNITS {
            return LocalForecast::UNKNOWN;
        }
        // Of a series that did not move nothing can be said.
        let ratio = |output: usize| match self.moved[output] > 1e-3 {
            true => (self.error[output] / self.moved[output]).min(WORST_RATIO),
            false => f64::NAN,
        };
        LocalForecast {
            change: Change {
                level: dot(&coefficients[0], row),
                peak: dot(&coefficients[1], row),
            },
            error: Change {
                level: ratio(0),
                peak: ratio(1),
            },
        }
    }
}

fn dot(left: &[f64; COLUMNS], right: &Row) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two informative columns and noise, and what a series with weights 0.8 and -0.3 does after each.
    fn taught(outcomes: usize, outlier: f64) -> LocalModel {
        let mut model = LocalModel::default();
        let mut coefficients = model.coefficients();
        for index in 0..outcomes {
            let noise = |k: u32| {
                let mixed = (index as u32 * 7 + k).wrapping_mul(2_654_435_761);
                f64::from(mixed >> 16) / 32_768.0 - 1.0
            };
            let mut row = [0.0; COLUMNS];
            for (column, value) in row.iter_mut().enumerate().take(6) {
                *value = noise(column as u32);
            }
            let level = 0.8 * row[0] - 0.3 * row[1];
            let level = if index % 10 == 9 {
                level + outlier
            } else {
                level
            };
            let change = Change {
                level,
                peak: 2.0 * row[2],
            };
            model.learn(&coefficients, &row, change, 15.0);
            coefficients = model.coefficients();
        }
        model
    }

    #[test]
    fn the_rule_of_a_series_is_learned() {
        let coefficients = taught(400, 0.0).coefficients();
        let rule: [(usize, usize, f64); 4] = [(0, 0, 0.8), (0, 1, -0.3), (0, 3, 0.0), (1, 2, 2.0)];
        for (output, column, expected) in rule {
            let got: f64 = coefficients[output][column];
            // The penalty shrinks, by a third at most.
            let distance = expected.abs() - got * f64::signum(expected);
            assert!(
                (-0.1..=0.35 * expected.abs() + 0.1).contains(&distance),
                "{output} {column}: {got}"
            );
        }
    }

    #[test]
    fn outliers_count_less() {
        let robust = taught(400, 6.0).coefficients()[0];
        assert!((robust[0] - 0.8).abs() < 0.3, "{robust:?}");
    }

    #[test]
    fn it_says_nothing_before_it_learned_and_how_good_it_is_after() {
        let row = [0.5; COLUMNS];
        let young = taught(6, 0.0);
        let forecast = young.forecast(&young.coefficients(), &row);
        assert!(forecast.change.level.is_nan() && forecast.error.peak.is_nan());
        let old = taught(400, 0.0);
        let forecast = old.forecast(&old.coefficients(), &row);
        assert!(forecast.error.level < 0.4, "{forecast:?}");
    }
}
