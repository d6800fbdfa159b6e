//! Evidence: a machine is known by its days, not by its minutes, before it becomes smaller.

use crate::{
    decide::{
        checks::Finding,
        input::Evidence,
        verdict::ReasonCode,
        want::{Ground, Step},
    },
    fleet::direction::Direction,
    text,
};

/// Enough history was seen of each measurement that the way down rests on: CPU, and memory, which guards it.
pub fn check(step: &Step<'_>) -> Finding {
    if step.want.direction == Direction::Up {
        return Finding::Skip("a larger type needs no history");
    }
    if step.want.ground == Ground::Schedule {
        return Finding::Skip("the schedule names the type, whatever was seen before");
    }
    let Some(observation) = step.observation else {
        return step.unseen();
    };
    let needed = Evidence {
        spanned_seconds: step.case.policy.down_history_seconds,
        observed_seconds: step.case.policy.down_observed_seconds,
    };
    let seen = [
        ("CPU", observation.cpu_evidence),
        ("memory", observation.memory_evidence),
    ];
    let words = |(name, seen): &(&str, Evidence)| {
        format!(
            "{name} was observed for {} within {}",
            text::duration(seen.observed_seconds.into()),
            text::duration(seen.spanned_seconds.into())
        )
    };
    let asked = format!(
        "{} within {} are asked before a type becomes smaller",
        text::duration(needed.observed_seconds.into()),
        text::duration(needed.spanned_seconds.into())
    );
    let short = seen.iter().find(|(_, seen)| {
        seen.spanned_seconds < needed.spanned_seconds
            || seen.observed_seconds < needed.observed_seconds
    });
    match short {
        Some(short) => step.block(
            ReasonCode::EvidenceTooShort,
            format_args!("{}; {asked}", words(short)),
        ),
        None => Finding::Pass(format!("{}, {}; {asked}", words(&seen[0]), words(&seen[1]))),
    }
}
