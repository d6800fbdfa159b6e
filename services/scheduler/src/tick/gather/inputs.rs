//! What the question of a tick is answered from.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    memory::{state::State, targets::TargetMemories},
    peers::Peers,
    sources::Source,
};

/// What the question is answered from.
pub struct Inputs<'a> {
    /// Who describes, decides, and forecasts.
    pub peers: &'a Peers,
    /// Who measures.
    pub source: &'a dyn Source,
    /// What earlier ticks learned.
    pub state: &'a State,
    /// What earlier ticks kept of each target.
    pub memories: &'a TargetMemories,
    /// The end of the window.
    pub now: Timestamp,
    /// What is not known by then stays unknown.
    pub deadline: Instant,
}
