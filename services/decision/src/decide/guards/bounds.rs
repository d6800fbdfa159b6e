//! Bounds: how far up or down a wish may lead.

use crate::{
    decide::{bounds::Bounds, case::Case, checks::Found, verdict::ReasonCode, want::Want},
    fleet::direction::Direction,
};

pub const NAME: &str = "bounds";

/// The rungs that a wish may lead to.
pub struct Reach {
    /// The last of them, seen from the present one.
    pub furthest: usize,
    /// What makes it the last, where that is not the end of the ladder.
    pub bound: Option<String>,
    /// The wish lies beyond it.
    pub cut: bool,
}

/// Up to the bound, or to the end of the ladder.
pub fn find(case: &Case<'_>, rung: usize, want: &Want, bounds: &Bounds) -> Found<Reach> {
    let direction = want.direction;
    let end = match direction {
        Direction::Up => case.ladder.len() - 1,
        Direction::Down => 0,
    };
    let Some(bound) = bounds.toward(direction).filter(|bound| bound.rung != end) else {
        let reach = Reach {
            furthest: end,
            bound: None,
            cut: false,
        };
        return Ok((reach, unbounded(case, direction)));
    };
    let lies_beyond = |place: usize| match direction {
        Direction::Up => place > bound.rung,
        Direction::Down => place < bound.rung,
    };
    if rung == bound.rung || lies_beyond(rung) {
        return Err(want.but(
            ReasonCode::AtBound,
            format_args!(
                "{} leaves {} no type {}",
                bound.words,
                case.input.instance_type,
                direction.name()
            ),
        ));
    }
    let cut = want.rung.filter(|wanted| lies_beyond(*wanted));
    let words = match cut {
        Some(wanted) => format!(
            "{} is asked for; no further than {}",
            case.ladder[wanted], bound.words
        ),
        None => format!("no further than {}", bound.words),
    };
    let reach = Reach {
        furthest: bound.rung,
        bound: Some(bound.words.clone()),
        cut: cut.is_some(),
    };
    Ok((reach, words))
}

fn unbounded(case: &Case<'_>, direction: Direction) -> String {
    let (key, name) = match direction {
        Direction::Up => ("max_type", &case.policy.max_type),
        Direction::Down => ("min_type", &case.policy.min_type),
    };
    let elsewhere = name.as_ref().filter(|name| case.rung_of(name).is_none());
    match elsewhere {
        Some(name) => {
            format!("policy.{key} ({name}) is not on this target's ladder, and bounds nothing")
        }
        None => format!("nothing bounds the way {} but the ladder", direction.name()),
    }
}
