//! Rung: there is a type to go to that really is larger, or smaller: the next one, or the one that is asked for.

use crate::{
    decide::{
        case::Case, checks::Found, guards::bounds::Reach, ladder, verdict::ReasonCode, want::Want,
    },
    fleet::direction::Direction,
};

pub const NAME: &str = "rung";

/// The next rung in the wanted direction, or the one that is asked for: where that is no step, a larger one. Rungs that
/// add nothing, or take something away, are skipped, and so is one of
/// unknown size on the way up; on the way down other checks refuse it.
pub fn find<'a>(case: &Case<'a>, rung: usize, want: &Want, reach: &Reach) -> Found<&'a str> {
    let current = &case.input.instance_type;
    let direction = want.direction;
    let mut candidates = case.rungs_beyond(rung, direction);
    candidates.truncate(reach.furthest.abs_diff(rung));
    let is_unknown = |to: &str| is_unknown_step(case, to, direction);
    let is_step = |place: &usize| is_step(case, candidates[*place], direction);
    let mut places = 0..candidates.len();
    let chosen = match want
        .rung
        .map(|wanted| wanted.abs_diff(rung).min(candidates.len()))
        .map(|rungs| rungs.saturating_sub(1))
    {
        None => places.find(is_step),
        Some(wanted) if direction == Direction::Up => (wanted..candidates.len())
            .find(is_step)
            .or_else(|| places.take(wanted).rfind(is_step)),
        Some(wanted) => places.take(wanted + 1).rfind(is_step),
    };
    let skipped = |count: usize| {
        let names = |unknown: bool| {
            let names = (0..count).filter(|place| !is_step(place));
            let names = names.map(|place| candidates[place].as_str());
            let names = names.filter(|name| is_unknown(name) == unknown);
            names.collect::<Vec<_>>().join(", ")
        };
        let mut text = String::new();
        let no_step = names(false);
        if !no_step.is_empty() {
            let direction = direction.name();
            text =
                format!("; skipped, for it is no step {direction} in vCPU and memory: {no_step}");
        }
        let unknown = names(true);
        if !unknown.is_empty() {
            text += &format!("; skipped, for its size is not known: {unknown}");
        }
        text
    };
    match chosen {
        Some(position) => {
            let to = candidates[position].as_str();
            let direction = direction.name();
            let what = match position {
                0 => format!("{to} is one rung {direction} from {current}"),
                _ if want.rung.is_some() => {
                    format!("{to} is {} rungs {direction} from {current}", position + 1)
                }
                _ => format!("{to} is the next type {direction} from {current}"),
            };
            Ok((to, what + &skipped(position)))
        }
        None => {
            let (end, code) = match direction {
                Direction::Up => ("largest", ReasonCode::AtMaxRung),
                Direction::Down => ("smallest", ReasonCode::AtMinRung),
            };
            let skipped = skipped(candidates.len());
            if let Some(bound) = &reach.bound {
                return Err(want.but(
                    ReasonCode::AtBound,
                    format_args!(
                        "{bound} leaves {current} no type {}{skipped}",
                        direction.name()
                    ),
                ));
            }
            Err(want.but(
                code,
                format_args!("{current} is the {end} type of the ladder{skipped}"),
            ))
        }
    }
}

/// Whether going to a rung of the ladder is a step that is known to lead where it should.
pub fn is_step(case: &Case<'_>, to: &str, direction: Direction) -> bool {
    case.is_step(to, direction) && !is_unknown_step(case, to, direction)
}

/// Going up, a rung whose size is not known is no step where the present size and another rung's are: it may have less.
/// Where no size but the present one's is known the ladder's word is all there is.
fn is_unknown_step(case: &Case<'_>, to: &str, direction: Direction) -> bool {
    let types = &case.input.instance_types;
    let current = &case.input.instance_type;
    let others = || case.ladder.iter().filter(|rung| *rung != current);
    direction == Direction::Up
        && ladder::is_known(current, types)
        && others().any(|rung| ladder::is_known(rung, types))
        && !ladder::is_known(to, types)
}
