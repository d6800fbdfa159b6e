//! The step: the grid of all pasts and replays.

/// Length of a step, in seconds.
pub const SECONDS: u32 = 300;
/// Steps of an hour.
pub const HOUR: usize = 12;
/// Steps of a day.
pub const DAY: usize = 24 * HOUR;
