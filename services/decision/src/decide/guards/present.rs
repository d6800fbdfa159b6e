//! Present: whatever is forecast, what is used now and was in the past hour must fit the smaller type.

use crate::{
    decide::{checks::Finding, verdict::ReasonCode, want::Step},
    fleet::direction::Direction,
};

/// The last sample and the last hour's peak fill no more of the smaller type than the strategy lets them: `scale_up_cpu`
/// percent, or a sizing rule's target.
pub fn check(step: &Step<'_>) -> Finding {
    if step.want.direction == Direction::Up {
        return Finding::Skip("a larger type has room for the present");
    }
    let Step { case, to, .. } = *step;
    let blocked = |why: String| step.block(ReasonCode::PresentTooHigh, why);
    let Some(limit) = case.capacity_of(to, step.want.fills_percent) else {
        return blocked(format!(
            "the vCPUs of {} or of {to} are unknown, so nothing says that the present fits",
            case.input.instance_type
        ));
    };
    let Some(observation) = step.observation else {
        return step.unseen();
    };
    let Some(peak) = observation.cpu_peak_last_hour_percent else {
        return blocked("the past hour's peak is unknown".to_owned());
    };
    let now = observation.cpu_percent;
    let numbers = format!("CPU is {now:.1} % and was at most {peak:.1} % in the past hour");
    if now.max(peak) <= limit.cpu_percent {
        Finding::Pass(format!("{numbers}, not above {}", limit.words))
    } else {
        blocked(format!("{numbers}, above {}", limit.words))
    }
}
