//! What comes in: one machine's samples, checked.

mod fill;
pub mod grid;
pub mod history;

/// The most samples that one series may have.
pub const MAX_POINTS: usize = 1_000_000;

/// The history of one machine. Timestamps increase strictly, values are finite and within `0..=capacity`; whoever
/// builds one has checked that.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The caller's name for it.
    pub id: String,
    /// Sample times, seconds since the Unix epoch.
    pub timestamps_seconds: Vec<i64>,
    /// CPU use at each time, in the unit of `capacity`.
    pub cpu: Vec<f64>,
    /// The largest value that `cpu` can take.
    pub capacity: f64,
    /// What an earlier answer for this series returned; empty when there is none.
    pub calibration_state: Vec<u8>,
}
