//! What is said of one horizon.

/// Quantiles of the level at a horizon, and of the highest up to there. Percent of capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// At the horizon.
    pub level: Vec<f64>,
    /// The highest up to it.
    pub peak: Vec<f64>,
}

impl Rows {
    pub(super) fn pair(&self) -> [&[f64]; 2] {
        [&self.level, &self.peak]
    }
}
