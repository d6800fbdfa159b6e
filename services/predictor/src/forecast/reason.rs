//! Why a forecast rests on what it rests on, in words.

use std::fmt;

use crate::{forecast::Basis, online::Judgement};

/// Weight of the model below which its answer counts as naive, and above `1 -` which it counts as the model's.
const NEGLIGIBLE_WEIGHT: f64 = 0.05;

/// What a forecast rests on, and one sentence that says why.
pub fn explain(judgements: &[Judgement], horizons_seconds: &[u32]) -> (Basis, String) {
    let lowest = judgements
        .iter()
        .zip(horizons_seconds)
        .min_by(|left, right| left.0.weight.total_cmp(&right.0.weight));
    let Some((judgement, horizon)) = lowest else {
        return (Basis::Model, "the model".to_owned());
    };
    if judgements.iter().all(|judgement| judgement.outcomes == 0) {
        return (
            Basis::Model,
            "the model; the history is too short to judge it by".to_owned(),
        );
    }
    let highest = judgements
        .iter()
        .map(|found| found.weight)
        .fold(0.0, f64::max);
    let basis = if judgement.weight >= 1.0 - NEGLIGIBLE_WEIGHT {
        Basis::Model
    } else if highest <= NEGLIGIBLE_WEIGHT {
        Basis::Naive
    } else {
        Basis::Mixed
    };
    let errors = Errors(judgement);
    let minutes = horizon / 60;
    let reason = match basis {
        Basis::Model => format!(
            "the model beats the naive forecasts at every horizon; {errors} at {minutes} min"
        ),
        Basis::Mixed => format!(
            "model weighted {:.0} % at {minutes} min, where it is weakest; {errors}",
            judgement.weight * 100.0
        ),
        Basis::Naive => format!("naive forecasts beat the model; {errors} at {minutes} min"),
    };
    (basis, reason)
}

struct Errors<'a>(&'a Judgement);

impl fmt::Display for Errors<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judgement = self.0;
        write!(
            formatter,
            "recent error {:.2} % of capacity against {:.2} ({}) over {} origins",
            judgement.model_error,
            judgement.naive_error,
            judgement.naive.name(),
            judgement.outcomes
        )
    }
}
