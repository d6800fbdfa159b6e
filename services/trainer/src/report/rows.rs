//! Scores as rows for people and scripts: means and skills by source and horizon.

use forecasting::naive::Naive;
use serde::Serialize;

use crate::score::{
    self, OutputScore, Score, SeriesScore, reliability::Tenth, weekly::WeeklyScore,
};

/// One source at one horizon. Errors, losses and widths are means, in percent of capacity. Skill is 1 - loss over that
/// of the reference named; null when the reference made no error.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub source: String,
    pub horizon_seconds: u32,
    pub forecasts: u64,
    /// Series with at least one forecast.
    pub series: u32,
    /// Series on which persistence had a lower error.
    pub series_behind_persistence: u32,
    /// Series on which the naive forecast that was best there had a lower error.
    pub series_behind_best_naive: u32,
    /// Mean absolute error of the median.
    pub mae: f64,
    /// Mean absolute error over the mean change from day to day before the scored part; null where a series is shorter.
    pub mase: f64,
    /// Weighted quantile loss of the level: twice the pinball loss, mean over the quantiles, over the mean of what came.
    pub wql: f64,
    pub persistence_mae: f64,
    pub best_naive: Naive,
    pub best_naive_mae: f64,
    pub skill_persistence: f64,
    pub skill_best_naive: f64,
    /// Skill against persistence of the model's median before the series' own past had a say.
    pub skill_persistence_model_alone: f64,
    /// CPU at the horizon, against persistence with quantiles of what it missed by.
    pub level: OutputRow,
    /// The highest CPU up to it, against peak-hold with quantiles of what it missed by.
    pub peak: OutputRow,
    /// The highest CPU over hours, against the last week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<WeeklyRow>,
}

/// Quantiles of one output.
#[derive(Clone, Debug, Serialize)]
pub struct OutputRow {
    /// Pinball loss, mean over the quantiles.
    pub pinball: f64,
    pub naive_pinball: f64,
    pub pinball_skill: f64,
    /// Mean distance from q05 to q95: the sharpness.
    pub width: f64,
    pub naive_width: f64,
    /// By tenth of the stated probability.
    pub reliability: Vec<TenthRow>,
    /// The mean distance of what was stated from what came; null when nothing was stated.
    pub reliability_error: f64,
    pub quantiles: Vec<QuantileRow>,
}

/// What was stated to be about as likely: means.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TenthRow {
    pub statements: u64,
    pub stated: f64,
    pub came: f64,
}

impl TenthRow {
    fn new(tenth: &Tenth) -> Self {
        let n = tenth.count as f64;
        Self {
            statements: tenth.count,
            stated: tenth.stated / n,
            came: tenth.came as f64 / n,
        }
    }
}

/// One quantile.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QuantileRow {
    pub quantile: f64,
    pub pinball: f64,
    pub naive_pinball: f64,
    pub skill: f64,
    /// Skill before the series' own past had a say.
    pub skill_model_alone: f64,
    /// Share of outcomes at or below it.
    pub coverage: f64,
}

/// Skills at q50 and q85: 1 - pinball loss over that of the reference named.
#[derive(Clone, Debug, Serialize)]
pub struct WeeklyRow {
    pub forecasts: u64,
    /// Against the median of the week, whichever the quantile.
    pub over_median: [f64; 2],
    /// Against the same quantile of the week.
    pub over_quantile: [f64; 2],
}

impl WeeklyRow {
    /// `None` when nothing was scored.
    pub fn new(score: &WeeklyScore) -> Option<Self> {
        let skill = |losses: [f64; 2]| [0, 1].map(|at| Score::skill(score.loss[at], losses[at]));
        (score.count > 0).then(|| Self {
            forecasts: score.count,
            over_median: skill(score.median_loss),
            over_quantile: skill(score.quantile_loss),
        })
    }
}

/// One series at one horizon.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesRow {
    pub source: String,
    pub series: String,
    pub horizon_seconds: u32,
    pub forecasts: u64,
    pub mae: f64,
    pub skill_persistence: f64,
    pub skill_best_naive: f64,
    pub peak_q90_skill: f64,
    pub peak_q95_skill: f64,
}

/// By source and horizon.
pub fn rows(scores: &[SeriesScore]) -> Vec<Row> {
    score::by_source(scores)
        .iter()
        .map(|((source, horizon_seconds), score)| Row::new(source, *horizon_seconds, score))
        .collect()
}

/// All sources together, by horizon.
pub fn pooled(scores: &[SeriesScore]) -> Vec<Row> {
    let all = |found: &SeriesScore| SeriesScore {
        source: "all sources".to_owned(),
        ..found.clone()
    };
    rows(&scores.iter().map(all).collect::<Vec<_>>())
}

/// The row of a source at a horizon.
pub fn find<'a>(rows: &'a [Row], source: &str, horizon_seconds: u32) -> Option<&'a Row> {
    rows.iter()
        .find(|row| row.source == source && row.horizon_seconds == horizon_seconds)
}

impl Row {
    fn new(source: &str, horizon_seconds: u32, score: &Score) -> Self {
        let n = score.count as f64;
        let persistence = score.naive_errors[0];
        let (best_naive, best_error) = score.best_naive();
        Self {
            source: source.to_owned(),
            horizon_seconds,
            forecasts: score.count,
            series: score.series.scored,
            series_behind_persistence: score.series.behind_persistence,
            series_behind_best_naive: score.series.behind_best_naive,
            mae: score.error / n,
            mase: score.scaled_error / n,
            wql: 2.0 * score.level.loss() / score.level.quantiles.len() as f64 / score.actual,
            persistence_mae: persistence / n,
            best_naive,
            best_naive_mae: best_error / n,
            skill_persistence: Score::skill(score.error, persistence),
            skill_best_naive: Score::skill(score.error, best_error),
            skill_persistence_model_alone: Score::skill(score.model_error, persistence),
            level: OutputRow::new(&score.level, n),
            peak: OutputRow::new(&score.peak, n),
            weekly: WeeklyRow::new(&score.weekly),
        }
    }

    /// Minutes to the horizon.
    pub fn minutes(&self) -> u32 {
        self.horizon_seconds / 60
    }
}

impl OutputRow {
    fn new(output: &OutputScore, n: f64) -> Self {
        let quantiles = output.quantiles.len() as f64;
        Self {
            pinball: output.loss() / n / quantiles,
            naive_pinball: output.naive_loss() / n / quantiles,
            pinball_skill: Score::skill(output.loss(), output.naive_loss()),
            width: output.width / n,
            naive_width: output.naive_width / n,
            reliability: output.reliability.0.iter().map(TenthRow::new).collect(),
            reliability_error: output.reliability.error(),
            quantiles: output
                .quantiles
                .iter()
                .map(|sums| QuantileRow {
                    quantile: sums.quantile,
                    pinball: sums.loss / n,
                    naive_pinball: sums.naive_loss / n,
                    skill: sums.skill(),
                    skill_model_alone: Score::skill(sums.model_loss, sums.naive_loss),
                    coverage: sums.covered as f64 / n,
                })
                .collect(),
        }
    }

    /// The row of a quantile that the model answers.
    pub fn at(&self, q: f64) -> Option<&QuantileRow> {
        self.quantiles
            .iter()
            .find(|row| (row.quantile - q).abs() < 1e-9)
    }

    /// Its skill; NaN when the model doesn't answer it.
    pub fn skill_at(&self, q: f64) -> f64 {
        self.at(q).map_or(f64::NAN, |row| row.skill)
    }

    /// The share of outcomes at or below it; NaN when the model doesn't answer it.
    pub fn coverage_at(&self, q: f64) -> f64 {
        self.at(q).map_or(f64::NAN, |row| row.coverage)
    }
}

impl SeriesRow {
    /// Of one series.
    pub fn new(found: &SeriesScore) -> Self {
        let score = &found.score;
        Self {
            source: found.source.clone(),
            series: found.series.clone(),
            horizon_seconds: found.horizon_seconds,
            forecasts: score.count,
            mae: score.error / score.count as f64,
            skill_persistence: Score::skill(score.error, score.naive_errors[0]),
            skill_best_naive: Score::skill(score.error, score.best_naive().1),
            peak_q90_skill: score.peak.at(0.9).skill(),
            peak_q95_skill: score.peak.at(0.95).skill(),
        }
    }
}
