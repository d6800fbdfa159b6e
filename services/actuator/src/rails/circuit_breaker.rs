//! The circuit breaker: when several resizes in a row of time ended on another type than wanted, something is wrong that
//! further stops make worse.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    case::Case,
    reading::{Rail, Reading, Verdict},
};
use crate::resize::Outcome;

/// Blocks while it is open. A person may have closed it, which forgives all failures before.
#[derive(Debug)]
pub struct CircuitBreaker;

impl Rail for CircuitBreaker {
    fn name(&self) -> &'static str {
        "circuit_breaker"
    }

    /// Counts the failures within the window that ends now.
    fn read(&self, case: &Case<'_>) -> Reading {
        let limits = &case.limits;
        let mut failed: Vec<Timestamp> = case
            .recent
            .iter()
            .filter(|resize| {
                matches!(
                    resize.outcome,
                    Some(Outcome::RolledBack | Outcome::FellBack)
                )
            })
            .filter(|resize| !resize.refused_for_good)
            .filter_map(|resize| resize.finished_at)
            .filter(|time| {
                case.decisions
                    .breaker_closed_at
                    .is_none_or(|closed| *time > closed)
            })
            .collect();
        failed.sort_unstable();
        let earliest = case
            .now
            .saturating_sub(limits.breaker_window)
            .unwrap_or(Timestamp::MIN);
        let failures = failed.iter().filter(|time| **time > earliest).count();
        let enough = limits.breaker_failures as usize;
        // The last failure that had enough before it within its own window.
        let opened_at = (enough > 0)
            .then(|| {
                failed
                    .windows(enough)
                    .filter(|times| {
                        times[enough - 1].duration_since(times[0]) < signed(limits.breaker_window)
                    })
                    .map(|times| times[enough - 1])
                    .next_back()
            })
            .flatten();
        let until = opened_at
            .and_then(|time| time.checked_add(limits.breaker_pause).ok())
            .filter(|until| *until > case.now);
        let (verdict, sentence) = match until {
            None => (Verdict::Pass, "it is closed"),
            Some(_) => (
                Verdict::Block,
                "the circuit breaker is open, because several resizes were rolled back; look why, then \
                 `autoscaler limits --close-breaker`, or wait",
            ),
        };
        Reading {
            verdict,
            count: u32::try_from(failures).unwrap_or(u32::MAX),
            limit: limits.breaker_failures,
            until,
            sentence: sentence.to_owned(),
        }
    }
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{
        rails::{case::Limits, decisions::Decisions, history::Recent},
        resize::Outcome,
    };

    /// Of so many failures within an hour, with two hours' pause.
    fn standing(
        recent: &[Recent],
        failures: u32,
        closed: Option<Timestamp>,
        now: Timestamp,
    ) -> Reading {
        CircuitBreaker.read(&Case {
            instance_id: "i-1",
            recent,
            decisions: &Decisions {
                kill_switch: None,
                breaker_closed_at: closed,
            },
            limits: Limits {
                breaker_failures: failures,
                ..Limits::default()
            },
            now,
        })
    }

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
            standing(&recent, 3, None, at(now)).until
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
            let now = standing(&recent, 3, None, at(31));
            assert_eq!(now.until.is_some(), opens, "{outcome:?}");
        }
    }

    #[test]
    fn a_type_that_does_not_fit_an_instance_is_no_failure_of_the_fleet() {
        let mut recent = ended(&[10, 20, 30], Outcome::RolledBack);
        recent[1].refused_for_good = true;
        let now = standing(&recent, 3, None, at(31));
        assert_eq!((now.count, now.until), (2, None));
    }

    #[test]
    fn a_person_closes_it_for_what_has_been() {
        let mut recent = ended(&[10, 20, 30], Outcome::RolledBack);
        let closed = standing(&recent, 3, Some(at(31)), at(32));
        assert_eq!((closed.count, closed.until), (0, None));
        recent.extend(ended(&[40, 41, 42], Outcome::RolledBack));
        let open = standing(&recent, 3, Some(at(31)), at(43));
        assert!(open.objection(&CircuitBreaker).is_some());
    }

    #[test]
    fn zero_turns_it_off() {
        let recent = ended(&[10, 11, 12, 13], Outcome::RolledBack);
        assert_eq!(standing(&recent, 0, None, at(14)).until, None);
    }
}
