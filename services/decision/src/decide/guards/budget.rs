//! Budget: how many resizes a target may have in a day.

use crate::{
    decide::{checks::Finding, verdict::ReasonCode, want::Step},
    fleet::resizes::{DAY_SECONDS, of_a_day},
    text,
};

/// Fewer resizes than the policy allows began in the past 24 hours. A limit for whatever is wanted, saturation too.
pub fn check(step: &Step<'_>) -> Finding {
    let case = step.case;
    let most = case.policy.resizes_a_day;
    if most == 0 {
        return Finding::Skip("the policy has no budget of resizes");
    }
    let began: Vec<_> = of_a_day(&case.state.resizes, case.now).collect();
    let spent = format!("{} of {most} resizes of the past 24 h", began.len());
    // The one whose end makes room.
    let Some(last) = (most as usize)
        .checked_sub(1)
        .and_then(|last| began.get(last))
    else {
        return Finding::Pass(format!("{spent} are spent"));
    };
    let left = DAY_SECONDS.saturating_sub(text::seconds_between(*last, case.now));
    step.block(
        ReasonCode::BudgetSpent,
        format_args!(
            "{spent} are spent, the next may begin in {}",
            text::duration(left)
        ),
    )
}
