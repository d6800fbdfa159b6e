//! Strategies: one function each, from a case of which enough is known to a wish.

pub mod adaptive;
pub mod headroom;
mod pressure;
mod saturation;
mod sizing_rule;
pub mod threshold;

use crate::{
    decide::{
        case::Known,
        want::{NoWant, Want},
    },
    fleet::direction::Direction,
    policy::document::Strategy,
};

/// What the policy's strategy asks for, or memory that is nearly used up: of two types the larger.
///
/// # Errors
/// Nothing is asked for; the strategy says why.
pub fn ask(known: &Known<'_>) -> Result<Want, NoWant> {
    let own = of_cpu(known);
    let Some(pressed) = pressure::want(known) else {
        return own;
    };
    let least = known.case.policy.min_confidence;
    match own {
        Ok(own)
            if own.direction == Direction::Up && own.rung > pressed.rung && own.is_sure(least) =>
        {
            Ok(own)
        }
        _ => Ok(pressed),
    }
}

fn of_cpu(known: &Known<'_>) -> Result<Want, NoWant> {
    let want = match known.case.policy.strategy {
        Strategy::Threshold => threshold::ask(known),
        Strategy::Headroom => headroom::ask(known),
        Strategy::Adaptive => adaptive::ask(known),
    }?;
    let saturated = known.case.saturated(known.observation);
    Ok(Want {
        saturated: saturated && want.direction == Direction::Up,
        ..want
    })
}
