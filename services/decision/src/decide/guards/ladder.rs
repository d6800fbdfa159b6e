//! Ladder: it is in order, and the present type is on it.

use crate::decide::{
    case::Case,
    checks::{Found, Stop},
    ladder,
    verdict::ReasonCode,
};

pub const NAME: &str = "ladder";

/// The place of the present type on the ladder.
pub fn find(case: &Case<'_>) -> Found<usize> {
    if let Some(disorder) = ladder::disorder(case.ladder, &case.input.instance_types) {
        return Err(Stop::new(ReasonCode::LadderUnordered, disorder.to_string()));
    }
    let current = &case.input.instance_type;
    let names = case.ladder.join(", ");
    match case.rung_of(current) {
        Some(rung) => {
            let detail = format!(
                "{current} is rung {} of {} ({names})",
                rung + 1,
                case.ladder.len()
            );
            Ok((rung, detail))
        }
        None => Err(Stop::new(
            ReasonCode::TypeOutsideLadder,
            format!(
                "{current} is not on the ladder ({names}); put it into policy.ladder or give this target a ladder of its own"
            ),
        )),
    }
}
