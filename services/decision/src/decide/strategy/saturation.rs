//! Saturation that is measured: every strategy goes up on it, whatever else is known.

use crate::{
    decide::{
        case::Case,
        input::Observation,
        verdict::ReasonCode,
        want::{Ground, Want},
    },
    fleet::direction::Direction,
    text,
};

/// Up, for a machine that has been saturated for long enough.
pub fn want(case: &Case<'_>, observation: &Observation) -> Want {
    let policy = case.policy;
    let forecast = match case.forecast() {
        Ok(outlook) => outlook.words(),
        Err(_) => "there is no forecast".to_owned(),
    };
    Want {
        direction: Direction::Up,
        code: ReasonCode::Saturated,
        confidence: 1.0,
        doubt: None,
        sentence: format!(
            "CPU has been at 95 % or above for {}, {} are enough whatever the forecast ({forecast})",
            text::duration(observation.saturated_seconds.into()),
            text::duration(policy.saturation_seconds.into()),
        ),
        ground: Ground::Measurement,
        rung: None,
        saturated: true,
        fills_percent: policy.scale_up_cpu,
    }
}
