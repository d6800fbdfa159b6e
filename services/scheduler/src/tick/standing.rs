//! Asks what holds resizes back now: each part is asked where it is kept.

use std::sync::Arc;

use super::lease::LeaseKeeper;
use crate::{
    context::Context,
    domain::{Standing, Unanswered},
    sources::Source,
};

/// A question to all who may hold resizes back.
#[derive(Clone)]
pub struct StandingProbe {
    context: Context,
    source: Arc<dyn Source>,
    lease: Arc<LeaseKeeper>,
}

impl StandingProbe {
    /// A question to these.
    pub fn new(context: Context, source: Arc<dyn Source>, lease: Arc<LeaseKeeper>) -> Self {
        Self {
            context,
            source,
            lease,
        }
    }

    /// Asks actuator and decision service at once, within the time of a health probe, and shows the answers as metrics.
    pub async fn ask(&self) -> Standing {
        let peers = &self.context.peers;
        let (limits, pauses) = futures::join!(peers.actuator.limits(), peers.decision.pauses());
        let standing = Standing {
            dry_run: match &limits {
                Ok(limits) => Some(limits.dry_run),
                Err(_) => self.context.state.known_dry_run(),
            },
            limits: limits.map_err(|error| Unanswered(error.to_string())),
            pauses: pauses.map_err(|error| Unanswered(error.to_string())),
            source: self.source.reach(),
            lease_epoch: self.lease.epoch(),
        };
        self.context.metrics.standing(&standing);
        standing
    }
}
