//! Leases: one actor for a resource at a time, fenced by an epoch that grows with each.
//!
//! An epoch is the time at which the lease was had, in milliseconds, or one more than the last where the clock says less:
//! so it is above every earlier one also when the database that knew those is lost, or comes from a backup. It falls only
//! when it lies ahead of every clock, which no actuator would take.

use std::time::Duration;

use jiff::Timestamp;

/// The resource that stands for all targets: whoever decides holds it.
pub const FLEET: &str = "fleet";
/// How far ahead of this machine's clock an epoch may be: a clock that was set back by less is waited for.
pub const TOLERANCE: Duration = Duration::from_secs(600);

/// Who may act for a resource. A released lease has no holder, but keeps its epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// What is leased, such as `fleet`.
    pub resource: String,
    /// Empty when it was released.
    pub holder: String,
    /// Milliseconds since the Unix epoch, about: when the holder had it.
    pub epoch: u64,
    /// Wall time.
    pub expires_at: Timestamp,
    /// What the holder asked for.
    pub ttl_seconds: u32,
}

/// Why a lease can't be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("lease {resource} is held by {holder} under epoch {epoch} for another {} s", .remaining.as_secs())]
    Held {
        /// What is leased.
        resource: String,
        /// By whom.
        holder: String,
        /// Under which epoch.
        epoch: u64,
        /// When it expires unless it is renewed.
        remaining: Duration,
    },
    /// It was held, and is not any more.
    #[error("lease {resource} is no longer held by {holder} under epoch {epoch}; acquire it again")]
    Lost {
        /// What is leased.
        resource: String,
        /// Who asked.
        holder: String,
        /// With which epoch.
        epoch: u64,
    },
}

impl Lease {
    /// A lease that lasts longer than anybody asked for was granted before the clock was set back: it is cut to what
    /// was asked for. Says whether it was.
    pub fn anchor(&mut self, now: Timestamp) -> bool {
        let latest = after(now, self.ttl_seconds);
        let set_back = self.expires_at > latest;
        if set_back {
            self.expires_at = latest;
        }
        set_back
    }

    /// Whether its holder may decide under `epoch`. One that ran out is its holder's until somebody else takes it.
    pub fn is_held_under(&self, epoch: u64) -> bool {
        !self.holder.is_empty() && self.epoch == epoch
    }

    /// Whether somebody holds it at `now`.
    pub fn live(&self, now: Timestamp) -> bool {
        !self.holder.is_empty() && self.expires_at > now
    }
}

/// True for an epoch that no clock can have given out yet: a clock was ahead, or somebody made it up.
pub fn is_ahead(epoch: u64, now: Timestamp) -> bool {
    let latest = now.saturating_add(TOLERANCE).unwrap_or(Timestamp::MAX);
    // Before 1970 only the small numbers are epochs that were given out before they were times.
    epoch > milliseconds(latest).max(u64::from(u32::MAX))
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// The epoch of the next holder.
fn next_epoch(last: u64, now: Timestamp) -> u64 {
    let clock = milliseconds(now).max(1);
    match is_ahead(last, now) {
        true => clock,
        false => clock.max(last.saturating_add(1)),
    }
}

/// The lease that `holder` gets. Asking again while it is held extends it under the same epoch, so that a lost reply
/// does no harm; after it ran out, the same holder is a new one. So it is when its epoch lies ahead of the clock.
///
/// # Errors
/// Somebody else holds it.
pub fn acquire(
    current: Option<&Lease>,
    resource: &str,
    holder: &str,
    ttl_seconds: u32,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    let epoch = match current {
        None => next_epoch(0, now),
        Some(lease) if !lease.live(now) => next_epoch(lease.epoch, now),
        Some(lease) if lease.holder == holder && is_ahead(lease.epoch, now) => {
            next_epoch(lease.epoch, now)
        }
        Some(lease) if lease.holder == holder => lease.epoch,
        Some(lease) => {
            return Err(LeaseError::Held {
                resource: resource.to_owned(),
                holder: lease.holder.clone(),
                epoch: lease.epoch,
                remaining: Duration::try_from(lease.expires_at.duration_since(now))
                    .unwrap_or_default(),
            });
        }
    };
    Ok(Lease {
        resource: resource.to_owned(),
        holder: holder.to_owned(),
        epoch,
        expires_at: after(now, ttl_seconds),
        ttl_seconds,
    })
}

/// The lease extended. One that ran out, but that nobody else took, is still the holder's: its epoch is the highest.
///
/// # Errors
/// It has another holder or another epoch, or one that lies ahead of the clock: that is to be acquired again.
pub fn renew(
    current: Option<&Lease>,
    resource: &str,
    holder: &str,
    epoch: u64,
    ttl_seconds: u32,
    now: Timestamp,
) -> Result<Lease, LeaseError> {
    match current {
        Some(lease) if lease.holder == holder && lease.epoch == epoch && !is_ahead(epoch, now) => {
            Ok(Lease {
                expires_at: after(now, ttl_seconds),
                ttl_seconds,
                ..lease.clone()
            })
        }
        _ => Err(LeaseError::Lost {
            resource: resource.to_owned(),
            holder: holder.to_owned(),
            epoch,
        }),
    }
}

/// The lease without a holder, or `None` when it was not held under that epoch.
pub fn release(current: Option<&Lease>, holder: &str, epoch: u64, now: Timestamp) -> Option<Lease> {
    current
        .filter(|lease| lease.holder == holder && lease.epoch == epoch)
        .map(|lease| Lease {
            holder: String::new(),
            expires_at: now,
            ..lease.clone()
        })
}

fn after(now: Timestamp, seconds: u32) -> Timestamp {
    now.saturating_add(Duration::from_secs(seconds.into()))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn one_holder_at_a_time() {
        let first = acquire(None, "fleet", "a", 30, at(0)).unwrap();
        // A clock that stands at the beginning of time counts.
        assert_eq!((first.epoch, first.expires_at), (1, at(30)));
        let held = acquire(Some(&first), "fleet", "b", 30, at(10)).unwrap_err();
        assert_eq!(
            held.to_string(),
            "lease fleet is held by a under epoch 1 for another 20 s"
        );
        let again = acquire(Some(&first), "fleet", "a", 30, at(10)).unwrap();
        assert_eq!((again.epoch, again.expires_at), (1, at(40)));
        let second = acquire(Some(&first), "fleet", "b", 30, at(30)).unwrap();
        assert_eq!((second.epoch, second.holder.as_str()), (30_000, "b"));
        assert!(renew(Some(&second), "fleet", "a", 1, 30, at(31)).is_err());
        assert_eq!(release(Some(&second), "a", 1, at(31)), None);
    }

    #[test]
    fn a_release_frees_at_once_and_keeps_the_epoch() {
        let first = acquire(None, "fleet", "a", 30, at(0)).unwrap();
        let released = release(Some(&first), "a", 1, at(5)).unwrap();
        assert_eq!(released.epoch, 1);
        assert_eq!(
            acquire(Some(&released), "fleet", "b", 30, at(5))
                .unwrap()
                .epoch,
            5_000
        );
        // The same holder, started again, is a new one.
        assert_eq!(
            acquire(Some(&released), "fleet", "a", 30, at(5))
                .unwrap()
                .epoch,
            5_000
        );
        assert!(renew(Some(&released), "fleet", "a", 1, 30, at(6)).is_err());
    }

    #[test]
    fn a_late_renewal_keeps_what_nobody_took() {
        let first = acquire(None, "fleet", "a", 30, at(0)).unwrap();
        let renewed = renew(Some(&first), "fleet", "a", 1, 30, at(100)).unwrap();
        assert_eq!((renewed.epoch, renewed.expires_at), (1, at(130)));
    }

    #[test]
    fn an_epoch_is_above_all_before_it_also_without_their_memory() {
        let now = at(1_800_000_000);
        let taken = |epoch, now| {
            let last = Lease {
                resource: "fleet".into(),
                holder: String::new(),
                epoch,
                expires_at: now,
                ttl_seconds: 30,
            };
            acquire(Some(&last), "fleet", "a", 30, now).unwrap().epoch
        };
        let lost = acquire(None, "fleet", "a", 30, now).unwrap().epoch;
        assert_eq!(lost, 1_800_000_000_000);
        // Small ones from before epochs were times, and a backup's.
        assert_eq!(taken(6, now), lost);
        assert_eq!(taken(lost - 86_400_000, now), lost);
        // A clock that was set back by minutes: one more than the last.
        assert_eq!(taken(lost, now), lost + 1);
        assert_eq!(taken(lost + 540_000, now), lost + 540_001);
        // By a year: no clock will see that epoch for long.
        assert_eq!(taken(lost + 365 * 86_400_000, now), lost);
        assert_eq!(taken(u64::MAX, now), lost);
    }

    #[test]
    fn a_holder_whose_epoch_lies_ahead_gets_a_new_one_and_no_renewal() {
        let ahead = acquire(None, "fleet", "a", 30, at(1_800_000_000)).unwrap();
        let back = at(1_700_000_000);
        assert!(renew(Some(&ahead), "fleet", "a", ahead.epoch, 30, back).is_err());
        let again = acquire(Some(&ahead), "fleet", "a", 30, back).unwrap();
        assert_eq!(again.epoch, 1_700_000_000_000);
    }

    #[test]
    fn fault_48_a_clock_set_back_does_not_make_a_lease_endless() {
        let mut lease = acquire(None, "fleet", "a", 30, at(1_000_000)).unwrap();
        assert!(lease.anchor(at(1_000)));
        assert_eq!(lease.expires_at, at(1_030));
        assert!(!lease.anchor(at(1_001)));
        assert!(acquire(Some(&lease), "fleet", "b", 30, at(1_030)).is_ok());
    }

    proptest! {
        #[test]
        fn epochs_never_fall_and_grow_with_each_new_holder(
            steps in prop::collection::vec((0..3_u8, 0..3_u8, 0..60_i64), 1..60),
        ) {
            let mut now = 0;
            let mut lease: Option<Lease> = None;
            for (what, who, pass) in steps {
                now += pass;
                let holder = ["a", "b", "c"][usize::from(who)];
                let next = match (what, &lease) {
                    (0, _) => acquire(lease.as_ref(), "fleet", holder, 30, at(now)).ok(),
                    (1, Some(held)) => renew(Some(held), "fleet", holder, held.epoch, 30, at(now)).ok(),
                    (_, held) => release(held.as_ref(), holder, held.as_ref().map_or(0, |held| held.epoch), at(now)),
                };
                if let (Some(before), Some(after)) = (&lease, &next) {
                    prop_assert!(after.epoch >= before.epoch);
                    if !after.holder.is_empty() && after.holder != before.holder {
                        prop_assert!(after.epoch > before.epoch);
                        prop_assert!(before.holder.is_empty() || before.expires_at <= at(now));
                    }
                }
                lease = next.or(lease);
            }
        }
    }
}
