//! How many resizes may begin in 24 hours, for one instance and for all. Pure: history and time come in.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{Objection, Rail};
use crate::{journal::Recent, resize::Outcome};

/// The stretch that is counted; it rolls, so that midnight is no loophole.
pub const WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// Resizes that may begin within [`WINDOW`]; 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    pub instance: u32,
    pub fleet: u32,
}

/// What is used of a budget.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Used {
    pub used: u32,
    pub limit: u32,
    /// When one of it comes free again; `None` when nothing is used.
    pub frees_at: Option<Timestamp>,
}

impl Used {
    fn count<'a>(begun: impl Iterator<Item = &'a Recent>, limit: u32) -> Self {
        let mut used = 0;
        let mut oldest: Option<Timestamp> = None;
        for resize in begun {
            used += 1;
            oldest = Some(oldest.map_or(resize.created_at, |time| time.min(resize.created_at)));
        }
        Self {
            used,
            limit,
            frees_at: oldest.and_then(|time| time.checked_add(WINDOW).ok()),
        }
    }

    /// True when nothing is left of it.
    pub fn is_up(&self) -> bool {
        self.limit != 0 && self.used >= self.limit
    }
}

/// The fleet's budget. Refused resizes stopped nothing and don't count; those under way do.
pub fn fleet(recent: &[Recent], budgets: Budgets, now: Timestamp) -> Used {
    Used::count(counted(recent, now), budgets.fleet)
}

/// One instance's budget.
pub fn instance(recent: &[Recent], id: &str, budgets: Budgets, now: Timestamp) -> Used {
    let of_it = counted(recent, now).filter(|resize| resize.instance_id == id);
    Used::count(of_it, budgets.instance)
}

/// The budget of every instance that used something of its own, the fullest first.
pub fn instances(recent: &[Recent], budgets: Budgets, now: Timestamp) -> Vec<(String, Used)> {
    let mut of_each: BTreeMap<&str, Vec<&Recent>> = BTreeMap::new();
    for resize in counted(recent, now) {
        of_each.entry(&resize.instance_id).or_default().push(resize);
    }
    let mut all: Vec<(String, Used)> = of_each
        .into_iter()
        .map(|(id, begun)| {
            (
                id.to_owned(),
                Used::count(begun.into_iter(), budgets.instance),
            )
        })
        .collect();
    all.sort_by_key(|(_, used)| std::cmp::Reverse(used.used));
    all
}

/// Says no when a budget is used up, and for how long.
pub fn objection(
    recent: &[Recent],
    id: &str,
    budgets: Budgets,
    now: Timestamp,
) -> Option<Objection> {
    let of_it = instance(recent, id, budgets, now);
    let of_all = fleet(recent, budgets, now);
    let (used, whose, key, rail) = if of_it.is_up() {
        (of_it, id, "instance_per_day", Rail::InstanceBudget)
    } else if of_all.is_up() {
        (of_all, "the fleet", "fleet_per_day", Rail::FleetBudget)
    } else {
        return None;
    };
    Some(Objection {
        rail,
        reason: format!(
            "{whose} was resized {} times in 24 hours, which is its budget (actuator.limits.{key})",
            used.used
        ),
        until: used.frees_at,
    })
}

fn counted(recent: &[Recent], now: Timestamp) -> impl Iterator<Item = &Recent> {
    let since = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
    recent.iter().filter(move |resize| {
        resize.created_at > since
            && !matches!(resize.outcome, Some(Outcome::Refused | Outcome::DryRun))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    const BUDGETS: Budgets = Budgets {
        instance: 2,
        fleet: 4,
    };

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
        let none = Budgets {
            instance: 0,
            fleet: 0,
        };
        assert_eq!(objection(&recent, "i-1", none, at(2)), None);
    }
}
