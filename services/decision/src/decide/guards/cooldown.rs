//! Cooldown: the last resize ended long enough ago.

use crate::{
    decide::{checks::Finding, verdict::ReasonCode, want::Step},
    fleet::cooldown,
};

/// The wait of the wanted direction is over.
pub fn check(step: &Step<'_>) -> Finding {
    let case = step.case;
    let seconds = case.policy.cooldown_seconds;
    let direction = step.want.direction;
    match cooldown::check(&case.state.cooldowns, direction, seconds, case.now) {
        Ok(detail) => Finding::Pass(detail),
        Err(why) => step.block(ReasonCode::Cooldown, why.to_string()),
    }
}
