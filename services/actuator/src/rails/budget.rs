//! How many resizes may begin in 24 hours, counted alike for one instance and for all.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    case::Case,
    history::Recent,
    reading::{Reading, Verdict},
};
use crate::resize::Outcome;

/// The stretch that is counted; it rolls, so that midnight is no loophole.
pub const WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// The check that all budgets are.
pub(super) const CHECK: &str = "budget";

/// Reads a budget of `limit` that these resizes use. `whose` and `key` are for the sentence.
pub(super) fn read<'a>(
    begun: impl Iterator<Item = &'a Recent>,
    limit: u32,
    whose: &str,
    key: &str,
) -> Reading {
    let begun: Vec<Timestamp> = begun.map(|resize| resize.created_at).collect();
    let count = u32::try_from(begun.len()).unwrap_or(u32::MAX);
    let frees_at = || begun.iter().min()?.checked_add(WINDOW).ok();
    let (verdict, until, sentence) = match limit != 0 && count >= limit {
        true => (
            Verdict::Block,
            frees_at(),
            format!(
                "{whose} was resized {count} times in 24 hours, which is its budget (actuator.limits.{key})"
            ),
        ),
        false => (
            Verdict::Pass,
            None,
            "the day's budgets are not used up".to_owned(),
        ),
    };
    Reading {
        verdict,
        count,
        limit,
        until,
        sentence,
    }
}

/// What counts. Refused resizes stopped nothing and don't; those under way do.
pub(super) fn counted<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a Recent> {
    let since = case.now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
    case.recent.iter().filter(move |resize| {
        resize.created_at > since
            && !matches!(resize.outcome, Some(Outcome::Refused | Outcome::DryRun))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rails::{self, Decisions, Limits, Objection};

    fn begun(id: &str, hour: i64, outcome: Option<Outcome>) -> Recent {
        Recent {
            instance_id: id.to_owned(),
            created_at: at(hour),
            finished_at: outcome.map(|_| at(hour)),
            outcome,
            refused_for_good: false,
        }
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    const BUDGETS: Limits = Limits {
        instance_per_day: 2,
        fleet_per_day: 4,
        breaker_failures: 0,
        breaker_window: Duration::ZERO,
        breaker_pause: Duration::ZERO,
    };

    fn objection(recent: &[Recent], id: &str, limits: Limits, now: Timestamp) -> Option<Objection> {
        rails::objection(&Case {
            instance_id: id,
            recent,
            decisions: &Decisions::default(),
            limits,
            now,
        })
    }

    #[test]
    fn an_instance_has_its_own_budget_and_it_rolls() {
        let recent = [
            begun("i-1", 1, Some(Outcome::Succeeded)),
            begun("i-1", 3, None),
            begun("i-1", 4, Some(Outcome::Refused)),
        ];
        let no = objection(&recent, "i-1", BUDGETS, at(5)).unwrap();
        assert!(no.reason.contains("i-1 was resized 2 times"), "{no:?}");
        assert_eq!(no.until, Some(at(25)));
        assert_eq!(objection(&recent, "i-2", BUDGETS, at(5)), None);
        // The first leaves the window to the second.
        assert_eq!(objection(&recent, "i-1", BUDGETS, at(25)), None);
    }

    #[test]
    fn the_fleet_has_one_for_all() {
        let recent: Vec<Recent> = (1..=4)
            .map(|number| begun(&format!("i-{number}"), number, Some(Outcome::RolledBack)))
            .collect();
        let no = objection(&recent, "i-9", BUDGETS, at(5)).unwrap();
        assert!(no.reason.contains("the fleet"), "{no:?}");
        assert_eq!(no.until, Some(at(25)));
    }

    #[test]
    fn zero_is_no_limit() {
        let recent: Vec<Recent> = (0..100).map(|_| begun("i-1", 1, None)).collect();
        let none = Limits {
            instance_per_day: 0,
            fleet_per_day: 0,
            ..BUDGETS
        };
        assert_eq!(objection(&recent, "i-1", none, at(2)), None);
    }
}
