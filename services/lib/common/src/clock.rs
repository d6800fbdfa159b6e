//! Time as a dependency: services ask a [`Clock`], so that tests and simulations own it.
//!
//! There are two kinds of waiting, on two clocks:
//!
//! - *The domain's time*: whatever is decided, stored, paused, polled, or reported as a duration. It is that of the
//!   service's own [`SharedClock`], which a simulation moves as it likes.
//! - *Patience* with a disk, a socket or a peer, which answer in this machine's time whatever the service's clock shows: a
//!   virtual limit would be over while a real write runs. That is the time of [`machine`].

use std::{
    collections::HashMap,
    fmt,
    ops::{Add, Sub},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use uuid::Uuid;

/// The one clock of a service.
pub type SharedClock = Arc<dyn Clock>;

/// Wall time for what is stored; moments and waits that don't mind when the wall clock is set; ids that sort by time.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Wall time.
    fn now(&self) -> Timestamp;
    /// A point in time that only this clock's others can be compared with, and that never goes back.
    fn monotonic(&self) -> Moment;
    /// Returns after `duration` of this clock's monotonic time, counted from the first poll.
    async fn sleep(&self, duration: Duration);
    /// A UUID of version 7: no other is the same, and later ones sort behind.
    fn new_id(&self) -> String;
}

impl dyn Clock {
    /// Returns at `moment`, at once when it is over.
    pub async fn sleep_until(&self, moment: Moment) {
        self.sleep(moment - self.monotonic()).await;
    }

    /// What `work` returns, if it does within `limit` of this clock's time.
    ///
    /// # Errors
    /// When the time is over; `work` is dropped then.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = work => Ok(output),
            // Not stopped by work that has used up what a task may do between two waits.
            () = tokio::task::coop::unconstrained(self.sleep(limit)) => Err(Elapsed),
        }
    }

    /// What `work` returns, if it does before `deadline`.
    ///
    /// # Errors
    /// When the time is over; `work` is dropped then.
    pub async fn timeout_at<F: Future>(
        &self,
        deadline: Moment,
        work: F,
    ) -> Result<F::Output, Elapsed> {
        self.timeout(deadline - self.monotonic(), work).await
    }

    /// The time that has passed since `begin`: a stopwatch.
    pub fn since(&self, begin: Moment) -> Duration {
        self.monotonic() - begin
    }
}

/// A limit of time that was over before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline has elapsed")]
pub struct Elapsed;

/// A point in the monotonic time of one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// The time from `earlier` on; none when it is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The machine's clock, for patience with what this machine does, whatever the service's own clock shows.
pub fn machine() -> &'static dyn Clock {
    &SystemClock
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Holds up the calling thread, where it is one that nothing else runs on.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that waits by the machine's clock"
    )]
    pub fn block(self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[async_trait]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock, and waits by it"
)]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Moment {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        Moment(ORIGIN.elapsed())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn new_id(&self) -> String {
        Uuid::now_v7().to_string()
    }
}

/// A clock that stands still until somebody advances it. Its ids follow from its time and how many there were, so that the
/// same run gives the same ones. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    time: watch::Sender<Time>,
    sleepers: watch::Sender<Sleepers>,
    ids: Arc<AtomicU64>,
    leaps: bool,
}

#[derive(Clone, Copy, Debug)]
struct Time {
    wall: Timestamp,
    moment: Moment,
}

/// Who waits, until when.
#[derive(Debug, Default)]
struct Sleepers {
    next: u64,
    ends: HashMap<u64, Moment>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            time: watch::Sender::new(Time {
                wall: start,
                moment: Moment(Duration::ZERO),
            }),
            sleepers: watch::Sender::default(),
            ids: Arc::default(),
            leaps: false,
        }
    }

    /// A clock that jumps over every wait. For one thing at a time: of several that wait, each would pay for the others,
    /// and a limit is over as soon as what it bounds has to wait.
    pub fn leaping(start: Timestamp) -> Self {
        Self {
            leaps: true,
            ..Self::new(start)
        }
    }

    /// Moves the clock forward and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        self.time.send_modify(|time| {
            time.wall = time.wall.saturating_add(by).unwrap_or(Timestamp::MAX);
            time.moment = time.moment + by;
        });
    }

    /// Sets the wall clock forward or back, which waits don't notice.
    pub fn set_by(&self, by: SignedDuration) {
        self.time.send_modify(|time| {
            let limit = if by.is_negative() {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            };
            time.wall = time.wall.saturating_add(by).unwrap_or(limit);
        });
    }

    /// The same time and the same ids for somebody whose waits are counted apart.
    pub fn counted_apart(&self) -> Self {
        Self {
            sleepers: watch::Sender::default(),
            ..self.clone()
        }
    }

    /// How many wait.
    pub fn sleepers(&self) -> usize {
        self.sleepers.borrow().ends.len()
    }

    /// Returns when exactly `count` wait, all for a time to come: whoever was woken has done what it had to do, and waits
    /// again or is gone.
    pub async fn until_asleep(&self, count: usize) {
        let mut sleepers = self.sleepers.subscribe();
        let asleep = |sleepers: &Sleepers| {
            let now = self.monotonic();
            sleepers.ends.len() == count && sleepers.ends.values().all(|end| *end > now)
        };
        // `self` holds the sender, so the channel can't close while this waits.
        let _ = sleepers.wait_for(asleep).await;
    }
}

/// One that waits, for as long as this lives.
struct Sleeper<'a> {
    all: &'a watch::Sender<Sleepers>,
    number: u64,
}

impl<'a> Sleeper<'a> {
    fn until(end: Moment, all: &'a watch::Sender<Sleepers>) -> Self {
        let mut number = 0;
        all.send_modify(|sleepers| {
            number = sleepers.next;
            sleepers.next += 1;
            sleepers.ends.insert(number, end);
        });
        Self { all, number }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.all.send_modify(|sleepers| {
            sleepers.ends.remove(&self.number);
        });
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.time.borrow().wall
    }

    fn monotonic(&self) -> Moment {
        self.time.borrow().moment
    }

    async fn sleep(&self, duration: Duration) {
        if self.leaps {
            self.advance(duration);
            tokio::task::yield_now().await;
            return;
        }
        let mut time = self.time.subscribe();
        let end = self.monotonic() + duration;
        let _sleeper = Sleeper::until(end, &self.sleepers);
        let _ = time.wait_for(|time| time.moment >= end).await;
    }

    fn new_id(&self) -> String {
        let milliseconds = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&number.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest)
            .into_uuid()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn shared() -> (ManualClock, SharedClock) {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        (clock.clone(), Arc::new(clock))
    }

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move {
                clock.sleep(Duration::from_secs(10)).await;
                clock.now()
            })
        };
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(SECOND);
        assert_eq!(sleeper.await.unwrap().as_second(), 10);
    }

    #[tokio::test]
    async fn whoever_moves_the_clock_can_wait_until_all_wait_again() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move {
                clock.sleep(SECOND).await;
                // Its work, which takes none of the clock's time.
                machine().sleep(Duration::from_millis(5)).await;
                clock.sleep(SECOND).await;
            })
        };
        clock.until_asleep(1).await;
        let apart = clock.counted_apart();
        assert_eq!((clock.sleepers(), apart.sleepers()), (1, 0));
        let end = clock.monotonic() + SECOND * 2;
        clock.advance(SECOND);
        // Not the one that was woken.
        clock.until_asleep(1).await;
        let ends: Vec<Moment> = clock.sleepers.borrow().ends.values().copied().collect();
        assert_eq!(ends, [end]);
        sleeper.abort();
        clock.until_asleep(0).await;
        assert!(sleeper.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn a_wall_clock_that_is_set_moves_no_moment_and_wakes_nobody() {
        let (clock, shared) = shared();
        let begin = clock.monotonic();
        let sleeper = tokio::spawn(async move { shared.sleep_until(begin + SECOND).await });
        tokio::task::yield_now().await;
        clock.set_by(SignedDuration::from_hours(-5));
        assert_eq!(clock.now().as_second(), -5 * 3_600);
        clock.set_by(SignedDuration::from_hours(15));
        assert_eq!(clock.now().as_second(), 10 * 3_600);
        tokio::task::yield_now().await;
        assert_eq!(clock.monotonic(), begin);
        assert!(!sleeper.is_finished());
        clock.advance(SECOND);
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn a_limit_is_of_the_clock_that_was_asked() {
        let (clock, shared) = shared();
        let begin = shared.monotonic();
        assert_eq!(shared.timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        let never = {
            let clock = shared.clone();
            tokio::spawn(async move {
                let never = std::future::pending::<()>();
                clock.timeout_at(begin + SECOND * 2, never).await
            })
        };
        tokio::task::yield_now().await;
        clock.advance(SECOND);
        tokio::task::yield_now().await;
        assert!(!never.is_finished());
        clock.advance(SECOND);
        assert_eq!(never.await.unwrap(), Err(Elapsed));
        assert_eq!(shared.since(begin), SECOND * 2);
        assert_eq!(begin - shared.monotonic(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_limit_ends_work_that_is_never_tired() {
        let work = async {
            loop {
                tokio::task::coop::consume_budget().await;
            }
        };
        let limit = Duration::from_millis(5);
        let ended: Result<(), Elapsed> = machine().timeout(limit, work).await;
        assert_eq!(ended, Err(Elapsed));
    }

    #[tokio::test]
    async fn a_leaping_clock_waits_for_nobody() {
        let clock = ManualClock::leaping(Timestamp::UNIX_EPOCH);
        clock.sleep(SECOND * 60).await;
        assert_eq!(clock.now().as_second(), 60);
    }

    #[test]
    fn ids_differ_and_sort_by_time_and_the_same_run_gives_the_same() {
        let run = || {
            let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
            let first = [clock.new_id(), clock.clone().new_id()];
            clock.advance(Duration::from_millis(1));
            let [one, two] = first;
            [one, two, clock.new_id()]
        };
        assert_eq!(run(), run());
        let [first, second, third] = run();
        assert!(first < second && second < third);
        let first = Uuid::try_parse(&first).unwrap();
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(first.get_variant(), uuid::Variant::RFC4122);
        let (seconds, _) = first.get_timestamp().unwrap().to_unix();
        assert_eq!(seconds, 1_800_000_000);
        assert!(machine().new_id() < machine().new_id());
    }
}
