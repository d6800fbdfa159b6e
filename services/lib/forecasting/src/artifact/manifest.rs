//! `manifest.json`: what an artifact says of itself.

use serde::{Deserialize, Serialize};

use crate::artifact::model_json::Trees;

/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// The whole manifest. Durations are seconds, CPU is percent of capacity.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the artifact, such as `cpu`.
    pub name: String,
    /// Version of the artifact.
    pub version: String,
    /// Feature names in model order.
    pub features: Vec<String>,
    /// Grid steps that the model was trained on.
    #[serde(default)]
    pub steps_seconds: Vec<u32>,
    /// Horizons that it answers.
    #[serde(default)]
    pub horizons_seconds: Vec<u32>,
    /// Quantiles that it answers.
    #[serde(default)]
    pub quantiles: Vec<f64>,
    /// History below which the model isn't asked.
    #[serde(default)]
    pub least_history_seconds: u32,
    /// One file for each output.
    pub models: Vec<ModelFile>,
    /// What is added to the model's outputs, found on machines that it was not trained on.
    #[serde(default)]
    pub calibration: Vec<Calibration>,
    /// How much other machines change over each horizon: for those whose own history is too short to tell.
    #[serde(default)]
    pub usual_changes: Vec<UsualChanges>,
    /// What it was trained on.
    #[serde(default)]
    pub training: Training,
    /// Scores on data it was not trained on.
    #[serde(default)]
    pub held_out: Vec<HeldOut>,
    /// Rows that must be reproduced before the model is served.
    pub golden: Golden,
}

/// What a model file forecasts.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// CPU at the horizon.
    Level,
    /// The highest CPU up to the horizon.
    Peak,
}

/// A model file and what it is for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// File name within the artifact; `.gz` is compressed.
    pub file: String,
    /// SHA-256 of the file as it is stored, hexadecimal.
    pub sha256: String,
    /// What it forecasts: the change from now, divided by the view's scale.
    pub output: Output,
    /// Which quantile of it.
    pub quantile: f64,
    /// How many of its trees count.
    #[serde(default)]
    pub trees: Trees,
}

/// Offsets for one grid step and horizon, one for each model, in units of the view's scale.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Grid step.
    pub step_seconds: u32,
    /// Horizon.
    pub horizon_seconds: u32,
    /// In the order of the models.
    pub offsets: Vec<f64>,
}

/// Quantiles of change over a horizon, in percent of capacity, in the order of the manifest's quantiles.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UsualChanges {
    /// Horizon.
    pub horizon_seconds: u32,
    /// At the horizon.
    pub level: Vec<f64>,
    /// Of the highest value up to it.
    pub peak: Vec<f64>,
}

/// What a model was trained on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Seed of everything random.
    pub seed: u64,
    /// Threads; another number may sum in another order and give other bytes.
    pub threads: u32,
    /// The first part of each series, by time, that was trained on; the rest was held out.
    pub share: f64,
    /// What `trainer train` was told, places left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Sources of the data.
    pub sources: Vec<Source>,
}

/// A source of training data.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Series in it.
    pub series: u32,
    /// Rows drawn from it.
    pub rows: u64,
    /// Where it comes from and under which licence.
    pub licence: String,
}

/// Scores of one source at one horizon.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// Name of the source.
    pub source: String,
    /// Horizon.
    pub horizon_seconds: u32,
    /// Forecasts scored.
    pub forecasts: u64,
    /// Mean absolute error of the median.
    pub mae: f64,
    /// Mean absolute error of the last value.
    pub persistence_mae: f64,
    /// Mean absolute error of the best of the naive forecasts.
    pub best_naive_mae: f64,
    /// 1 - pinball loss over that of the naive reference, over all quantiles of level and peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinball_skill: Option<f64>,
    /// 1 - pinball loss of the peak's q90 over that of peak-hold with empirical residuals.
    pub peak_q90_skill: f64,
    /// The same for q95.
    pub peak_q95_skill: f64,
    /// Share of outcomes at or below q90.
    pub coverage_q90: f64,
    /// Share of outcomes at or below q95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage_q95: Option<f64>,
    /// Share of peaks at or below q90 of the peak.
    pub peak_coverage_q90: f64,
    /// Share of peaks at or below q95 of the peak.
    pub peak_coverage_q95: f64,
    /// Mean distance from q05 to q95 of the level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
}

/// Rows and what the models make of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// How far a prediction may be off.
    pub tolerance: f32,
    /// Feature values in model order; null is missing.
    pub rows: Vec<Vec<Option<f32>>>,
    /// For each model, in order: one prediction for each row.
    pub expected: Vec<Vec<f32>>,
}
