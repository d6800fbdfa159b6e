//! Waits that don't mind when the wall clock is set: one timer for each target and direction in cooldown.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::clock::{Moment, SharedClock};

use crate::fleet::direction::Direction;

type Key = (String, Direction);

/// Timers on the monotonic side of the clock. A wall clock that jumps ahead ends a cooldown on paper; the timer, while
/// this process lives, says how long it really was.
#[derive(Clone, Debug)]
pub struct Stopwatches {
    clock: SharedClock,
    ends: Arc<Mutex<HashMap<Key, Moment>>>,
}

impl Stopwatches {
    /// None runs.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            ends: Arc::default(),
        }
    }

    /// Starts one, in place of an earlier one of the same target and direction.
    pub fn start(&self, target_id: &str, direction: Direction, duration: Duration) {
        let key = (target_id.to_owned(), direction);
        let end = self.clock.monotonic() + duration;
        self.ends().insert(key, end);
    }

    /// Whether the one of this target and direction has not run out.
    pub fn running(&self, target_id: &str, direction: Direction) -> bool {
        let key = (target_id.to_owned(), direction);
        let now = self.clock.monotonic();
        let mut ends = self.ends();
        let running = ends.get(&key).is_some_and(|end| now < *end);
        if !running {
            ends.remove(&key);
        }
        running
    }

    /// Forgets all, because the policy changed: the wall clock alone counts until the next resize.
    pub fn clear(&self) {
        self.ends().clear();
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<Key, Moment>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use common::clock::ManualClock;
    use jiff::Timestamp;

    use super::*;

    #[tokio::test]
    async fn runs_for_its_time_and_then_is_gone() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let watches = Stopwatches::new(Arc::new(clock.clone()));
        watches.start("web-1", Direction::Up, Duration::from_secs(600));
        clock.advance(Duration::from_secs(599));
        assert!(watches.running("web-1", Direction::Up));
        assert!(!watches.running("web-1", Direction::Down));
        assert!(!watches.running("web-2", Direction::Up));
        clock.advance(Duration::from_secs(1));
        assert!(!watches.running("web-1", Direction::Up));
        assert!(watches.ends().is_empty());
    }

    #[tokio::test]
    async fn the_newest_counts() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let watches = Stopwatches::new(Arc::new(clock.clone()));
        watches.start("web-1", Direction::Up, Duration::from_secs(600));
        watches.start("web-1", Direction::Up, Duration::ZERO);
        assert!(!watches.running("web-1", Direction::Up));
    }
}
