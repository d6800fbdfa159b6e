//! Flap: a machine that turned around a short while after its last resize does not turn around again at once.

use crate::{
    decide::{checks::Finding, verdict::ReasonCode, want::Step},
    fleet::resizes::Turn,
    text,
};

/// What is wanted is no second turning around within `flap_seconds`. For saturation too: else it would flap.
pub fn check(step: &Step<'_>) -> Finding {
    let Step { case, want, .. } = *step;
    let flap = case.policy.flap_seconds;
    if flap == 0 {
        return Finding::Skip("the policy lets a machine turn around at any time");
    }
    let Some(turn) = Turn::newest(&case.state.resizes) else {
        return Finding::Pass("no turning around is remembered".to_owned());
    };
    let words = format!(
        "the machine turned {} {} ago, {} after its last resize the other way",
        turn.to.name(),
        text::duration(text::seconds_between(turn.at, case.now)),
        text::duration(turn.after_seconds)
    );
    if want.direction == turn.to {
        return Finding::Pass(format!("{words}; this is no other turn"));
    }
    match turn.rest(flap, case.now) {
        0 => Finding::Pass(format!(
            "{words}; policy.flap_seconds asks for {}",
            text::duration(flap.into())
        )),
        left => step.block(
            ReasonCode::Flapping,
            format_args!(
                "{words}, and may not turn again for {}",
                text::duration(left)
            ),
        ),
    }
}
