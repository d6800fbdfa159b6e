//! What is known of how well one series is forecast: how far to trust the model, and by how much its quantiles miss.
//!
//! The caller carries it: it comes back with each answer and travels with the next request, so that the service keeps
//! nothing and a steady call costs one forecast. Each new sample settles the forecasts that are due ([`Track::settle`]),
//! and teaches the series' own linear model. Where there is none, past origins of the window are forecast again.

mod codec;
mod gate;
mod peak_mix;
mod targets;
mod track;

pub use codec::{decode, encode};
pub use gate::{Gate, Points, Record};
pub use peak_mix::{Duel, Sides};
pub use targets::{Target, Targets};
pub use track::{Pending, Served, Track};

use crate::{artifact::manifest::Output, naive::Naive};

/// A forecast as the model made it, for one origin and horizon. Percent of capacity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawForecast {
    /// One value for each [`Target`].
    pub values: Vec<f64>,
    /// Peak-hold with the quantiles of what it missed by, one value for each peak; NaN where impossible.
    pub holds: Vec<f64>,
    /// The level at the horizon that the series' own linear model expects; NaN while it has not learned enough.
    pub own: f64,
    /// Those of [`Naive::ALL`]; NaN where impossible.
    pub naive: [f64; Naive::ALL.len()],
    /// The scale at the origin.
    pub scale: f64,
}

/// What came. Percent of capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// CPU at the horizon.
    pub level: f64,
    /// The highest CPU up to it.
    pub peak: f64,
}

impl Outcome {
    /// Whether both are known.
    pub fn is_known(&self) -> bool {
        !self.level.is_nan() && !self.peak.is_nan()
    }

    /// Of `output`.
    pub fn of(&self, output: Output) -> f64 {
        match output {
            Output::Level => self.level,
            Output::Peak => self.peak,
        }
    }
}

/// All that is carried for one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The grid's step.
    pub step_seconds: u32,
    /// Time of the last grid point that was seen.
    pub last_seconds: i64,
    /// One for each horizon of the model, in its order.
    pub tracks: Vec<Track>,
}
