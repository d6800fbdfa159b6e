//! Strategies: one function each, from a case of which enough is known to a wish.

pub mod adaptive;
pub mod headroom;
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

/// What the policy's strategy asks for.
///
/// # Errors
/// It asks for nothing, and says why.
pub fn ask(known: &Known<'_>) -> Result<Want, NoWant> {
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
