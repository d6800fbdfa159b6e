//! Memory pressure that is measured: whatever a strategy makes of the CPU, a machine whose memory is nearly used up goes up.

use crate::{
    decide::{
        case::Known,
        guards::memory,
        verdict::ReasonCode,
        want::{Ground, Want},
    },
    fleet::direction::Direction,
    text,
};

/// Up, to the smallest type that holds the memory in use and its margin, where memory has been nearly used up for long
/// enough; the largest where none does. `None` also where no larger type is known to have more.
pub fn want(known: &Known<'_>) -> Option<Want> {
    let Known {
        case,
        observation,
        rung,
    } = *known;
    if !case.pressed(observation) {
        return None;
    }
    let memory_mib = |name: &str| case.input.size_of(name).map_or(0, |size| size.memory_mib);
    let now = memory_mib(&case.input.instance_type);
    let mut larger = (rung + 1..case.ladder.len()).filter(|to| memory_mib(&case.ladder[*to]) > now);
    let fitting = larger
        .clone()
        .find(|to| memory::fits(case, observation, &case.ladder[*to]));
    let to = fitting.or_else(|| larger.next_back())?;
    Some(Want {
        direction: Direction::Up,
        code: ReasonCode::MemoryPressure,
        confidence: 1.0,
        doubt: None,
        sentence: format!(
            "memory has been at 95 % or above for {}, {} are enough whatever the CPU",
            text::duration(observation.memory_pressed_seconds.into()),
            text::duration(case.policy.pressed_seconds().into()),
        ),
        ground: Ground::Measurement,
        rung: Some(to),
        saturated: false,
        fills_percent: 100.0,
    })
}
