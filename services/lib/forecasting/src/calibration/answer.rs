//! What the model said, and what came.

use crate::{artifact::manifest::Output, naive::Naive};

/// A forecast as the model made it, for one origin and horizon. Percent of capacity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawForecast {
    /// One value for each [`Target`](super::Target).
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
