//! The circuit breaker: when several resizes in a row of time ended on another type than wanted, something is wrong that
//! further stops make worse. Pure: history and time come in.

use std::time::Duration;

use jiff::Timestamp;

use super::{Objection, Rail};
use crate::{journal::Recent, resize::Outcome};

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    /// Resizes that were rolled back or fell back within `window` open it; 0 turns it off.
    pub failures: u32,
    pub window: Duration,
    /// It closes by itself this long after the failure that opened it.
    pub pause: Duration,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// Failures within the window that ends now.
    pub failures: u32,
    /// `None` while it is closed.
    pub open_until: Option<Timestamp>,
}

/// Where it stands now. A person may have closed it, which forgives all failures before.
pub fn standing(
    recent: &[Recent],
    breaker: Breaker,
    closed_by_hand_at: Option<Timestamp>,
    now: Timestamp,
) -> Standing {
    let mut failed: Vec<Timestamp> = recent
        .iter()
        .filter(|resize| {
            matches!(
                resize.outcome,
                Some(Outcome::RolledBack | Outcome::FellBack)
            )
        })
        .filter(|resize| !resize.refused_for_good)
        .filter_map(|resize| resize.finished_at)
        .filter(|time| closed_by_hand_at.is_none_or(|closed| *time > closed))
        .collect();
    failed.sort_unstable();
    let earliest = now.saturating_sub(breaker.window).unwrap_or(Timestamp::MIN);
    let failures = failed.iter().filter(|time| **time > earliest).count();
    let enough = breaker.failures as usize;
    // The last failure that had enough before it within its own window.
    let opened_at = (enough > 0)
        .then(|| {
            failed
                .windows(enough)
                .filter(|times| times[enough - 1].duration_since(times[0]) < signed(breaker.window))
                .map(|times| times[enough - 1])
                .next_back()
        })
        .flatten();
    Standing {
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        open_until: opened_at
            .and_then(|time| time.checked_add(breaker.pause).ok())
            .filter(|until| *until > now),
    }
}

impl Standing {
    /// Says no while it is open.
    pub fn objection(&self) -> Option<Objection> {
        let until = self.open_until?;
        Some(Objection {
            rail: Rail::CircuitBreaker,
            reason: "the circuit breaker is open, because several resizes were rolled back; look why, then \
                     `autoscaler limits --close-breaker`, or wait"
                .to_owned(),
            until: Some(until),
        })
    }
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: Breaker = Breaker {
        failures: 3,
        window: Duration::from_secs(3_600),
        pause: Duration::from_secs(7_200),
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn ended(minutes: &[i64], outcome: Outcome) -> Vec<Recent> {
        minutes
            .iter()
            .map(|minute| Recent {
                instance_id: format!("i-{minute}"),
                created_at: at(minute - 5),
                finished_at: Some(at(*minute)),
                outcome: Some(outcome),
                refused_for_good: false,
            })
            .collect()
    }

    #[test]
    fn it_opens_on_enough_failures_in_the_window_and_closes_by_time() {
        let open_until = |minutes: &[i64], now| {
            let recent = ended(minutes, Outcome::RolledBack);
            standing(&recent, BREAKER, None, at(now)).open_until
        };
        assert_eq!(open_until(&[10, 20], 25), None);
        assert_eq!(open_until(&[10, 20, 30], 31), Some(at(150)));
        assert_eq!(open_until(&[10, 20, 30], 149), Some(at(150)));
        assert_eq!(open_until(&[10, 20, 30], 150), None);
        // Spread over more than the window, and in any order.
        assert_eq!(open_until(&[10, 50, 90], 91), None);
        assert_eq!(open_until(&[30, 10, 20], 31), Some(at(150)));
    }

    #[test]
    fn only_ends_on_another_type_count() {
        for (outcome, opens) in [
            (Outcome::RolledBack, true),
            (Outcome::FellBack, true),
            (Outcome::Succeeded, false),
            (Outcome::Refused, false),
            (Outcome::Gone, false),
        ] {
            let recent = ended(&[10, 20, 30], outcome);
            let now = standing(&recent, BREAKER, None, at(31));
            assert_eq!(now.open_until.is_some(), opens, "{outcome:?}");
        }
    }

    #[test]
    fn a_type_that_does_not_fit_an_instance_is_no_failure_of_the_fleet() {
        let mut recent = ended(&[10, 20, 30], Outcome::RolledBack);
        recent[1].refused_for_good = true;
        let now = standing(&recent, BREAKER, None, at(31));
        assert_eq!((now.failures, now.open_until), (2, None));
    }

    #[test]
    fn a_person_closes_it_for_what_has_been() {
        let mut recent = ended(&[10, 20, 30], Outcome::RolledBack);
        assert_eq!(
            standing(&recent, BREAKER, Some(at(31)), at(32)),
            Standing {
                failures: 0,
                open_until: None
            }
        );
        recent.extend(ended(&[40, 41, 42], Outcome::RolledBack));
        assert!(
            standing(&recent, BREAKER, Some(at(31)), at(43))
                .objection()
                .is_some()
        );
    }

    #[test]
    fn zero_turns_it_off() {
        let off = Breaker {
            failures: 0,
            ..BREAKER
        };
        let recent = ended(&[10, 11, 12, 13], Outcome::RolledBack);
        assert_eq!(standing(&recent, off, None, at(14)).open_until, None);
    }
}
