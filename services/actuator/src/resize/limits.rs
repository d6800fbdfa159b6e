//! How long a resize waits for what.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long to wait for what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Limits {
    /// Between two looks.
    pub poll: Duration,
    /// A stop that takes longer is given up.
    pub stop: Duration,
    /// A start that takes longer is reported.
    pub start: Duration,
    /// Status checks that take longer roll back.
    pub check: Duration,
    /// What is seen is rarely older than this.
    pub settle: Duration,
    /// A machine that was stopped and isn't found for this long is gone. Long, for a wrong region or account looks just
    /// the same.
    pub missing: Duration,
    /// First pause before a call is repeated; each further one is twice as long.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// Refusals of one type before the next rung is tried.
    pub tries_per_type: u32,
    /// Failures of a call that still can be given up.
    pub tries_before_stop: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(5),
            stop: Duration::from_secs(600),
            start: Duration::from_secs(300),
            check: Duration::from_secs(600),
            settle: Duration::from_secs(60),
            missing: Duration::from_secs(3_600),
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(60),
            tries_per_type: 3,
            tries_before_stop: 5,
        }
    }
}

impl Limits {
    /// Before a call is repeated: 0 is no pause, 1 the first one.
    pub(super) fn pause(&self, exponent: u32) -> Duration {
        match exponent {
            0 => Duration::ZERO,
            exponent => self
                .first_pause
                .saturating_mul(1 << (exponent - 1).min(10))
                .min(self.longest_pause),
        }
    }
}
