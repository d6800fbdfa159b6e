//! What the question of a tick is answered from.

use jiff::Timestamp;
use tokio::time::Instant;

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
    /// The end of the window.
    pub now: Timestamp,
    /// The time after which what is not known stays unknown.
    pub deadline: Instant,
}
