//! The budget of one instance.

use std::collections::BTreeSet;

use super::{
    budget,
    case::Case,
    reading::{Rail, Reading},
};

/// Blocks when the instance was resized as often as it may be in a day.
#[derive(Debug)]
pub struct InstanceBudget;

impl Rail for InstanceBudget {
    fn name(&self) -> &'static str {
        "instance_budget"
    }

    fn check(&self) -> &'static str {
        budget::CHECK
    }

    fn read(&self, case: &Case<'_>) -> Reading {
        let (id, limit) = (case.instance_id, case.limits.instance_per_day);
        let of_it = budget::counted(case).filter(|resize| resize.instance_id == id);
        budget::read(of_it, limit, id, "instance_per_day")
    }
}

/// The budget of every instance that used something of its own, the fullest first.
pub(super) fn of_each(case: &Case<'_>) -> Vec<(String, Reading)> {
    let ids: BTreeSet<&str> = budget::counted(case)
        .map(|resize| resize.instance_id.as_str())
        .collect();
    let read = |id| {
        let case = Case {
            instance_id: id,
            ..*case
        };
        (id.to_owned(), InstanceBudget.read(&case))
    };
    let mut all: Vec<(String, Reading)> = ids.into_iter().map(read).collect();
    all.sort_by_key(|(_, reading)| std::cmp::Reverse(reading.count));
    all
}
