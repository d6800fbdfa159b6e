//! What is carried for a series.

use super::track::Track;

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
