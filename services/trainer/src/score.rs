//! Scores of forecasts against what came and against forecasts that need no model.

pub mod reliability;
mod residuals;
pub mod weekly;

use std::collections::BTreeMap;

use forecasting::{artifact::manifest::HeldOut, naive::Naive, quantile};

use reliability::Reliability;
pub use residuals::Residuals;
use weekly::WeeklyScore;

/// Ends of the interval whose mean width is the sharpness of a forecast.
pub const INTERVAL: [f64; 2] = [0.05, 0.95];

/// Scores by source and horizon in seconds.
pub type Scores = BTreeMap<(String, u32), Score>;

/// The score of one series at one horizon.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesScore {
    /// Where the series comes from.
    pub source: String,
    /// Its name there.
    pub series: String,
    /// Horizon.
    pub horizon_seconds: u32,
    /// Nothing was scored when its count is 0.
    pub score: Score,
}

/// Sums over forecasts at one horizon, of one series or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Forecasts scored.
    pub count: u64,
    /// Absolute error of the median as served.
    pub error: f64,
    /// The same, divided by the mean change of the series' past from day to day.
    pub scaled_error: f64,
    /// What came.
    pub actual: f64,
    /// Absolute error of the model's median before the recent past had a say.
    pub model_error: f64,
    /// Absolute errors of the naive forecasts, in the order of `Naive::ALL`.
    pub naive_errors: [f64; 4],
    /// CPU at the horizon.
    pub level: OutputScore,
    /// The highest CPU up to it.
    pub peak: OutputScore,
    /// The highest CPU over hours, against the last week.
    pub weekly: WeeklyScore,
    /// The series that are in it.
    pub series: SeriesCount,
}

/// Sums over the quantiles of one output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputScore {
    /// One for each quantile, ascending.
    pub quantiles: Vec<QuantileScore>,
    /// What was stated to be likely.
    pub reliability: Reliability,
    /// Width of [`INTERVAL`] as served.
    pub width: f64,
    /// The same of the naive reference.
    pub naive_width: f64,
}

/// Sums over the forecasts of one quantile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QuantileScore {
    /// Which.
    pub quantile: f64,
    /// Pinball loss as served.
    pub loss: f64,
    /// Pinball loss before the recent past had a say.
    pub model_loss: f64,
    /// Pinball loss of the naive reference.
    pub naive_loss: f64,
    /// Outcomes at or below the forecast.
    pub covered: u64,
}

/// How many series lost against what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeriesCount {
    /// Series with at least one forecast.
    pub scored: u32,
    /// Those on which persistence had a lower error.
    pub behind_persistence: u32,
    /// Those on which one of the naive forecasts had, whichever was best there.
    pub behind_best_naive: u32,
}

/// One forecast with what came and what the naive ones said. Percent of capacity.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// CPU at the horizon.
    pub level: f64,
    /// The highest CPU up to it.
    pub peak: f64,
    /// What its quantiles are compared with to see how likely they call it.
    pub thresholds: &'a [f64],
    /// Mean absolute change from day to day before the scored part; NaN where there is none.
    pub daily_change: f64,
    /// Median served.
    pub median: f64,
    /// Median of the model alone.
    pub model_median: f64,
    /// Naive forecasts.
    pub naive: [f64; 4],
    /// As served.
    pub served: Rows<'a>,
    /// The model alone.
    pub model: Rows<'a>,
    /// Persistence (level) and peak-hold (peak) with quantiles of what they missed by lately.
    pub reference: Rows<'a>,
}

/// Values for each quantile, ascending.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// At the horizon.
    pub level: &'a [f64],
    /// Of the highest up to it.
    pub peak: &'a [f64],
}

impl Score {
    /// Nothing yet, of forecasts with these quantiles.
    pub fn new(quantiles: &[f64]) -> Self {
        let output = OutputScore {
            quantiles: quantiles
                .iter()
                .map(|quantile| QuantileScore {
                    quantile: *quantile,
                    ..QuantileScore::default()
                })
                .collect(),
            ..OutputScore::default()
        };
        Self {
            level: output.clone(),
            peak: output,
            ..Self::default()
        }
    }

    /// Adds one forecast.
    pub fn add(&mut self, scored: &Scored<'_>) {
        let Scored { level, peak, .. } = *scored;
        let Scored { served, model, .. } = *scored;
        let reference = scored.reference;
        self.count += 1;
        let error = (level - scored.median).abs();
        self.error += error;
        self.scaled_error += error / scored.daily_change;
        self.actual += level.abs();
        self.model_error += (level - scored.model_median).abs();
        for (sum, naive) in self.naive_errors.iter_mut().zip(scored.naive) {
            *sum += (level - naive).abs();
        }
        let thresholds = scored.thresholds;
        self.level.add(
            level,
            served.level,
            model.level,
            reference.level,
            thresholds,
        );
        self.peak
            .add(peak, served.peak, model.peak, reference.peak, thresholds);
    }

    /// Adds the forecasts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.error += other.error;
        self.scaled_error += other.scaled_error;
        self.actual += other.actual;
        self.model_error += other.model_error;
        for (sum, error) in self.naive_errors.iter_mut().zip(other.naive_errors) {
            *sum += error;
        }
        self.level.merge(&other.level);
        self.peak.merge(&other.peak);
        self.weekly.merge(&other.weekly);
        self.series.scored += other.series.scored;
        self.series.behind_persistence += other.series.behind_persistence;
        self.series.behind_best_naive += other.series.behind_best_naive;
    }

    /// Adds the forecasts of `other`, those of one whole series.
    pub fn merge_series(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.merge(other);
        self.series.scored += 1;
        self.series.behind_persistence += u32::from(other.error > other.naive_errors[0]);
        self.series.behind_best_naive += u32::from(other.error > other.best_naive().1);
    }

    /// The naive forecast that was best over all, and its absolute error.
    pub fn best_naive(&self) -> (Naive, f64) {
        let mut best = (Naive::ALL[0], self.naive_errors[0]);
        for (naive, error) in Naive::ALL.into_iter().zip(self.naive_errors) {
            if error < best.1 {
                best = (naive, error);
            }
        }
        best
    }

    /// `1 - error / reference`; NaN when the reference made no error.
    pub fn skill(error: f64, reference: f64) -> f64 {
        match reference > 0.0 {
            true => 1.0 - error / reference,
            false => f64::NAN,
        }
    }

    /// For the manifest.
    pub fn held_out(&self, source: &str, horizon_seconds: u32) -> HeldOut {
        let mean = |sum: f64| rounded(sum / self.count as f64);
        let peak_skill = |q| rounded(self.peak.at(q).skill());
        let covered = |output: &OutputScore, q| mean(output.at(q).covered as f64);
        let losses = [&self.level, &self.peak].map(|output| (output.loss(), output.naive_loss()));
        HeldOut {
            source: source.to_owned(),
            horizon_seconds,
            forecasts: self.count,
            mae: mean(self.error),
            persistence_mae: mean(self.naive_errors[0]),
            best_naive_mae: mean(self.best_naive().1),
            pinball_skill: Some(rounded(Self::skill(
                losses[0].0 + losses[1].0,
                losses[0].1 + losses[1].1,
            ))),
            peak_q90_skill: peak_skill(0.9),
            peak_q95_skill: peak_skill(0.95),
            coverage_q90: covered(&self.level, 0.9),
            coverage_q95: Some(covered(&self.level, 0.95)),
            peak_coverage_q90: covered(&self.peak, 0.9),
            peak_coverage_q95: covered(&self.peak, 0.95),
            width: Some(mean(self.level.width)),
        }
    }
}

impl OutputScore {
    fn add(
        &mut self,
        actual: f64,
        served: &[f64],
        model: &[f64],
        reference: &[f64],
        thresholds: &[f64],
    ) {
        let quantiles: Vec<f64> = self.quantiles.iter().map(|sums| sums.quantile).collect();
        self.reliability.add(&quantiles, served, thresholds, actual);
        let width = |row: &[f64]| {
            let [low, high] = INTERVAL.map(|q| {
                let above = self
                    .quantiles
                    .partition_point(|known| known.quantile < q - 1e-9);
                row.get(above.min(row.len().saturating_sub(1)))
                    .copied()
                    .unwrap_or(f64::NAN)
            });
            high - low
        };
        let (served_width, reference_width) = (width(served), width(reference));
        self.width += served_width;
        self.naive_width += reference_width;
        for (index, sums) in self.quantiles.iter_mut().enumerate() {
            let q = sums.quantile;
            sums.loss += quantile::pinball(q, served[index], actual);
            sums.model_loss += quantile::pinball(q, model[index], actual);
            sums.naive_loss += quantile::pinball(q, reference[index], actual);
            sums.covered += u64::from(actual <= served[index]);
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.quantiles.is_empty() {
            *self = other.clone();
            return;
        }
        self.reliability.merge(&other.reliability);
        self.width += other.width;
        self.naive_width += other.naive_width;
        for (sums, other) in self.quantiles.iter_mut().zip(&other.quantiles) {
            sums.loss += other.loss;
            sums.model_loss += other.model_loss;
            sums.naive_loss += other.naive_loss;
            sums.covered += other.covered;
        }
    }

    /// The sums of one quantile; empty ones when the model doesn't answer it.
    pub fn at(&self, q: f64) -> QuantileScore {
        self.quantiles
            .iter()
            .find(|sums| (sums.quantile - q).abs() < 1e-9)
            .copied()
            .unwrap_or_default()
    }

    /// Pinball loss over all quantiles.
    pub fn loss(&self) -> f64 {
        self.quantiles.iter().map(|sums| sums.loss).sum()
    }

    /// The same of the naive reference.
    pub fn naive_loss(&self) -> f64 {
        self.quantiles.iter().map(|sums| sums.naive_loss).sum()
    }
}

impl QuantileScore {
    /// 1 - pinball loss over that of the naive reference.
    pub fn skill(&self) -> f64 {
        Score::skill(self.loss, self.naive_loss)
    }
}

/// The scores of each source at each horizon; those without a forecast are left out.
pub fn by_source(scores: &[SeriesScore]) -> Scores {
    let mut merged = Scores::new();
    for found in scores.iter().filter(|found| found.score.count > 0) {
        merged
            .entry((found.source.clone(), found.horizon_seconds))
            .or_default()
            .merge_series(&found.score);
    }
    merged
}

/// To four decimals: more would be noise in a card.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILES: [f64; 3] = [0.05, 0.9, 0.95];

    /// A series of one forecast whose median is off by `error`; persistence is off by 2.
    fn one(error: f64) -> Score {
        let row = |value: f64| [value - 1.0, value, value + 2.0];
        let (exact, off) = (row(10.0), row(14.0));
        let mut score = Score::new(&QUANTILES);
        score.add(&Scored {
            level: 10.0,
            peak: 14.0,
            thresholds: &[],
            daily_change: 4.0,
            median: 10.0 + error,
            model_median: 11.0,
            naive: [12.0, 13.0, 10.5, 15.0],
            served: Rows {
                level: &exact,
                peak: &off,
            },
            model: Rows {
                level: &exact,
                peak: &exact,
            },
            reference: Rows {
                level: &off,
                peak: &exact,
            },
        });
        score
    }

    #[test]
    fn losses_coverage_and_width_are_kept_for_each_quantile() {
        let score = one(0.0);
        let close = |left: f64, right: f64| (left - right).abs() < 1e-9;
        // q90 of the level was exact, the reference's 4 too high: 0.1 of it counts.
        let q90 = score.level.at(0.9);
        assert!(close(q90.loss, 0.0) && close(q90.naive_loss, 0.4));
        assert_eq!((q90.covered, score.level.at(0.05).covered), (1, 0));
        assert!(close(q90.skill(), 1.0));
        // q95 of the peak was 2 too high; the reference 2 too low.
        let q95 = score.peak.at(0.95);
        assert!(close(q95.loss, 0.1) && close(q95.naive_loss, 1.9) && close(q95.model_loss, 1.9));
        assert!(close(score.level.width, 3.0) && close(score.level.naive_width, 3.0));
        assert!(close(score.level.loss(), 0.05 * 1.0 + 0.0 + 0.05 * 2.0));
        assert_eq!(score.level.at(0.5), QuantileScore::default());
        assert!(score.level.at(0.5).skill().is_nan());
    }

    #[test]
    fn sums_of_series_count_those_that_lost() {
        let series = |name: &str, horizon_seconds, score| SeriesScore {
            source: "a".to_owned(),
            series: name.to_owned(),
            horizon_seconds,
            score,
        };
        let scores = by_source(&[
            series("good", 900, one(0.1)),
            series("between", 900, one(1.0)),
            series("bad", 900, one(3.0)),
            series("idle", 900, Score::new(&QUANTILES)),
            series("idle", 3_600, Score::new(&QUANTILES)),
        ]);
        assert_eq!(scores.len(), 1, "what has no forecast has no score");
        let score = &scores[&("a".to_owned(), 900)];
        assert_eq!(score.count, 3);
        let expected = SeriesCount {
            scored: 3,
            behind_persistence: 1,
            behind_best_naive: 2,
        };
        assert_eq!(score.series, expected);
        assert_eq!(score.best_naive(), (Naive::Ewma, 1.5));
        assert_eq!(score.level.at(0.9).covered, 3);
        let held_out = score.held_out("a", 900);
        assert_eq!(held_out.mae, 1.3667);
        assert_eq!(
            (held_out.persistence_mae, held_out.best_naive_mae),
            (2.0, 0.5)
        );
        assert_eq!((held_out.coverage_q90, held_out.width), (1.0, Some(3.0)));
        assert_eq!(held_out.peak_q95_skill, rounded(1.0 - 0.1 / 1.9));
    }
}
