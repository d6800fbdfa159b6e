//! Pending: an action that has not ended is waited for.

use crate::{
    decide::{
        case::Case,
        checks::{Finding, Stop},
        verdict::ReasonCode,
        want::Want,
    },
    text,
};

/// No action is under way, of this target or of another that names the same instance.
pub fn check(case: &Case<'_>, _: Option<&Want>) -> Finding {
    let Some(pending) = &case.state.pending else {
        return Finding::Pass("no action is under way".to_owned());
    };
    let whose = if pending.target_id == case.input.target_id {
        String::new()
    } else {
        format!(
            " of target {}, which names the same instance,",
            pending.target_id
        )
    };
    Finding::Block(Stop::new(
        ReasonCode::ActionPending,
        format!(
            "{} to {}{whose} has not ended; decided {} ago as {}",
            pending.from_instance_type,
            pending.to_instance_type,
            text::duration(text::seconds_between(pending.decided_at, case.now)),
            pending.decision_id
        ),
    ))
}
