//! What one call sends beyond the request that was paid for.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use common::clock::SharedClock;

use super::{
    bucket::Bucket,
    state::{Family, State},
};
use crate::cloud::requests::Meter;

/// What one call sends beyond its first request. The first is paid for before; a further one goes out while AWS's own
/// time limits run, so it is not held up but made up for: by the next page, or the next call.
pub(super) struct Tab {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) clock: SharedClock,
    pub(super) family: Family,
    pub(super) reserve: f64,
}

impl Tab {
    fn bucket<T>(&self, with: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        with(state.bucket(self.family))
    }
}

#[async_trait]
impl Meter for Tab {
    fn further(&self) {
        let now = self.clock.now();
        self.bucket(|bucket| bucket.charge(self.reserve, now));
    }

    async fn pause(&self) {
        loop {
            let now = self.clock.now();
            match self.bucket(|bucket| bucket.debt(now)) {
                None => return,
                Some(wait) => self.clock.sleep(wait).await,
            }
        }
    }
}
