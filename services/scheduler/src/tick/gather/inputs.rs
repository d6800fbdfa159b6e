//! What the question of a tick is answered from.

use std::time::Duration;

use common::clock::{Clock, Elapsed, Moment};
use jiff::Timestamp;

use crate::{
    memory::{state::State, targets::TargetMemories},
    peers::Peers,
    sources::Source,
};

/// The sources of all answers.
pub struct Inputs<'a> {
    /// The services that describe, decide, and forecast.
    pub peers: &'a Peers,
    /// The source of metrics.
    pub source: &'a dyn Source,
    /// The knowledge of earlier ticks.
    pub state: &'a State,
    /// The same of each target.
    pub memories: &'a TargetMemories,
    /// The scheduler's time.
    pub clock: &'a dyn Clock,
    /// The end of the window.
    pub now: Timestamp,
    /// The time from `now` to the last decision, at most.
    pub timeout: Duration,
    /// The time after which what is not known stays unknown.
    pub deadline: Moment,
}

impl Inputs<'_> {
    /// What `work` returns, if it does before the deadline.
    pub(super) async fn in_time<F: Future>(&self, work: F) -> Result<F::Output, Elapsed> {
        self.clock.timeout_at(self.deadline, work).await
    }
}
