//! What `predictor evaluate` says about models: rows for people and scripts, made from scores.

pub mod bounds;
mod command;
mod examples;
mod html;
mod plot;
mod reference;
mod table;

use forecasting::{artifact::Artifact, naive::Naive};
use serde::Serialize;

use crate::score::{self, OutputScore, Score, SeriesScore};

pub use command::{EvaluateArgs, run, score};
pub use reference::{Comparison, Reference};
pub use table::table;

/// The scores of one or more models on the same series.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In the order they were named.
    pub models: Vec<ModelReport>,
}

/// The scores of one model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelReport {
    /// Where it was read from.
    pub model: String,
    /// Name in its manifest.
    pub name: String,
    /// Version in its manifest.
    pub version: String,
    /// SHA-256 over its files.
    pub sha256: String,
    /// By source and horizon.
    pub rows: Vec<Row>,
    /// By source, series and horizon.
    pub series: Vec<SeriesRow>,
    /// Against the reference, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

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
    pub quantiles: Vec<QuantileRow>,
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

impl ModelReport {
    /// Of `artifact`, which was read from `model`.
    pub fn new(model: String, artifact: &Artifact, scores: &[SeriesScore]) -> Self {
        Self {
            model,
            name: artifact.manifest.name.clone(),
            version: artifact.manifest.version.clone(),
            sha256: artifact.sha256.clone(),
            rows: rows(scores),
            series: scores
                .iter()
                .filter(|found| found.score.count > 0)
                .map(SeriesRow::new)
                .collect(),
            comparison: None,
        }
    }
}

/// By source and horizon.
pub fn rows(scores: &[SeriesScore]) -> Vec<Row> {
    score::by_source(scores)
        .iter()
        .map(|((source, horizon_seconds), score)| Row::new(source, *horizon_seconds, score))
        .collect()
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
            persistence_mae: persistence / n,
            best_naive,
            best_naive_mae: best_error / n,
            skill_persistence: Score::skill(score.error, persistence),
            skill_best_naive: Score::skill(score.error, best_error),
            skill_persistence_model_alone: Score::skill(score.model_error, persistence),
            level: OutputRow::new(&score.level, n),
            peak: OutputRow::new(&score.peak, n),
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
    fn new(found: &SeriesScore) -> Self {
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

#[cfg(test)]
pub mod testing {
    use super::*;
    use crate::score::{QuantileScore, SeriesCount};

    /// Scores of 1,000 forecasts: a perfectly calibrated model with mean error `mae`, persistence 2 and the best naive
    /// 1.6, pinball losses of `mae` / 2 against 1.
    pub fn score(mae: f64) -> Score {
        let output = OutputScore {
            quantiles: [0.05, 0.5, 0.9, 0.95]
                .map(|quantile| QuantileScore {
                    quantile,
                    loss: mae * 500.0,
                    model_loss: mae * 600.0,
                    naive_loss: 1_000.0,
                    covered: (quantile * 1_000.0) as u64,
                })
                .to_vec(),
            width: 10_000.0,
            naive_width: 12_000.0,
        };
        Score {
            count: 1_000,
            error: mae * 1_000.0,
            model_error: mae * 1_100.0,
            naive_errors: [2_000.0, 1_600.0, 1_800.0, 9_000.0],
            level: output.clone(),
            peak: output,
            series: SeriesCount::default(),
        }
    }

    /// A model whose `cells` are source, horizon and mean error.
    pub fn model(path: &str, cells: &[(&str, u32, f64)]) -> ModelReport {
        let scores: Vec<SeriesScore> = cells
            .iter()
            .map(|(source, horizon_seconds, mae)| SeriesScore {
                source: (*source).to_owned(),
                series: "one".to_owned(),
                horizon_seconds: *horizon_seconds,
                score: score(*mae),
            })
            .collect();
        ModelReport {
            model: path.to_owned(),
            name: "cpu".to_owned(),
            version: "1".to_owned(),
            sha256: "0123456789abcdef".to_owned(),
            rows: rows(&scores),
            series: scores.iter().map(SeriesRow::new).collect(),
            comparison: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::model;

    #[test]
    fn rows_are_means_and_skills() {
        let model = model("m", &[("a", 900, 1.0)]);
        let row = &model.rows[0];
        assert_eq!(
            (row.mae, row.persistence_mae, row.best_naive_mae),
            (1.0, 2.0, 1.6)
        );
        assert_eq!((row.skill_persistence, row.skill_best_naive), (0.5, 0.375));
        assert_eq!((row.series, row.series_behind_best_naive), (1, 0));
        assert_eq!((row.peak.pinball, row.peak.pinball_skill), (0.5, 0.5));
        assert_eq!((row.level.width, row.level.naive_width), (10.0, 12.0));
        assert_eq!(row.level.coverage_at(0.95), 0.95);
        assert!(row.level.skill_at(0.33).is_nan());
        let json = serde_json::to_value(&model).unwrap();
        assert_eq!(json["rows"][0]["best_naive"], "mean12");
        assert_eq!(json["series"][0]["peak_q95_skill"], 0.5);
    }
}
