//! Compares what was said at an origin with what came and with what needs no model.

use forecasting::{features::View, forecast::outcome, naive::Naive, series::history::History};

use super::origins::first_scored;
use crate::score::{Residuals, Rows, Score, Scored, reliability, weekly};

/// The naive reference's quantiles rest on its misses of so many seconds.
const MISSES_SECONDS: usize = 7 * 86_400;

/// A forecast at the manifest's quantiles. Percent of capacity.
pub struct Statement {
    /// The point forecast.
    pub median: f64,
    /// Quantiles at the horizon.
    pub level: Vec<f64>,
    /// Quantiles of the highest value up to it.
    pub peak: Vec<f64>,
}

/// Scores one series at one horizon.
pub struct Scorer<'a> {
    history: &'a History,
    steps: usize,
    quantiles: &'a [f64],
    score: Score,
    /// What persistence and peak-hold missed by lately.
    level_misses: Residuals,
    peak_misses: Residuals,
    known_until: Option<usize>,
    thresholds: Vec<f64>,
    daily_change: f64,
}

impl<'a> Scorer<'a> {
    /// Nothing scored yet.
    pub fn new(history: &'a History, horizon_seconds: u32, quantiles: &'a [f64]) -> Self {
        let most = MISSES_SECONDS / history.step_seconds() as usize;
        let first = first_scored(history);
        Self {
            history,
            steps: (horizon_seconds / history.step_seconds()) as usize,
            quantiles,
            score: Score::new(quantiles),
            level_misses: Residuals::new(most),
            peak_misses: Residuals::new(most),
            known_until: None,
            thresholds: reliability::thresholds(history, first),
            daily_change: daily_change(history, first),
        }
    }

    /// Scores what was served at `origin`, and what the model alone said; origins ascend. Ignored where the outcome is
    /// not known.
    pub fn score(&mut self, origin: usize, served: &Statement, alone: &Statement) {
        self.learn(origin);
        let came = outcome(self.history, origin, self.steps);
        let observed = !self.history.observed(origin).is_nan();
        let Some(view) = View::new(self.history, origin, 0).filter(|_| observed) else {
            return;
        };
        if !came.is_known() {
            return;
        }
        let week = weekly::week(self.history, origin, self.steps);
        if !week.is_empty() {
            let weekly = &mut self.score.weekly;
            weekly.add(&week, self.quantiles, &served.peak, came.peak);
        }
        let now = view.now();
        let naive = Naive::ALL.map(|naive| {
            let value = naive.forecast(&view, self.steps);
            if value.is_nan() { now } else { value }
        });
        let around = |center: f64, misses: &Residuals| -> Vec<f64> {
            self.quantiles
                .iter()
                .map(|q| (center + misses.quantile(*q)).clamp(0.0, 100.0))
                .collect()
        };
        self.score.add(&Scored {
            level: came.level,
            peak: came.peak,
            thresholds: &self.thresholds,
            daily_change: self.daily_change,
            median: served.median,
            model_median: alone.median,
            naive,
            served: Rows {
                level: &served.level,
                peak: &served.peak,
            },
            model: Rows {
                level: &alone.level,
                peak: &alone.peak,
            },
            reference: Rows {
                level: &around(now, &self.level_misses),
                peak: &around(self.hold(origin), &self.peak_misses),
            },
        });
    }

    /// What was scored.
    pub fn into_score(self) -> Score {
        self.score
    }

    /// Notes what the naive reference missed by, of all that is known at `origin`.
    fn learn(&mut self, origin: usize) {
        let reach = MISSES_SECONDS / self.history.step_seconds() as usize + self.steps;
        let mut made = self
            .known_until
            .unwrap_or_else(|| origin.saturating_sub(reach));
        while made + self.steps <= origin {
            let came = outcome(self.history, made, self.steps);
            self.level_misses
                .push(came.level - self.history.value(made));
            self.peak_misses.push(came.peak - self.hold(made));
            made += 1;
        }
        self.known_until = Some(made);
    }

    fn hold(&self, origin: usize) -> f64 {
        let from = (origin + 1).saturating_sub(self.steps);
        self.history.highest(from, origin)
    }
}

/// The mean absolute change from one day to the next before `end`, percent of capacity: what errors are divided by in the
/// mean absolute scaled error (MASE; Hyndman and Koehler, 2006, "Another look at measures of forecast accuracy").
fn daily_change(history: &History, end: usize) -> f64 {
    let day = (86_400 / history.step_seconds()) as usize;
    let changes: Vec<f64> = (day..end)
        .map(|index| (history.observed(index) - history.observed(index - day)).abs())
        .filter(|change| !change.is_nan())
        .collect();
    changes.iter().sum::<f64>() / changes.len() as f64
}
