//! Who was right lately: the model's median against the naive forecasts.

use crate::naive::Naive;

/// Outcomes fade with this time constant, in minutes.
const MEMORY_MINUTES: f64 = 48.0 * 60.0;
/// The sharper, the sooner the best one gets all the weight.
const SHARPNESS: i32 = 24;
/// As many outcomes count for "all are as good as the model".
const PRIOR_OUTCOMES: f64 = 10.0;
/// Fewer outcomes say nothing.
const LEAST_OUTCOMES: f64 = 8.0;
/// Naive forecasts other than persistence must be this much better: of four, one is always lucky.
const HANDICAP: f64 = 1.1;

/// The model, then [`Naive::ALL`].
const CANDIDATES: usize = 1 + Naive::ALL.len();

/// Errors and hits of the recent past, fading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Outcomes.
    pub outcomes: f64,
    /// Absolute errors of the model's median and of the naive forecasts.
    pub errors: [f64; CANDIDATES],
    /// Absolute error of the median as served.
    pub served_error: f64,
    /// Outcomes at or below q90 and q95 at the horizon, peaks at or below those of the peak.
    pub covered: [f64; 4],
}

/// Weights of the candidates; they sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate([f64; CANDIDATES]);

impl Record {
    /// Lets `minutes` pass; the share of the past that is left.
    pub fn fade(&mut self, minutes: f64) -> f64 {
        let keep = (-minutes / MEMORY_MINUTES).exp();
        self.outcomes *= keep;
        self.served_error *= keep;
        for sum in self.errors.iter_mut().chain(&mut self.covered) {
            *sum *= keep;
        }
        keep
    }

    /// Notes that `level` came after these forecasts. One that couldn't be made is as good as persistence.
    pub fn note(&mut self, level: f64, model: f64, naive: &[f64; Naive::ALL.len()], served: f64) {
        self.outcomes += 1.0;
        self.served_error += (level - served).abs();
        self.errors[0] += (level - model).abs();
        for (sum, value) in self.errors[1..].iter_mut().zip(naive) {
            let value = if value.is_nan() { naive[0] } else { *value };
            *sum += (level - value).abs();
        }
    }

    /// Whom to trust.
    pub fn gate(&self) -> Gate {
        let mut weights = [0.0; CANDIDATES];
        weights[0] = 1.0;
        if self.outcomes < LEAST_OUTCOMES {
            return Gate(weights);
        }
        let prior = PRIOR_OUTCOMES * self.errors[0] / self.outcomes;
        let errors: Vec<f64> = self
            .errors
            .iter()
            .enumerate()
            .map(|(candidate, sum)| {
                let handicap = if candidate > 1 { HANDICAP } else { 1.0 };
                (sum + prior) / (self.outcomes + PRIOR_OUTCOMES) * handicap + 1e-6
            })
            .collect();
        let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
        for (weight, error) in weights.iter_mut().zip(&errors) {
            *weight = (least / error).powi(SHARPNESS);
        }
        let sum: f64 = weights.iter().sum();
        Gate(weights.map(|weight| weight / sum))
    }

    /// The naive forecast with the least error, and its mean.
    pub fn best_naive(&self) -> (Naive, f64) {
        let (naive, sum) = Naive::ALL
            .into_iter()
            .zip(&self.errors[1..])
            .min_by(|left, right| left.1.total_cmp(right.1))
            .unwrap_or((Naive::Persistence, &0.0));
        (naive, sum / self.outcomes)
    }
}

impl Gate {
    /// Of the model.
    pub fn model_weight(&self) -> f64 {
        self.0[0]
    }

    /// The point forecast: all of them, weighted. One that couldn't be made counts as persistence.
    pub fn mix(&self, model: f64, naive: &[f64; Naive::ALL.len()]) -> f64 {
        let known = |value: f64| if value.is_nan() { naive[0] } else { value };
        let naive = naive.iter().map(|value| known(*value));
        std::iter::once(model)
            .chain(naive)
            .zip(self.0)
            .map(|(value, weight)| value * weight)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After `count` outcomes of 50.
    fn record(model: f64, persistence: f64, mean: f64, count: usize) -> Record {
        let mut record = Record::default();
        for _ in 0..count {
            record.fade(15.0);
            record.note(50.0, model, &[persistence, mean, f64::NAN, f64::NAN], model);
        }
        record
    }

    #[test]
    fn the_better_one_gets_the_weight() {
        for (model, persistence, mean, count, expected) in [
            (49.0, 20.0, 20.0, 60, 0.9..=1.0),
            (20.0, 49.0, 20.0, 60, 0.0..=0.01),
            // As good as persistence (and two that count as it): the handicap leaves most to these two.
            (40.0, 40.0, 40.0, 60, 0.4..=0.6),
            (20.0, 49.0, 20.0, 7, 1.0..=1.0),
            // All are perfect.
            (50.0, 50.0, 50.0, 60, 0.2..=0.2),
        ] {
            let weight = record(model, persistence, mean, count)
                .gate()
                .model_weight();
            assert!(
                expected.contains(&weight),
                "{model} {persistence}: {weight}"
            );
        }
        assert_eq!(record(20.0, 30.0, 49.0, 30).best_naive().0, Naive::Mean12);
    }

    #[test]
    fn a_mix_lies_between_model_and_naive() {
        let naive = [30.0, f64::NAN, f64::NAN, f64::NAN];
        for (model, persistence, expected) in [(20.0, 49.0, 29.5..=30.0), (49.0, 20.0, 10.0..=10.5)]
        {
            let mixed = record(model, persistence, 20.0, 60)
                .gate()
                .mix(10.0, &naive);
            assert!(expected.contains(&mixed), "{model}: {mixed}");
        }
    }

    #[test]
    fn the_past_fades() {
        let mut record = record(20.0, 49.0, 20.0, 60);
        let before = record.outcomes;
        record.fade(48.0 * 60.0);
        assert!((record.outcomes / before - (-1.0_f64).exp()).abs() < 1e-9);
    }
}
