//! Present and past of a machine's use.

use std::ops::Range;

use jiff::Timestamp;
use sizing::past::Past;

/// The present use of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Time of the last sample that counts.
    pub observed_at: Timestamp,
    /// The last sample, percent of the current type, 0 to 100.
    pub cpu_percent: f64,
    /// The last value, percent.
    pub memory_percent: Option<f64>,
    /// The highest use in the window, MiB.
    pub memory_peak_mib: Option<f64>,
    /// The last value, bytes per second.
    pub disk_bytes_per_second: Option<f64>,
    /// CPU samples in the window.
    pub samples: u32,
    /// The time for which CPU has been at or above 95 percent without a break, seconds.
    pub saturated_seconds: u32,
    /// The same of memory in use; 0 where memory is unknown.
    pub memory_pressed_seconds: u32,
    /// The amount of CPU history.
    pub cpu_evidence: Evidence,
    /// The amount of history that the peak of memory rests on.
    pub memory_evidence: Evidence,
    /// Of the past hour, percent of the current type; above 100 when a larger type did more than the current one can.
    pub cpu_peak_last_hour_percent: Option<f64>,
    /// CPU that the host kept from the machine in the last hour, percent of it; no part of `cpu_percent`.
    pub steal_percent: Option<f64>,
    /// The age to which the last sample may grow until it is decided on.
    pub sample_age_limit_seconds: u32,
    /// What sizing rules look at, in vCPU, where the policy has any.
    pub past: Option<Past>,
}

/// The amount of history.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Evidence {
    /// From the first to the last sample.
    pub spanned_seconds: u32,
    /// One step for each sample, at most the time since the one before.
    pub observed_seconds: u32,
}

/// So much of a history goes into a forecast, seconds: with eight days models are scored, and seven are what their features
/// look at.
const ASKED_SECONDS: i64 = 8 * 86_400;

/// History of CPU. Both vectors have the same length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Seconds since the Unix epoch, strictly increasing.
    pub timestamps: Vec<i64>,
    /// Percent of the current type; above 100 where a larger type did more than this one can.
    pub cpu_percent: Vec<f64>,
    /// vCPUs of the current type.
    pub vcpus: Option<f64>,
    /// The largest value that `cpu_percent` could take in the window.
    pub capacity_percent: f64,
    /// Whether there may be more of it, which is not read yet.
    pub is_part: bool,
    /// The predictor's state for an earlier part of it; empty when there is none.
    pub calibration_state: Vec<u8>,
}

impl Series {
    /// The samples that go into a forecast.
    pub fn asked(&self) -> Range<usize> {
        let end = self.timestamps.last().copied().unwrap_or_default();
        let first = self
            .timestamps
            .partition_point(|at| *at < end - ASKED_SECONDS);
        first..self.timestamps.len()
    }
}
