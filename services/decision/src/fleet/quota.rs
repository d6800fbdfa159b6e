//! How many decisions each caller may have stored in a minute, so that nobody fills the disk.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use jiff::Timestamp;

const WINDOW: Duration = Duration::from_secs(60);
/// Callers that are remembered; beyond them those whose minute is over are forgotten.
const MAX_CALLERS: usize = 10_000;
/// Without the lease nobody needs more than a fraction of what the one actor needs.
const BY_HAND_DIVISOR: u32 = 20;

/// Whose decisions are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Caller {
    /// `None` when the connection doesn't say.
    pub address: Option<IpAddr>,
    /// Under the lease that is held: what others on the same machine ask for does not count for the one actor.
    pub holds_the_lease: bool,
}

/// Counts by caller and minute.
#[derive(Debug)]
pub struct Quota {
    per_minute: u32,
    callers: HashMap<Caller, Used>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    since: Timestamp,
    count: u32,
}

impl Used {
    /// What is left of its minute; zero when that is over, also by a clock that was set back.
    fn left(&self, now: Timestamp) -> Duration {
        match Duration::try_from(now.duration_since(self.since)) {
            Ok(passed) => WINDOW.saturating_sub(passed),
            Err(_) => Duration::ZERO,
        }
    }
}

impl Quota {
    /// So many decisions a minute for whoever holds the lease.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            callers: HashMap::new(),
        }
    }

    /// How many this caller may have in a minute.
    pub fn limit(&self, caller: Caller) -> u32 {
        match caller.holds_the_lease {
            true => self.per_minute,
            false => self.per_minute.div_ceil(BY_HAND_DIVISOR),
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none left; says for how long.
    pub fn take(&mut self, caller: Caller, now: Timestamp) -> Result<(), Duration> {
        let limit = self.limit(caller);
        if self.callers.len() >= MAX_CALLERS && !self.callers.contains_key(&caller) {
            self.callers.retain(|_, used| !used.left(now).is_zero());
            if self.callers.len() >= MAX_CALLERS {
                return Err(WINDOW);
            }
        }
        let fresh = Used {
            since: now,
            count: 0,
        };
        let used = self.callers.entry(caller).or_insert(fresh);
        if used.left(now).is_zero() {
            *used = fresh;
        }
        if used.count >= limit {
            return Err(used.left(now));
        }
        used.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn caller(last: u8, holds_the_lease: bool) -> Caller {
        Caller {
            address: Some(IpAddr::from([10, 0, 0, last])),
            holds_the_lease,
        }
    }

    #[test]
    fn each_caller_has_its_own_minute_and_the_holder_of_the_lease_most() {
        let mut quota = Quota::new(40);
        let mut taken = |caller, now| (0..100).filter(|_| quota.take(caller, now).is_ok()).count();
        assert_eq!(taken(caller(1, false), at(0)), 2);
        assert_eq!(taken(caller(1, true), at(0)), 40);
        assert_eq!(taken(caller(2, true), at(30)), 40);
        assert_eq!(taken(caller(1, true), at(59)), 0);
        assert_eq!(taken(caller(1, true), at(60)), 40);
        // A clock that was set back does not make a minute endless.
        assert_eq!(taken(caller(1, true), at(-3_600)), 40);
        assert_eq!(
            quota.take(caller(1, true), at(-3_590)),
            Err(Duration::from_secs(50))
        );
    }

    #[test]
    fn callers_are_forgotten_when_their_minute_is_over() {
        let mut quota = Quota::new(1_000);
        for number in 0..30_000_u32 {
            let address = Some(IpAddr::from(number.to_be_bytes()));
            let caller = Caller {
                address,
                holds_the_lease: false,
            };
            let seconds = i64::from(number / 100);
            assert!(quota.take(caller, at(seconds)).is_ok());
            assert!(quota.callers.len() <= MAX_CALLERS);
        }
    }
}
