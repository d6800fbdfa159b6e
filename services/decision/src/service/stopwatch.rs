//! Waits that don't mind when the wall clock is set: one timer for each target and direction in cooldown.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use common::clock::SharedClock;

use crate::fleet::direction::Direction;

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;
type Key = (String, Direction);

/// Timers on the monotonic side of the clock. A wall clock that jumps ahead ends a cooldown on paper; the timer, while
/// this process lives, says how long it really was.
#[derive(Clone)]
pub struct Stopwatches {
    clock: SharedClock,
    timers: Arc<Mutex<HashMap<Key, Timer>>>,
}

impl Stopwatches {
    /// None runs.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            timers: Arc::default(),
        }
    }

    /// Starts one, in place of an earlier one of the same target and direction.
    pub fn start(&self, target_id: &str, direction: Direction, duration: Duration) {
        let key = (target_id.to_owned(), direction);
        let clock = self.clock.clone();
        let mut timer: Timer = Box::pin(async move { clock.sleep(duration).await });
        // The clock counts from the first poll. Nobody waits, so nobody has to be woken: `running` polls again.
        let over = poll(&mut timer);
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        if over {
            timers.remove(&key);
        } else {
            timers.insert(key, timer);
        }
    }

    /// Whether the one of this target and direction has not run out.
    pub fn running(&self, target_id: &str, direction: Direction) -> bool {
        let key = (target_id.to_owned(), direction);
        let mut timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        match timers.get_mut(&key).map(poll) {
            None => false,
            Some(false) => true,
            Some(true) => {
                timers.remove(&key);
                false
            }
        }
    }

    /// Forgets all, because the policy changed: the wall clock alone counts until the next resize.
    pub fn clear(&self) {
        self.timers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

fn poll(timer: &mut Timer) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(timer.as_mut().poll(&mut context), Poll::Ready(()))
}

impl fmt::Debug for Stopwatches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self
            .timers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        formatter
            .debug_struct("Stopwatches")
            .field("running", &running)
            .finish_non_exhaustive()
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
        assert_eq!(format!("{watches:?}"), "Stopwatches { running: 0, .. }");
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
