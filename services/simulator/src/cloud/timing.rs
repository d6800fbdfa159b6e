//! How long things take.

use std::time::Duration;

/// How long things take.
#[derive(Clone, Debug)]
pub struct Timing {
    /// From stop accepted to stopped.
    pub stop: Duration,
    /// From start accepted to running.
    pub start: Duration,
    /// From running to the status checks' verdict.
    pub checks: Duration,
    /// From running to the SSM agent's registration.
    pub agent: Duration,
    /// A command.
    pub command: Duration,
}

impl Default for Timing {
    /// What a small Linux instance takes.
    fn default() -> Self {
        Self {
            stop: Duration::from_secs(35),
            start: Duration::from_secs(15),
            checks: Duration::from_secs(75),
            agent: Duration::from_secs(30),
            command: Duration::from_secs(20),
        }
    }
}

impl Timing {
    /// The same, so many times as fast.
    #[must_use]
    pub fn faster(factor: u32) -> Self {
        let usual = Self::default();
        let factor = factor.max(1);
        Self {
            stop: usual.stop / factor,
            start: usual.start / factor,
            checks: usual.checks / factor,
            agent: usual.agent / factor,
            command: usual.command / factor,
        }
    }
}
