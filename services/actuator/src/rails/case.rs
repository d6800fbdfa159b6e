//! A case: all that rails judge a resize by.

use std::time::Duration;

use jiff::Timestamp;

use super::{decisions::Decisions, history::Recent};

/// A resize that would begin now.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub instance_id: &'a str,
    /// Reaches back a day.
    pub recent: &'a [Recent],
    pub decisions: &'a Decisions,
    pub limits: Limits,
    pub now: Timestamp,
}

/// The numbers of `actuator.limits` that rails count against.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Resizes that may begin within a day; 0 is no limit.
    pub instance_per_day: u32,
    pub fleet_per_day: u32,
    /// Resizes that were rolled back or fell back within the window open the breaker; 0 turns it off.
    pub breaker_failures: u32,
    pub breaker_window: Duration,
    /// It closes by itself this long after the failure that opened it.
    pub breaker_pause: Duration,
}

#[cfg(test)]
impl Default for Limits {
    /// None.
    fn default() -> Self {
        Self {
            instance_per_day: 0,
            fleet_per_day: 0,
            breaker_failures: 0,
            breaker_window: Duration::from_secs(3_600),
            breaker_pause: Duration::from_secs(7_200),
        }
    }
}
