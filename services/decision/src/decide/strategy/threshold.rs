//! The `threshold` strategy: two thresholds on the forecast CPU, and measured saturation.
//!
//! Invariant: what is unknown never scales. The one exception is measured: a machine that has been saturated for long
//! enough scales up although there is no forecast.

use crate::{
    decide::{
        case::{Capacity, Case, Known},
        outlook::Outlook,
        strategy::saturation,
        verdict::ReasonCode,
        want::{Ground, NoWant, Want},
    },
    fleet::direction::Direction,
};

/// The direction that the thresholds ask for.
///
/// # Errors
/// None; with the probability of staying in range.
pub fn ask(known: &Known<'_>) -> Result<Want, NoWant> {
    let Known {
        case,
        observation,
        rung,
    } = *known;
    let policy = case.policy;
    // A forecast that may not decide was let pass for the sake of saturation only.
    let outlook = case.forecast().ok();
    let saturated = case.saturated(observation);
    let up = outlook
        .filter(|outlook| outlook.cpu_percent > policy.scale_up_cpu)
        .map(|outlook| Want {
            direction: Direction::Up,
            code: ReasonCode::ForecastAboveUpThreshold,
            confidence: outlook.distribution.above(policy.scale_up_cpu),
            doubt: None,
            sentence: format!("{} is above {} %", outlook.words(), policy.scale_up_cpu),
            ground: Ground::Forecast,
            rung: None,
            saturated: false,
            fills_percent: policy.scale_up_cpu,
        });
    if let Some(up) = up
        && (up.confidence >= policy.min_confidence || !saturated)
    {
        return Ok(up);
    }
    if saturated {
        return Ok(saturation::want(case, observation));
    }
    match outlook {
        Some(outlook) => at_most(case, outlook, rung),
        // Nothing gets here that is neither forecast nor saturated.
        None => Err(NoWant {
            sentence: "there is no forecast".to_owned(),
            code: ReasonCode::ForecastInRange,
            confidence: 0.0,
        }),
    }
}

/// Down or nothing, for a forecast that is not above the up threshold.
fn at_most(case: &Case<'_>, outlook: &Outlook<'_>, rung: usize) -> Result<Want, NoWant> {
    let policy = case.policy;
    let down = down_limit(case, rung);
    if outlook.cpu_percent < down.cpu_percent {
        let below = outlook.distribution.below(down.cpu_percent);
        // A lull in the middle of a job is low at the horizon, and still no time for a smaller machine.
        let peak = down
            .capacity
            .as_ref()
            .zip(outlook.peak)
            .map(|(capacity, peak)| (capacity, peak.below(capacity.cpu_percent)))
            .filter(|&(_, fits)| fits < below);
        return Ok(Want {
            direction: Direction::Down,
            code: ReasonCode::ForecastBelowDownThreshold,
            confidence: peak.map_or(below, |(_, fits)| fits),
            doubt: peak
                .map(|(capacity, _)| format!("the peak until then stays below {}", capacity.words)),
            sentence: format!("{} is below {}", outlook.words(), down.words),
            ground: Ground::Forecast,
            rung: None,
            saturated: false,
            fills_percent: policy.scale_up_cpu,
        });
    }
    let in_range = 1.0
        - outlook.distribution.above(policy.scale_up_cpu)
        - outlook.distribution.below(down.cpu_percent);
    let sentence = if outlook.cpu_percent < policy.scale_down_cpu {
        format!(
            "{} is below {} %, but not below {}",
            outlook.words(),
            policy.scale_down_cpu,
            down.words
        )
    } else {
        format!(
            "{} lies between {} % and {} %",
            outlook.words(),
            policy.scale_down_cpu,
            policy.scale_up_cpu
        )
    };
    Err(NoWant {
        sentence,
        code: ReasonCode::ForecastInRange,
        confidence: in_range.clamp(0.0, 1.0),
    })
}

/// Below what a forecast scales down: the policy's threshold, or less where the same demand would be above the up
/// threshold of the smaller type. Percent means nothing across sizes.
struct DownLimit {
    cpu_percent: f64,
    words: String,
    capacity: Option<Capacity>,
}

fn down_limit(case: &Case<'_>, rung: usize) -> DownLimit {
    let policy = case.policy;
    let capacity = case
        .rung_below(rung)
        .and_then(|below| case.capacity_of(below, case.policy.scale_up_cpu));
    match &capacity {
        Some(capacity) if capacity.cpu_percent < policy.scale_down_cpu => DownLimit {
            cpu_percent: capacity.cpu_percent,
            words: capacity.words.clone(),
            capacity: Some(capacity.clone()),
        },
        _ => DownLimit {
            cpu_percent: policy.scale_down_cpu,
            words: format!("{} %", policy.scale_down_cpu),
            capacity,
        },
    }
}
