//! Cooldown: the last resize ended long enough ago.

use crate::{
    decide::{checks::Finding, verdict::ReasonCode, want::Step},
    fleet::cooldown,
};

/// The wait of the wanted direction is over.
pub fn check(step: &Step<'_>) -> Finding {
    let case = step.case;
    let direction = step.want.direction;
    let seconds = case.policy.cooldown_seconds_of(direction);
    match cooldown::check(&case.state.cooldowns, direction, seconds, case.now) {
        Ok(detail) => Finding::Pass(detail),
        Err(why) if passes(step) => {
            Finding::Pass(format!("{why}; measured saturation does not wait for it"))
        }
        Err(why) => step.block(ReasonCode::Cooldown, why.to_string()),
    }
}

/// Saturation passes a cooldown where the policy says so, but no wait after a failure: what failed would fail again.
fn passes(step: &Step<'_>) -> bool {
    let Step { case, want, .. } = *step;
    let end = case.state.cooldowns.get(want.direction);
    want.saturated
        && case.policy.saturation_passes.cooldown
        && end.is_some_and(|end| end.failures == 0)
}
