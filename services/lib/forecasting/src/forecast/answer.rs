//! What is said of a series.

use strum::IntoStaticStr;

use crate::naive::Naive;

/// Where a forecast comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    /// The trained model.
    Model,
    /// The model mixed with a naive forecast.
    Mixed,
    /// What the series itself did before.
    Naive,
}

impl Basis {
    /// For labels.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Where the calibration of an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the request.
    Carried,
    /// From the window: past origins were forecast again.
    Rebuilt,
    /// There is none.
    None,
}

/// The forecast of one series, in the unit of the series.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Where the numbers come from.
    pub basis: Basis,
    /// Why, one sentence.
    pub reason: String,
    /// Time of the last sample, seconds since the Unix epoch.
    pub origin_seconds: i64,
    /// The last value on the grid.
    pub last_cpu: f64,
    /// In ascending order of the horizon.
    pub horizons: Vec<HorizonForecast>,
    /// The grid's step.
    pub step_seconds: u32,
    /// Grid points with a sample.
    pub observed_points: usize,
    /// Grid points without.
    pub missing_points: usize,
    /// From the first sample to the last.
    pub span_seconds: u64,
    /// That of the series.
    pub capacity: f64,
    /// What to send with the next request; empty when there is none.
    pub calibration_state: Vec<u8>,
    /// Where the calibration comes from.
    pub calibration_source: Source,
    /// Why not from the request; empty when it does.
    pub calibration_reason: String,
    /// The best skill of the horizons asked for; `None` while too few outcomes are known to tell.
    pub skill: Option<f64>,
}

/// What is forecast for one horizon. Values belong to the quantiles asked for, never decrease, and lie within
/// `0..=capacity`.
#[derive(Clone, Debug, PartialEq)]
pub struct HorizonForecast {
    /// Seconds after the origin.
    pub horizon_seconds: u32,
    /// CPU at the horizon.
    pub level: Vec<f64>,
    /// The highest CPU up to the horizon.
    pub peak: Vec<f64>,
    /// The median of the level.
    pub point: f64,
    /// What the model said, one value for each target, in percent of capacity; `None` when it wasn't asked.
    pub model: Option<Vec<f64>>,
    /// Weight of the model in the point, that of the series' own linear model included, 0 to 1; 0 when it wasn't asked.
    pub model_weight: f64,
    /// The same without the series' own.
    pub global_weight: f64,
    /// How past ones did; `None` while nothing is known.
    pub trailing: Option<Trailing>,
}

/// How forecasts for a horizon did lately, recent ones counting more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trailing {
    /// Forecasts with a known outcome, fading.
    pub outcomes: f64,
    /// Mean absolute error of the point forecast, in the unit of the series.
    pub mae: f64,
    /// The same of the model's median, before the gate.
    pub model_mae: f64,
    /// The same of the best naive forecast.
    pub naive_mae: f64,
    /// Which that is.
    pub naive: Naive,
    /// How much better the point was than the best naive forecast that knows no rhythm: 1 - error / its error.
    pub skill: f64,
    /// Share of outcomes at or below q90 and q95, of peaks at or below those of the peak.
    pub coverage: [f64; 4],
}
