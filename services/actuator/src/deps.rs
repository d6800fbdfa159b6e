//! What the service is given.

use std::{fmt, sync::Arc};

use common::clock::SharedClock;

use crate::cloud::Cloud;

/// What the service needs from outside.
#[derive(Clone)]
pub struct Deps {
    pub clock: SharedClock,
    pub cloud: Arc<dyn Cloud>,
}

impl fmt::Debug for Deps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Deps")
            .field("cloud", &self.cloud)
            .finish_non_exhaustive()
    }
}
