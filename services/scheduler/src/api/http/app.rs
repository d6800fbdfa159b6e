//! What the handlers work with.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::guard::AllowedHosts;
use crate::{
    context::Context,
    tick::{standing::StandingProbe, ticker::Ticker},
};

/// The state of all handlers.
#[derive(Clone)]
pub struct App {
    /// The surroundings of ticks.
    pub context: Context,
    /// Their runner.
    pub ticker: Arc<Ticker>,
    /// The question what holds resizes back.
    pub standing: StandingProbe,
    /// All metrics of this process.
    pub registry: Arc<Registry>,
    /// Names with dots under which the API may be called.
    pub hosts: AllowedHosts,
    /// A GET runs a tick for scripts on other machines, too.
    pub allow_get: bool,
}
