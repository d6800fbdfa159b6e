//! What every schedule has: a machine and two types.

use std::time::Duration;

pub const ID: &str = "i-0123456789abcdef0";
pub const FROM: &str = "t3.small";
pub const TARGET: &str = "t3.medium";
/// Between a crash and the next process.
pub const OUTAGE: Duration = Duration::from_secs(20);
