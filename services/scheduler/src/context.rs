//! What ticks, resizes and the APIs have in common.

use std::sync::Arc;

use common::clock::SharedClock;

use crate::{domain::Target, events::Events, memory::state::State, metrics::Metrics, peers::Peers};

/// The surroundings of a tick.
#[derive(Clone)]
pub struct Context {
    /// The scheduler's time.
    pub clock: SharedClock,
    /// All targets that are configured.
    pub targets: Arc<[Target]>,
    /// The services behind the scheduler.
    pub peers: Peers,
    /// The memory of this process.
    pub state: Arc<State>,
    /// The news, for those who listen.
    pub events: Events,
    /// The scheduler's own metrics.
    pub metrics: Metrics,
}
