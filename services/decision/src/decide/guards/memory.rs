//! Memory: what was in use fits the other type.

use crate::{
    decide::{
        case::Case,
        checks::Finding,
        input::{InstanceType, Observation},
        verdict::ReasonCode,
        want::Step,
    },
    fleet::direction::Direction,
};

/// Whether what was in use fits a type; false where that is not known.
pub fn fits(case: &Case<'_>, observation: &Observation, to: &str) -> bool {
    let memory = case.input.size_of(to).map_or(0, |size| size.memory_mib);
    let needed = observation
        .memory_peak_mib
        .map(|peak| case.policy.memory_for(peak));
    needed.is_some_and(|needed| memory as f64 >= needed)
}

/// No type with less memory than the observed peak plus a margin. Unknown blocks the way down; the way up only where the
/// next type is known to have less memory than this one.
pub fn check(step: &Step<'_>) -> Finding {
    let Step { case, to, .. } = *step;
    let memory = |instance_type: &str| {
        case.input
            .size_of(instance_type)
            .filter(|size| size.memory_mib > 0)
            .map(|size: &InstanceType| size.memory_mib)
    };
    let next = memory(to);
    if step.want.direction == Direction::Up {
        match (memory(&case.input.instance_type), next) {
            (Some(now), Some(next)) if next < now => {}
            (Some(now), Some(next)) => {
                return Finding::Pass(format!("{to} has {next} MiB, now {now} MiB"));
            }
            _ => return Finding::Pass(format!("unknown, taken to be no less on {to}")),
        }
    }
    let blocked = |why: String| step.block(ReasonCode::MemoryGuard, why);
    let Some(next) = next else {
        return blocked(format!(
            "the memory of {to} is unknown, so nothing says that it is enough"
        ));
    };
    let Some(observation) = step.observation else {
        return step.unseen();
    };
    let Some(peak) = observation.memory_peak_mib else {
        return blocked(
            "the memory in use is unknown, so nothing says that less is enough".to_owned(),
        );
    };
    let margin = case.policy.memory_margin_percent;
    let needed = case.policy.memory_for(peak);
    let numbers = format!(
        "{to} has {next} MiB; the peak of {peak:.0} MiB plus {margin} % is {needed:.0} MiB"
    );
    if next as f64 >= needed {
        Finding::Pass(numbers)
    } else {
        blocked(numbers)
    }
}
