//! The wish that is judged: the schedule's, or the strategy's.

use crate::{
    decide::{
        case::Known,
        strategy,
        want::{NoWant, Want},
    },
    fleet::direction::Direction,
};

/// What the schedule asks for, where it asks for a resize, unless the strategy surely goes further up; else what the
/// strategy asks for.
///
/// # Errors
/// Nothing is asked for.
pub fn of(known: &Known<'_>, scheduled: Option<Want>) -> Result<Want, NoWant> {
    let own = strategy::ask(known);
    let Some(scheduled) = scheduled else {
        return own;
    };
    let case = known.case;
    let rises = scheduled.direction == Direction::Up;
    let surely_further = |own: &Want| {
        rises
            && own.direction == Direction::Up
            && own.rung > scheduled.rung
            && own.is_sure(case.policy.min_confidence)
    };
    match own {
        Ok(own) if surely_further(&own) => Ok(own),
        _ => Ok(Want {
            saturated: rises && case.saturated(known.observation),
            ..scheduled
        }),
    }
}
