//! The `adaptive` strategy: the sizing rule that would have been cheapest over the machine's own past, as its newest review
//! says.
//!
//! Invariant: a machine without a review never becomes smaller.

use sizing::{pool, rule::Rule};

use crate::{
    decide::{
        case::Known,
        strategy::sizing_rule,
        verdict::ReasonCode,
        want::{NoWant, Want},
    },
    fleet::direction::Direction,
};

/// What the reviewed rule asks for; of a machine without a review only what the common rule asks for upwards.
///
/// # Errors
/// None.
pub fn ask(known: &Known<'_>) -> Result<Want, NoWant> {
    if let Some(guide) = &known.case.state.guide {
        return sizing_rule::ask(known, &guide.rule);
    }
    match sizing_rule::ask(known, &Rule::Fit(pool::COMMON)) {
        Ok(want) if want.direction == Direction::Down => Err(NoWant {
            sentence: format!(
                "{}, but its past has not been reviewed yet, and without that no type becomes smaller",
                want.sentence
            ),
            code: ReasonCode::EvidenceTooShort,
            confidence: want.confidence,
        }),
        asked => asked,
    }
}
