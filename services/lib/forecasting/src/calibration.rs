//! What is known of how well one series is forecast: how far to trust the model, and by how much its quantiles miss.
//!
//! The caller carries it: it comes back with each answer and travels with the next request, so that the service keeps
//! nothing and a steady call costs one forecast. Each new sample settles the forecasts that are due ([`Track::settle`]),
//! and teaches the series' own linear model. Where there is none, past origins of the window are forecast again.

mod answer;
mod codec;
mod gate;
mod peak_mix;
mod state;
mod targets;
mod track;

pub use answer::{Outcome, RawForecast};
pub use codec::{Unusable, decode, encode};
pub use gate::{Gate, Points, Record};
pub use peak_mix::{PeakForecasts, PeakMix};
pub use state::Calibration;
pub use targets::{Target, Targets};
pub use track::{Pending, Served, Track};
