//! Inputs: what was measured is known and fresh, and there is a forecast, or saturation or memory pressure that needs none.

use crate::{
    decide::{
        case::Case,
        checks::{Found, Stop},
        input::Observation,
        verdict::ReasonCode,
    },
    text,
};

pub const NAME: &str = "inputs";

/// Samples may lie this far ahead of the clock before they are doubted.
const CLOCK_TOLERANCE_SECONDS: u64 = 60;

/// The observation, when it is known and no older than policy and step allow.
pub fn find<'a>(case: &Case<'a>) -> Found<&'a Observation> {
    if let Some(unknown) = &case.input.unknown
        && unknown.code != ReasonCode::ForecastUnavailable
    {
        return Err(Stop::new(unknown.code, unknown.reason.clone()));
    }
    let Some(observation) = &case.input.observation else {
        return Err(Stop::new(
            ReasonCode::MetricsUnknown,
            "the request has no observation, so nothing is known of the CPU",
        ));
    };
    let limit = case.sample_age_limit_seconds();
    let age = text::seconds_between(observation.observed_at, case.now);
    let ahead = text::seconds_between(case.now, observation.observed_at);
    if age > limit {
        return Err(Stop::new(
            ReasonCode::MetricsUnknown,
            format!(
                "the last CPU sample is {} old; samples older than {} are unknown",
                text::duration(age),
                text::duration(limit)
            ),
        ));
    }
    if ahead > CLOCK_TOLERANCE_SECONDS {
        return Err(Stop::new(
            ReasonCode::MetricsUnknown,
            format!(
                "the last CPU sample lies {} ahead of this machine's clock; compare the clocks",
                text::duration(ahead)
            ),
        ));
    }
    let seen = format!(
        "CPU {:.1} % {} ago",
        observation.cpu_percent,
        text::duration(age)
    );
    match case.forecast() {
        Ok(outlook) => Ok((
            observation,
            format!("{seen}; forecast by {}", outlook.basis_words()),
        )),
        Err(missing) if case.saturated(observation) => Ok((
            observation,
            format!("{seen}; no forecast ({missing}), but saturation is measured"),
        )),
        Err(missing) if case.pressed(observation) => Ok((
            observation,
            format!("{seen}; no forecast ({missing}), but memory pressure is measured"),
        )),
        Err(missing) => {
            let why = missing.to_string();
            Err(Stop::new(ReasonCode::ForecastUnavailable, why))
        }
    }
}
