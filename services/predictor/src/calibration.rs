//! What is known of how well one series is forecast: how far to trust the model, and by how much its quantiles miss.
//!
//! The caller carries it: it comes back with each answer and travels with the next request, so that the service keeps
//! nothing and a steady call costs one forecast. Each new sample settles the forecasts that are due ([`Track::settle`]),
//! and teaches the series' own linear model. Where there is none, past origins of the window are forecast again.

mod codec;
mod gate;
mod track;

pub use codec::{decode, encode};
pub use gate::{Gate, Record};
pub use track::{Pending, Served, Track};

use crate::{manifest::Output, naive::Naive, quantile};

/// An output of the model: which quantile of what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Of what.
    pub output: Output,
    /// Which.
    pub quantile: f64,
}

/// A forecast as the model made it, for one origin and horizon. Percent of capacity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawForecast {
    /// One value for each [`Target`].
    pub values: Vec<f64>,
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

/// Makes the values at `positions` (ascending in quantile) a valid row of quantiles.
pub fn order(positions: &[usize], values: &mut [f64]) {
    let mut row: Vec<f64> = positions.iter().map(|index| values[*index]).collect();
    quantile::repair(&mut row, 100.0);
    for (position, value) in positions.iter().zip(row) {
        values[*position] = value;
    }
}

/// The positions of an output's targets, ascending in quantile.
pub fn positions(targets: &[Target], output: Output) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..targets.len())
        .filter(|index| targets[*index].output == output)
        .collect();
    positions.sort_by(|left, right| targets[*left].quantile.total_cmp(&targets[*right].quantile));
    positions
}

/// The index of the level's median, or of the nearest there is.
pub fn median_of(targets: &[Target]) -> usize {
    let distance = |target: &Target| match target.output {
        Output::Level => (target.quantile - 0.5).abs(),
        Output::Peak => 9.0,
    };
    (0..targets.len())
        .min_by(|left, right| distance(&targets[*left]).total_cmp(&distance(&targets[*right])))
        .unwrap_or(0)
}
