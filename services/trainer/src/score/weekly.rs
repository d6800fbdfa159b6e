//! Peaks over hours against what a person would look at: those of the last seven days at that time of day.

use forecasting::{quantile, series::history::History};

/// Shorter horizons have better things to be compared with.
const LEAST_HORIZON_SECONDS: u32 = 3 * 3600;
const DAY_SECONDS: u32 = 86_400;
const DAYS: usize = 7;
/// Of fewer days nothing is said.
const LEAST_DAYS: usize = 3;

/// The quantiles that going down is decided by.
pub const QUANTILES: [f64; 2] = [0.5, 0.85];

/// Sums of pinball losses, one for each of [`QUANTILES`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WeeklyScore {
    /// Forecasts scored.
    pub count: u64,
    /// As served.
    pub loss: [f64; 2],
    /// The median of the week, whichever the quantile.
    pub median_loss: [f64; 2],
    /// The week's own quantile.
    pub quantile_loss: [f64; 2],
}

impl WeeklyScore {
    /// Adds a forecast whose values at the ascending `quantiles` are `served`, of which `peak` came.
    pub fn add(&mut self, week: &[f64], quantiles: &[f64], served: &[f64], peak: f64) {
        self.count += 1;
        let median = quantile::of_sorted(week, 0.5);
        for (index, q) in QUANTILES.into_iter().enumerate() {
            let ours = quantile::interpolate(quantiles, served, q);
            self.loss[index] += quantile::pinball(q, ours, peak);
            self.median_loss[index] += quantile::pinball(q, median, peak);
            self.quantile_loss[index] += quantile::pinball(q, quantile::of_sorted(week, q), peak);
        }
    }

    /// Adds the forecasts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (sums, more) in [
            (&mut self.loss, other.loss),
            (&mut self.median_loss, other.median_loss),
            (&mut self.quantile_loss, other.quantile_loss),
        ] {
            for (sum, loss) in sums.iter_mut().zip(more) {
                *sum += loss;
            }
        }
    }
}

/// The highest values within `steps` after this time of day in the last week, sorted; empty where the horizon is short
/// or too little is known.
pub fn week(history: &History, origin: usize, steps: usize) -> Vec<f64> {
    let step = history.step_seconds();
    if steps as u32 * step < LEAST_HORIZON_SECONDS {
        return Vec::new();
    }
    let day = (DAY_SECONDS / step) as usize;
    let peak = |back: usize| {
        let start = origin.checked_sub(back * day)?;
        let peak = history.observed_peak(start + 1, start + steps);
        (!peak.is_nan()).then_some(peak)
    };
    let mut peaks: Vec<f64> = (1..=DAYS).filter_map(peak).collect();
    peaks.sort_unstable_by(f64::total_cmp);
    match peaks.len() < LEAST_DAYS {
        true => Vec::new(),
        false => peaks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_week_is_that_time_of_each_day() {
        // Day d is busy, at d, from noon on.
        let value = |index: usize| match index % 288 {
            144.. => (index / 288) as f32,
            _ => 0.0,
        };
        let history = History::new(300, (0..9 * 288).map(value).collect());
        let noon = 8 * 288 + 143;
        assert_eq!(
            week(&history, noon, 36),
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
        );
        assert_eq!(week(&history, 8 * 288, 36), [0.0; 7]);
        assert!(week(&history, noon, 12).is_empty(), "an hour is short");
        assert!(week(&history, 2 * 288 + 143, 36).is_empty(), "two days");
    }

    #[test]
    fn losses_are_pinball_losses() {
        let mut score = WeeklyScore::default();
        score.add(&[10.0, 20.0, 30.0], &[0.5, 0.85], &[24.0, 34.0], 24.0);
        assert_eq!(score.count, 1);
        assert_eq!(score.loss[0], 0.0);
        assert!((score.loss[1] - 1.5).abs() < 1e-9);
        assert_eq!(score.median_loss, [2.0, 3.4]);
        let mut both = score;
        both.merge(&score);
        assert_eq!(both.median_loss, [4.0, 6.8]);
    }
}
