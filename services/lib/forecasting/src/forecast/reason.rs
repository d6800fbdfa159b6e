//! Why a forecast rests on what it rests on, in words.

use std::fmt;

use super::{
    answer::{Basis, HorizonForecast, Trailing},
    trust::{ENOUGH_OUTCOMES, Trust},
};

/// Weight of the model below which its answer counts as naive, and above `1 -` which it counts as the model's.
const NEGLIGIBLE_WEIGHT: f64 = 0.05;
/// Less skill at every horizon is none: the best of four naive forecasts is chosen in hindsight, but a lucky stretch is
/// no skill either.
const LEAST_SKILL: f64 = 0.08;

/// What a forecast rests on, and why, in one sentence or two. `unit` is one percent of capacity in the unit of the series.
pub fn explain(horizons: &[HorizonForecast], trusts: &[Trust], unit: f64) -> (Basis, String) {
    let weakest = horizons
        .iter()
        .zip(trusts)
        .min_by(|left, right| left.0.model_weight.total_cmp(&right.0.model_weight));
    let Some((horizon, trust)) = weakest else {
        return (Basis::Naive, "no horizon was asked for".to_owned());
    };
    let weight = horizon.model_weight;
    let highest = horizons
        .iter()
        .map(|horizon| horizon.model_weight)
        .fold(0.0, f64::max);
    let basis = if weight >= 1.0 - NEGLIGIBLE_WEIGHT && trusts.iter().all(|one| one.is_judged()) {
        Basis::Model
    } else if highest <= NEGLIGIBLE_WEIGHT {
        Basis::Naive
    } else {
        Basis::Mixed
    };
    let minutes = horizon.horizon_seconds / 60;
    let percent = weight * 100.0;
    let errors = horizon.trailing.map(|trailing| Errors(trailing, unit));
    let mut reason = match (basis, errors) {
        (_, None) => "no outcome of a past forecast is known yet".to_owned(),
        (Basis::Model, Some(errors)) => format!(
            "the model is at least as good as the naive forecasts at every horizon; {errors} at {minutes} min"
        ),
        (Basis::Mixed, Some(errors)) => {
            format!("model weighted {percent:.0} % at {minutes} min, where it is weakest; {errors}")
        }
        (Basis::Naive, Some(errors)) => {
            format!("naive forecasts beat the model; {errors} at {minutes} min")
        }
    };
    if let Some(gap) = trusts
        .iter()
        .filter(|trust| trust.seen < 1.0)
        .min_by(|left, right| left.seen.total_cmp(&right.seen))
        .map(|trust| trust.window)
    {
        reason += &format!(
            "; {} of {} samples of the last {} min are missing, so it is widened to what this series did before",
            gap.missing, gap.expected, gap.minutes
        );
    }
    if !trust.is_judged() {
        reason += &format!(
            "; the model counts in full from {ENOUGH_OUTCOMES} outcomes on, until then what this series did before counts too"
        );
    }
    if skill(horizons, trusts).is_some_and(|skill| skill < LEAST_SKILL) {
        reason += "; no skill on this series: it is no better than the best naive forecast at any horizon";
    }
    (basis, reason)
}

/// Outcomes farther ahead overlap so far that a lucky stretch would look like skill.
const SKILL_HORIZON_SECONDS: u32 = 3_600;

/// The best skill of those of `horizons` up to an hour of which enough outcomes are known to tell; `None` while there are
/// none.
pub fn skill(horizons: &[HorizonForecast], trusts: &[Trust]) -> Option<f64> {
    horizons
        .iter()
        .zip(trusts)
        .filter(|(horizon, trust)| {
            horizon.horizon_seconds <= SKILL_HORIZON_SECONDS && trust.is_judged()
        })
        .filter_map(|(horizon, _)| Some(horizon.trailing?.skill))
        .max_by(f64::total_cmp)
}

struct Errors(Trailing, f64);

impl fmt::Display for Errors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(trailing, unit) = self;
        write!(
            formatter,
            "recent error {:.2} % of capacity against {:.2} ({}) over {:.0} outcomes",
            trailing.model_mae / unit,
            trailing.naive_mae / unit,
            trailing.naive.name(),
            trailing.outcomes
        )
    }
}
