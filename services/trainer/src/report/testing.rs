//! Reports of made-up models.

use super::{
    model::ModelReport,
    rows::{SeriesRow, pooled, rows},
};
use crate::score::{
    OutputScore, QuantileScore, Score, SeriesCount, SeriesScore, reliability::Reliability,
    weekly::WeeklyScore,
};

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
        reliability: Reliability::default(),
        width: 10_000.0,
        naive_width: 12_000.0,
    };
    Score {
        count: 1_000,
        error: mae * 1_000.0,
        scaled_error: mae * 250.0,
        actual: 20_000.0,
        model_error: mae * 1_100.0,
        naive_errors: [2_000.0, 1_600.0, 1_800.0, 9_000.0],
        level: output.clone(),
        peak: output,
        weekly: WeeklyScore::default(),
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
        pooled: pooled(&scores),
        comparison: None,
    }
}
