//! Scores of forecasts against what came and against forecasts that need no model.

use crate::{manifest::HeldOut, quantile};

/// Sums over the forecasts of one source at one horizon. Merging is addition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Forecasts scored.
    pub count: u64,
    /// Absolute error of the median as served.
    pub error: f64,
    /// Absolute error of the model's median before the recent past had a say.
    pub model_error: f64,
    /// Absolute errors of the naive forecasts, in the order of `Naive::ALL`.
    pub naive_errors: [f64; 4],
    /// Pinball loss of the level's quantiles .1, .5 and .9.
    pub level_loss: f64,
    /// The same of persistence with empirical residuals.
    pub level_naive_loss: f64,
    /// Of the peak's q90 and q95.
    pub peak_loss: [f64; 2],
    /// The same before the recent past had a say.
    pub peak_model_loss: [f64; 2],
    /// The same of peak-hold with empirical residuals.
    pub peak_naive_loss: [f64; 2],
    /// Outcomes at or below q90 and q95.
    pub level_covered: [u64; 2],
    /// Peaks at or below q90 and q95.
    pub peak_covered: [u64; 2],
}

/// One forecast with what came and what the naive ones said. Percent of capacity.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// CPU at the horizon.
    pub level: f64,
    /// The highest CPU up to it.
    pub peak: f64,
    /// Median served.
    pub median: f64,
    /// Median of the model alone.
    pub model_median: f64,
    /// Naive forecasts.
    pub naive: [f64; 4],
    /// Level quantiles .1, .9, .95 as served.
    pub levels: [f64; 3],
    /// Naive level quantiles .1, .5, .9.
    pub naive_levels: [f64; 3],
    /// Peak quantiles .9 and .95 as served.
    pub peaks: [f64; 2],
    /// Those of the model alone.
    pub model_peaks: [f64; 2],
    /// Those of peak-hold with empirical residuals.
    pub naive_peaks: [f64; 2],
}

/// The quantiles of the peak that are scored.
pub const PEAK_QUANTILES: [f64; 2] = [0.9, 0.95];

impl Score {
    /// Adds one forecast.
    pub fn add(&mut self, scored: &Scored) {
        let Scored { level, peak, .. } = *scored;
        self.count += 1;
        self.error += (level - scored.median).abs();
        self.model_error += (level - scored.model_median).abs();
        for (sum, naive) in self.naive_errors.iter_mut().zip(scored.naive) {
            *sum += (level - naive).abs();
        }
        let rows = [
            (
                &mut self.level_loss,
                [scored.levels[0], scored.median, scored.levels[1]],
            ),
            (&mut self.level_naive_loss, scored.naive_levels),
        ];
        for (sum, row) in rows {
            for (q, value) in [0.1, 0.5, 0.9].into_iter().zip(row) {
                *sum += quantile::pinball(q, value, level);
            }
        }
        for (index, q) in PEAK_QUANTILES.into_iter().enumerate() {
            self.peak_loss[index] += quantile::pinball(q, scored.peaks[index], peak);
            self.peak_model_loss[index] += quantile::pinball(q, scored.model_peaks[index], peak);
            self.peak_naive_loss[index] += quantile::pinball(q, scored.naive_peaks[index], peak);
            self.level_covered[index] += u64::from(level <= scored.levels[index + 1]);
            self.peak_covered[index] += u64::from(peak <= scored.peaks[index]);
        }
    }

    /// Adds the forecasts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.error += other.error;
        self.model_error += other.model_error;
        self.level_loss += other.level_loss;
        self.level_naive_loss += other.level_naive_loss;
        for index in 0..4 {
            self.naive_errors[index] += other.naive_errors[index];
        }
        for index in 0..2 {
            self.peak_loss[index] += other.peak_loss[index];
            self.peak_model_loss[index] += other.peak_model_loss[index];
            self.peak_naive_loss[index] += other.peak_naive_loss[index];
            self.level_covered[index] += other.level_covered[index];
            self.peak_covered[index] += other.peak_covered[index];
        }
    }

    /// Absolute error of the naive forecast that was best over all.
    pub fn best_naive_error(&self) -> f64 {
        self.naive_errors.into_iter().fold(f64::INFINITY, f64::min)
    }

    /// `1 - error / reference`.
    pub fn skill(error: f64, reference: f64) -> f64 {
        1.0 - error / reference
    }

    /// For the manifest.
    pub fn held_out(&self, source: &str, horizon_seconds: u32) -> HeldOut {
        let share = |count: u64| rounded(count as f64 / self.count as f64);
        let mean = |sum: f64| rounded(sum / self.count as f64);
        let peak_skill = |index: usize| {
            rounded(Self::skill(
                self.peak_loss[index],
                self.peak_naive_loss[index],
            ))
        };
        HeldOut {
            source: source.to_owned(),
            horizon_seconds,
            forecasts: self.count,
            mae: mean(self.error),
            persistence_mae: mean(self.naive_errors[0]),
            best_naive_mae: mean(self.best_naive_error()),
            peak_q90_skill: peak_skill(0),
            peak_q95_skill: peak_skill(1),
            coverage_q90: share(self.level_covered[0]),
            peak_coverage_q90: share(self.peak_covered[0]),
            peak_coverage_q95: share(self.peak_covered[1]),
        }
    }
}

/// To four decimals: more would be noise in a card.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// A window of residuals that gives its quantiles at any time.
#[derive(Clone, Debug, Default)]
pub struct Residuals {
    sorted: Vec<f64>,
    arrived: std::collections::VecDeque<f64>,
    most: usize,
}

impl Residuals {
    /// Keeps the last `most`.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Adds one; NaN is ignored.
    pub fn push(&mut self, residual: f64) {
        if residual.is_nan() {
            return;
        }
        if self.arrived.len() == self.most
            && let Some(oldest) = self.arrived.pop_front()
        {
            let position = self.sorted.partition_point(|value| *value < oldest);
            self.sorted.remove(position);
        }
        self.arrived.push_back(residual);
        let position = self.sorted.partition_point(|value| *value < residual);
        self.sorted.insert(position, residual);
    }

    /// The `q`-quantile, 0 while there is none.
    pub fn quantile(&self, q: f64) -> f64 {
        match self.sorted.is_empty() {
            true => 0.0,
            false => quantile::of_sorted(&self.sorted, q),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_forget_the_oldest() {
        let mut residuals = Residuals::new(3);
        assert_eq!(residuals.quantile(0.5), 0.0);
        for value in [9.0, f64::NAN, 1.0, 2.0, 3.0] {
            residuals.push(value);
        }
        assert_eq!(residuals.quantile(1.0), 3.0);
        assert_eq!(residuals.quantile(0.5), 2.0);
    }

    #[test]
    fn a_perfect_forecast_has_full_skill() {
        let scored = Scored {
            level: 10.0,
            peak: 20.0,
            median: 10.0,
            model_median: 11.0,
            naive: [12.0, 13.0, 14.0, 15.0],
            levels: [10.0, 10.0, 10.0],
            naive_levels: [12.0, 12.0, 12.0],
            peaks: [20.0, 20.0],
            model_peaks: [21.0, 21.0],
            naive_peaks: [10.0, 10.0],
        };
        let mut score = Score::default();
        score.add(&scored);
        let mut twice = score.clone();
        twice.merge(&score);
        let held_out = twice.held_out("a", 900);
        assert_eq!(held_out.mae, 0.0);
        assert_eq!(held_out.persistence_mae, 2.0);
        assert_eq!(held_out.best_naive_mae, 2.0);
        assert_eq!(held_out.peak_q90_skill, 1.0);
        assert_eq!(held_out.peak_coverage_q95, 1.0);
        assert_eq!(held_out.forecasts, 2);
    }
}
