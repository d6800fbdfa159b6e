//! A batch of series in, a forecast for each out: grid, features, model, calibration, fallback.

mod answer;
mod assemble;
mod explain;
mod forecaster;
mod prepared;
mod question;
mod reason;
mod rebuild;
mod trust;

pub use answer::{Basis, Forecast, HorizonForecast, Source, Trailing};
pub use explain::Contribution;
pub use forecaster::Forecaster;
pub use prepared::outcome;
pub use rebuild::REBUILT_STRIDE_SECONDS;
