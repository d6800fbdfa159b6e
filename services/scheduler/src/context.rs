//! What ticks, resizes and the APIs have in common.

use std::sync::Arc;

use common::clock::SharedClock;

use crate::{domain::Target, events::Events, memory::state::State, metrics::Metrics, peers::Peers};

/// The surroundings of a tick.
#[derive(Clone)]
pub struct Context {
    /// Its time.
    pub clock: SharedClock,
    /// All that are configured.
    pub targets: Arc<[Target]>,
    /// The services behind the scheduler.
    pub peers: Peers,
    /// What was seen since the start.
    pub state: Arc<State>,
    /// What happens, for those who listen.
    pub events: Events,
    /// What the scheduler counts of itself.
    pub metrics: Metrics,
}
