//! Who was right lately about the peak: the model's quantiles, or those of peak-hold.
//!
//! On machines unlike those it was trained on, the model's quantiles of the peak can be worse than "as high as lately,
//! and as much higher as happens one time in ten". Each quantile is a mix of the two, by the pinball loss of both.

use crate::quantile;

/// The sharper, the sooner the better one gets all the weight.
const SHARPNESS: i32 = 8;
/// Peak-hold must be this much better: what is said of the model is said of many machines.
const HANDICAP: f64 = 1.1;
/// And one step ahead, where it is no more than "as now", plainly better: the machine stands still.
const ONE_STEP_HANDICAP: f64 = 3.0;
/// As many outcomes count for "both are as good as the model".
const PRIOR_OUTCOMES: f64 = 10.0;
/// Fewer outcomes say nothing.
const LEAST_OUTCOMES: f64 = 8.0;

/// What both said of the peak at one origin: a value for each quantile, ascending. Percent of capacity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeakForecasts {
    /// The model.
    pub model: Vec<f64>,
    /// Peak-hold; NaN where impossible.
    pub hold: Vec<f64>,
}

/// Pinball losses of the recent past, fading: of the model and of peak-hold, for each quantile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeakMix {
    /// One pair for each quantile.
    pub losses: Vec<[f64; 2]>,
}

impl PeakMix {
    /// Of so many quantiles; nothing is known.
    pub fn new(quantiles: usize) -> Self {
        Self {
            losses: vec![[0.0; 2]; quantiles],
        }
    }

    /// Keeps this share of the past.
    pub fn fade(&mut self, keep: f64) {
        for loss in self.losses.as_flattened_mut() {
            *loss *= keep;
        }
    }

    /// Notes that `peak` came after `sides`. What peak-hold couldn't say counts as the model's.
    pub fn note(&mut self, quantiles: &[f64], sides: &PeakForecasts, peak: f64) {
        let said = sides.model.iter().zip(&sides.hold);
        for ((losses, q), (model, hold)) in self.losses.iter_mut().zip(quantiles).zip(said) {
            let hold = if hold.is_nan() { model } else { hold };
            losses[0] += quantile::pinball(*q, *model, peak);
            losses[1] += quantile::pinball(*q, *hold, peak);
        }
    }

    /// Both sides, weighted by what `outcomes` (fading like the losses) showed.
    pub fn mix(&self, sides: &PeakForecasts, outcomes: f64, one_step: bool) -> Vec<f64> {
        let handicap = if one_step {
            ONE_STEP_HANDICAP
        } else {
            HANDICAP
        };
        let said = sides.model.iter().zip(&sides.hold).zip(&self.losses);
        said.map(|((model, hold), losses)| match hold.is_nan() {
            true => *model,
            false => {
                let weight = model_weight(*losses, outcomes, handicap);
                weight * model + (1.0 - weight) * hold
            }
        })
        .collect()
    }
}

fn model_weight([model, hold]: [f64; 2], outcomes: f64, handicap: f64) -> f64 {
    if outcomes < LEAST_OUTCOMES {
        return 1.0;
    }
    let prior = PRIOR_OUTCOMES * model / outcomes;
    let (model, hold) = (model + prior + 1e-6, (hold + prior + 1e-6) * handicap);
    // In proportion to one over the loss, sharpened.
    1.0 / (1.0 + (model / hold).powi(SHARPNESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_side_gets_the_weight() {
        let sides = PeakForecasts {
            model: vec![50.0, 70.0],
            hold: vec![60.0, f64::NAN],
        };
        let mut peak_mix = PeakMix::new(2);
        assert_eq!(
            peak_mix.mix(&sides, 0.0, false),
            [50.0, 70.0],
            "nothing is known"
        );
        for _ in 0..50 {
            peak_mix.note(&[0.5, 0.9], &sides, 60.0);
        }
        let mixed = peak_mix.mix(&sides, 50.0, false);
        assert!((mixed[0] - 60.0).abs() < 0.1, "{mixed:?}");
        assert_eq!(mixed[1], 70.0, "what can't be said has no weight");
        peak_mix.fade(0.5);
        assert_eq!(peak_mix.losses[0], [125.0, 0.0]);

        let mut peak_mix = PeakMix::new(2);
        for _ in 0..50 {
            peak_mix.note(&[0.5, 0.9], &sides, 50.0);
        }
        let mixed = peak_mix.mix(&sides, 50.0, false);
        assert!((mixed[0] - 50.0).abs() < 0.1, "{mixed:?}");
    }

    #[test]
    fn of_equals_the_model_is_preferred() {
        let weight = model_weight([10.0, 10.0], 100.0, HANDICAP);
        assert!((0.6..0.75).contains(&weight), "{weight}");
        assert!(model_weight([0.0, 0.0], 100.0, HANDICAP) > 0.6);
    }

    #[test]
    fn one_step_ahead_only_a_machine_that_stands_still_overrules_the_model() {
        let sides = PeakForecasts {
            model: vec![15.0],
            hold: vec![7.0],
        };
        let mut still = PeakMix::new(1);
        let mut moving = PeakMix::new(1);
        for turn in 0..50 {
            still.note(&[0.99], &sides, 7.0);
            let jumped = if turn == 20 { 10.0 } else { 7.0 };
            moving.note(&[0.99], &sides, jumped);
        }
        assert!(still.mix(&sides, 50.0, true)[0] < 7.5, "{still:?}");
        assert!(moving.mix(&sides, 50.0, true)[0] > 14.0, "{moving:?}");
    }
}
