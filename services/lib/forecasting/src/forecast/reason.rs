//! Why a forecast rests on what it rests on, in words.

use std::fmt;

use super::answer::{Basis, HorizonForecast, Trailing};

/// Weight of the model below which its answer counts as naive, and above `1 -` which it counts as the model's.
const NEGLIGIBLE_WEIGHT: f64 = 0.05;

/// What a forecast rests on, and one sentence that says why. `unit` is one percent of capacity in the unit of the series.
pub fn explain(horizons: &[HorizonForecast], unit: f64) -> (Basis, String) {
    let lowest = horizons
        .iter()
        .filter_map(|horizon| Some((horizon, horizon.trailing?)))
        .min_by(|left, right| left.0.model_weight.total_cmp(&right.0.model_weight));
    let Some((horizon, trailing)) = lowest else {
        return (
            Basis::Model,
            "the model; the history is too short to judge it by".to_owned(),
        );
    };
    let weight = horizon.model_weight;
    let highest = horizons
        .iter()
        .map(|horizon| horizon.model_weight)
        .fold(0.0, f64::max);
    let basis = if weight >= 1.0 - NEGLIGIBLE_WEIGHT {
        Basis::Model
    } else if highest <= NEGLIGIBLE_WEIGHT {
        Basis::Naive
    } else {
        Basis::Mixed
    };
    let errors = Errors(trailing, unit);
    let minutes = horizon.horizon_seconds / 60;
    let reason = match basis {
        Basis::Model => format!(
            "the model is at least as good as the naive forecasts at every horizon; {errors} at {minutes} min"
        ),
        Basis::Mixed => format!(
            "model weighted {:.0} % at {minutes} min, where it is weakest; {errors}",
            weight * 100.0
        ),
        Basis::Naive => format!("naive forecasts beat the model; {errors} at {minutes} min"),
    };
    (basis, reason)
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
