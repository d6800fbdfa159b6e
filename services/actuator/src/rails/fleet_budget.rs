//! The budget of the whole fleet.

use super::{
    budget,
    case::Case,
    reading::{Rail, Reading},
};

/// Blocks when all instances together were resized as often as they may be in a day.
#[derive(Debug)]
pub struct FleetBudget;

impl Rail for FleetBudget {
    fn name(&self) -> &'static str {
        "fleet_budget"
    }

    fn check(&self) -> &'static str {
        budget::CHECK
    }

    fn read(&self, case: &Case<'_>) -> Reading {
        let limit = case.limits.fleet_per_day;
        budget::read(budget::counted(case), limit, "the fleet", "fleet_per_day")
    }
}
