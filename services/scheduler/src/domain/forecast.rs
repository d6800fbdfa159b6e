//! Forecasts, as far as the scheduler reads them.

use strum::IntoStaticStr;

/// A forecast on its way from the predictor to the decision service. The scheduler decides nothing by it; it shows where it
/// comes from, and keeps what it takes to judge it later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Name of the target.
    pub target_id: String,
    /// The origin of its numbers; absent when this version doesn't know.
    pub basis: Option<Basis>,
    /// The part that can be judged later; absent when the answer lacks what that takes.
    pub issued: Option<Issued>,
    /// The state that the predictor wants back with the next request for this series. Nobody else has a use for it.
    pub calibration_state: Vec<u8>,
    /// The whole of it as the predictor encoded it, for the decision service.
    pub encoded: Vec<u8>,
}

/// The origin of the numbers of a forecast.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    /// The model.
    Model,
    /// The model and naive forecasts.
    Mixed,
    /// Naive forecasts.
    Naive,
}

impl Basis {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A forecast, as far as it can be judged later.
#[derive(Clone, Debug, PartialEq)]
pub struct Issued {
    /// Time of its last sample, seconds since the Unix epoch.
    pub origin: i64,
    /// That sample, which is what persistence forecasts.
    pub last: f64,
    /// Seconds between the points that it speaks of.
    pub step_seconds: u32,
    /// One for each horizon.
    pub promises: Vec<Promise>,
}

/// What was forecast for one horizon, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// Seconds after the origin.
    pub horizon_seconds: u32,
    /// CPU at the horizon.
    pub point: f64,
    /// Its 0.9 quantile.
    pub level_q90: Option<f64>,
    /// The 0.9 quantile of the highest CPU up to it.
    pub peak_q90: Option<f64>,
    /// The 0.95 quantile of that.
    pub peak_q95: Option<f64>,
}
