//! Messages to values, checked field by field, and back.

use std::collections::HashSet;

use common::{request::Fields, status::FieldViolation, time};
use forecasting::{
    artifact::{Artifact, manifest::Manifest},
    forecast::{Basis, Contribution, Forecast, Source},
    series::{MAX_POINTS, Series},
};
use jiff::Timestamp;
use proto::predictor::v1::{
    CalibrationSource, Contribution as ContributionMessage, ForecastBasis, ForecastRequest,
    ForecastResponse, GetModelResponse, HeldOutScore, HistoryUsed, HorizonForecast, ModelIdentity,
    QuantileValue, Series as SeriesMessage, SeriesForecast, TrailingScore, TrainingSource,
};

use crate::store::Loaded;

/// How much one request may ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Series in a request.
    pub series: usize,
    /// Samples in a series.
    pub points: usize,
    /// Characters of a series' id.
    pub id_characters: usize,
    /// Contributions to a point forecast.
    pub contributions: u32,
    /// Bytes of a series' calibration state.
    pub state_bytes: usize,
    /// Violations that are reported; the rest would only repeat them.
    pub violations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 1_000,
            points: MAX_POINTS,
            id_characters: 256,
            contributions: 20,
            state_bytes: 64 * 1024,
            violations: 20,
        }
    }
}

/// A request, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// At least one.
    pub series: Vec<Series>,
    /// Ascending, of the model's.
    pub horizons_seconds: Vec<u32>,
    /// Ascending, of the model's.
    pub quantiles: Vec<f64>,
    /// How many contributions to each point forecast are wanted.
    pub explain_top: usize,
}

/// Values that exceed the capacity by less than this share of it are rounding, and clipped.
const ROUNDING: f64 = 1e-6;

/// Checks `request` against `limits` and what the model can answer.
///
/// # Errors
/// Every bad field, up to the limit.
pub fn question(
    request: ForecastRequest,
    artifact: &Artifact,
    limits: &Limits,
) -> Result<Question, Vec<FieldViolation>> {
    let mut violations = Fields::at_most(limits.violations);
    let manifest = &artifact.manifest;
    let horizons_seconds = horizons(&request.horizons_seconds, manifest, &mut violations);
    let quantiles = quantiles(&request.quantiles, manifest, &mut violations);
    if request.explain_top > limits.contributions {
        let what = format!(
            "is {}, send at most {}",
            request.explain_top, limits.contributions
        );
        violations.bad("explain_top", what);
    }
    let count = request.series.len();
    if count == 0 {
        violations.bad("series", "is empty, send 1 to 1000");
    } else if count > limits.series {
        let what = format!("has {count} entries, send at most {}", limits.series);
        violations.bad("series", what);
    }
    let mut ids = HashSet::new();
    let mut series = Vec::with_capacity(count.min(limits.series));
    for (index, message) in request.series.into_iter().take(limits.series).enumerate() {
        let path = format!("series[{index}]");
        let before = violations.count();
        let checked = check(&path, message, limits, &mut violations);
        if violations.count() == before && !ids.insert(checked.id.clone()) {
            violations.bad(format!("{path}.series_id"), "is in the request twice");
        }
        if violations.is_full() {
            break;
        }
        series.push(checked);
    }
    violations.finish(Question {
        series,
        horizons_seconds,
        quantiles,
        explain_top: request.explain_top as usize,
    })
}

fn horizons(asked: &[u32], manifest: &Manifest, violations: &mut Fields) -> Vec<u32> {
    let known = &manifest.horizons_seconds;
    if asked.is_empty() {
        return known.clone();
    }
    for (index, horizon) in asked.iter().enumerate() {
        if !known.contains(horizon) {
            violations.bad(
                format!("horizons_seconds[{index}]"),
                format!("is {horizon}, the model knows {known:?}"),
            );
        }
    }
    known
        .iter()
        .copied()
        .filter(|horizon| asked.contains(horizon))
        .collect()
}

fn quantiles(asked: &[f64], manifest: &Manifest, violations: &mut Fields) -> Vec<f64> {
    let known = &manifest.quantiles;
    if asked.is_empty() {
        return known.clone();
    }
    let same = |left: f64, right: f64| (left - right).abs() < 1e-9;
    for (index, q) in asked.iter().enumerate() {
        if !known.iter().any(|known| same(*known, *q)) {
            violations.bad(
                format!("quantiles[{index}]"),
                format!("is {q}, the model knows {known:?}"),
            );
        }
    }
    known
        .iter()
        .copied()
        .filter(|known| asked.iter().any(|q| same(*known, *q)))
        .collect()
}

fn check(path: &str, message: SeriesMessage, limits: &Limits, violations: &mut Fields) -> Series {
    let characters = message.series_id.chars().count();
    if characters == 0 || characters > limits.id_characters {
        violations.bad(
            format!("{path}.series_id"),
            format!(
                "has {characters} characters, send 1 to {}",
                limits.id_characters
            ),
        );
    }
    let capacity = if message.capacity == 0.0 {
        100.0
    } else {
        message.capacity
    };
    if !(1e-6..=1e9).contains(&capacity) {
        let what = format!("is {capacity}, send 0 for percent or the vCPU count");
        violations.bad(format!("{path}.capacity"), what);
    }
    let times = &message.timestamps_seconds;
    if times.is_empty() {
        violations.bad(format!("{path}.timestamps_seconds"), "is empty");
    } else if times.len() > limits.points {
        let what = format!(
            "has {} entries, send at most {}",
            times.len(),
            limits.points
        );
        violations.bad(format!("{path}.timestamps_seconds"), what);
    }
    if let Some(index) = times
        .iter()
        .position(|time| Timestamp::from_second(*time).is_err())
    {
        let what = format!(
            "is {}, which is no time in seconds since 1970",
            times[index]
        );
        violations.bad(format!("{path}.timestamps_seconds[{index}]"), what);
    }
    if let Some(index) = times.windows(2).position(|pair| pair[0] >= pair[1]) {
        let what = format!("is {}, not after the one before", times[index + 1]);
        violations.bad(format!("{path}.timestamps_seconds[{}]", index + 1), what);
    }
    let most = capacity * (1.0 + ROUNDING);
    check_values(
        path,
        "cpu",
        &message.cpu,
        times.len(),
        false,
        most,
        violations,
    );
    for (field, values, most) in [
        ("memory_percent", &message.memory_percent, 100.0),
        (
            "disk_bytes_per_second",
            &message.disk_bytes_per_second,
            f64::MAX,
        ),
        ("cpu_max", &message.cpu_max, most),
        (
            "network_bytes_per_second",
            &message.network_bytes_per_second,
            f64::MAX,
        ),
        ("load_average", &message.load_average, f64::MAX),
    ] {
        if !values.is_empty() {
            check_values(path, field, values, times.len(), true, most, violations);
        }
    }
    let state = message.calibration_state.len();
    if state > limits.state_bytes {
        let what = format!("has {state} bytes, send at most {}", limits.state_bytes);
        violations.bad(format!("{path}.calibration_state"), what);
    }
    let mut cpu = message.cpu;
    for value in &mut cpu {
        *value = value.min(capacity);
    }
    Series {
        id: message.series_id,
        timestamps_seconds: message.timestamps_seconds,
        cpu,
        capacity,
        calibration_state: message.calibration_state,
    }
}

fn check_values(
    path: &str,
    field: &str,
    values: &[f64],
    expected: usize,
    may_be_unknown: bool,
    most: f64,
    violations: &mut Fields,
) {
    if values.len() != expected {
        let what = format!("has {} entries for {expected} timestamps", values.len());
        violations.bad(format!("{path}.{field}"), what);
    }
    for (index, value) in values.iter().enumerate() {
        let fine = (0.0..=most).contains(value) || (may_be_unknown && value.is_nan());
        if !fine {
            let what = match value.is_finite() {
                true => format!("is {value}, send 0 to {most:.6}"),
                false => format!("is {value}, send a finite number"),
            };
            violations.bad(format!("{path}.{field}[{index}]"), what);
            if violations.is_full() {
                return;
            }
        }
    }
}

/// What moved the forecasts of one series: a list for each horizon.
pub type Explanation = Vec<Vec<Contribution>>;

/// The answer to `question`; `explanations` has an entry for each series, or none at all.
pub fn response(
    question: Question,
    forecasts: Vec<Forecast>,
    explanations: Vec<Explanation>,
    loaded: &Loaded,
) -> ForecastResponse {
    let quantiles = question.quantiles;
    let explanations = explanations
        .into_iter()
        .map(Some)
        .chain(std::iter::repeat(None));
    ForecastResponse {
        forecasts: question
            .series
            .into_iter()
            .zip(forecasts.iter().zip(explanations))
            .map(|(series, (forecast, explanation))| {
                let mut answer = series_forecast(series.id, forecast, &quantiles);
                for (horizon, found) in answer
                    .horizons
                    .iter_mut()
                    .zip(explanation.unwrap_or_default())
                {
                    horizon.contributions = found.into_iter().map(contribution).collect();
                }
                answer
            })
            .collect(),
        model: Some(identity(loaded.forecaster.artifact())),
    }
}

fn contribution(found: Contribution) -> ContributionMessage {
    ContributionMessage {
        feature: found.feature,
        value: found.value,
        contribution: found.contribution,
        sentence: found.sentence,
    }
}

fn series_forecast(series_id: String, forecast: &Forecast, quantiles: &[f64]) -> SeriesForecast {
    let basis = match forecast.basis {
        Basis::Model => ForecastBasis::Model,
        Basis::Mixed => ForecastBasis::Mixed,
        Basis::Naive => ForecastBasis::Naive,
    };
    let row = |values: &[f64]| -> Vec<QuantileValue> {
        quantiles
            .iter()
            .zip(values)
            .map(|(quantile, value)| QuantileValue {
                quantile: *quantile,
                value: *value,
            })
            .collect()
    };
    SeriesForecast {
        series_id,
        basis: basis.into(),
        basis_reason: forecast.reason.clone(),
        origin: Timestamp::from_second(forecast.origin_seconds)
            .ok()
            .map(time::to_proto),
        last_cpu: forecast.last_cpu,
        horizons: forecast
            .horizons
            .iter()
            .map(|horizon| HorizonForecast {
                horizon_seconds: horizon.horizon_seconds,
                at_horizon: row(&horizon.level),
                peak: row(&horizon.peak),
                point: horizon.point,
                trailing: horizon.trailing.map(|trailing| TrailingScore {
                    outcomes: trailing.outcomes,
                    mae: trailing.mae,
                    naive_mae: trailing.naive_mae,
                    naive: trailing.naive.name().to_owned(),
                    model_weight: horizon.model_weight,
                    coverage_q90: trailing.coverage[0],
                    coverage_q95: trailing.coverage[1],
                    peak_coverage_q90: trailing.coverage[2],
                    peak_coverage_q95: trailing.coverage[3],
                    skill: trailing.skill,
                }),
                ..Default::default()
            })
            .collect(),
        history: Some(HistoryUsed {
            step_seconds: forecast.step_seconds,
            observed_points: forecast.observed_points as u32,
            missing_points: forecast.missing_points as u32,
            span_seconds: forecast.span_seconds,
        }),
        calibration_state: forecast.calibration_state.clone(),
        calibration_source: match forecast.calibration_source {
            Source::Carried => CalibrationSource::Carried,
            Source::Rebuilt => CalibrationSource::Rebuilt,
            Source::None => CalibrationSource::None,
        }
        .into(),
        calibration_reason: forecast.calibration_reason.clone(),
        skill: forecast.skill,
    }
}

/// Which model.
pub fn identity(artifact: &Artifact) -> ModelIdentity {
    ModelIdentity {
        name: artifact.manifest.name.clone(),
        version: artifact.manifest.version.clone(),
        sha256: artifact.sha256.clone(),
    }
}

/// The card of a model.
pub fn card(loaded: &Loaded) -> GetModelResponse {
    let artifact = loaded.forecaster.artifact();
    let manifest = &artifact.manifest;
    GetModelResponse {
        model: Some(identity(artifact)),
        features: manifest.features.clone(),
        horizons_seconds: manifest.horizons_seconds.clone(),
        quantiles: manifest.quantiles.clone(),
        training_sources: manifest
            .training
            .sources
            .iter()
            .map(|source| TrainingSource {
                name: source.name.clone(),
                series: source.series,
                rows: source.rows,
            })
            .collect(),
        held_out_scores: manifest
            .held_out
            .iter()
            .map(|score| HeldOutScore {
                source: score.source.clone(),
                horizon_seconds: score.horizon_seconds,
                mae: score.mae,
                persistence_mae: score.persistence_mae,
                skill: 1.0 - score.mae / score.persistence_mae,
                coverage_q90: score.coverage_q90,
                forecasts: score.forecasts,
                peak_coverage_q90: score.peak_coverage_q90,
            })
            .collect(),
        loaded_at: Some(time::to_proto(loaded.loaded_at)),
        manifest_json: artifact.manifest_json.clone(),
    }
}
