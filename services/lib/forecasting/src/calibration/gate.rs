//! Who was right lately: the model's median against the series' own linear model and the naive forecasts.

use crate::naive::Naive;

/// Outcomes fade with this time constant, in minutes.
const MEMORY_MINUTES: f64 = 48.0 * 60.0;
/// The sharper, the sooner the best one gets all the weight.
const SHARPNESS: i32 = 24;
/// As many outcomes count for "all are as good as the model".
const PRIOR_OUTCOMES: f64 = 10.0;
/// Fewer outcomes say nothing.
const LEAST_OUTCOMES: f64 = 8.0;
/// All but model and persistence must be this much better: of many, one is always lucky.
const HANDICAP: f64 = 1.1;

/// The model, [`Naive::ALL`], and the series' own linear model.
const CANDIDATES: usize = 2 + Naive::ALL.len();
const OWN: usize = CANDIDATES - 1;

/// What each says of the level. Percent of capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Points {
    /// The model's median.
    pub model: f64,
    /// Of the series' own linear model; NaN while it has not learned enough.
    pub own: f64,
    /// Those of [`Naive::ALL`]; NaN where impossible.
    pub naive: [f64; Naive::ALL.len()],
}

impl Points {
    /// What counts for each candidate: one that couldn't be made is as the model, a naive one as persistence.
    fn known(&self) -> [f64; CANDIDATES] {
        let or = |value: f64, other| if value.is_nan() { other } else { value };
        let [now, mean, smoothed, yesterday] = self.naive.map(|value| or(value, self.naive[0]));
        [
            self.model,
            now,
            mean,
            smoothed,
            yesterday,
            or(self.own, self.model),
        ]
    }
}

/// Errors and hits of the recent past, fading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Outcomes.
    pub outcomes: f64,
    /// Absolute errors of the candidates: the model's median, the naive forecasts, the series' own linear model.
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

    /// Notes that `level` came after these forecasts.
    pub fn note(&mut self, level: f64, points: &Points, served: f64) {
        self.outcomes += 1.0;
        self.served_error += (level - served).abs();
        for (sum, value) in self.errors.iter_mut().zip(points.known()) {
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

impl Record {
    /// The mean error of the best naive forecast that knows no rhythm: to know one is skill.
    pub fn best_without_rhythm(&self) -> f64 {
        let least = Naive::ALL
            .into_iter()
            .zip(&self.errors[1..])
            .filter(|(naive, _)| *naive != Naive::Daily)
            .map(|(_, sum)| *sum)
            .fold(f64::INFINITY, f64::min);
        least / self.outcomes
    }
}

impl Gate {
    /// Of what was learned: the model, and the series' own linear model.
    pub fn model_weight(&self) -> f64 {
        self.0[0] + self.0[OWN]
    }

    /// Of the model alone.
    pub fn global_weight(&self) -> f64 {
        self.0[0]
    }

    /// The point forecast: all of them, weighted.
    pub fn mix(&self, points: &Points) -> f64 {
        let weighted = points.known().into_iter().zip(self.0);
        let moved: f64 = weighted
            .map(|(value, weight)| (value - points.model) * weight)
            .sum();
        points.model + moved
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
            let points = Points {
                model,
                own: f64::NAN,
                naive: [persistence, mean, f64::NAN, f64::NAN],
            };
            record.note(50.0, &points, model);
        }
        record
    }

    #[test]
    fn the_better_one_gets_the_weight() {
        for (model, persistence, mean, count, expected) in [
            (49.0, 20.0, 20.0, 60, 0.9..=1.0),
            (20.0, 49.0, 20.0, 60, 0.0..=0.01),
            // As good as persistence (and three that count as one of them): the handicap leaves most to these two.
            (40.0, 40.0, 40.0, 60, 0.4..=0.6),
            (20.0, 49.0, 20.0, 7, 1.0..=1.0),
            // All are perfect.
            (50.0, 50.0, 50.0, 60, 0.33..=0.34),
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
        let points = Points {
            model: 10.0,
            own: f64::NAN,
            naive: [30.0, f64::NAN, f64::NAN, f64::NAN],
        };
        for (model, persistence, expected) in [(20.0, 49.0, 29.5..=30.0), (49.0, 20.0, 10.0..=10.5)]
        {
            let mixed = record(model, persistence, 20.0, 60).gate().mix(&points);
            assert!(expected.contains(&mixed), "{model}: {mixed}");
        }
    }

    #[test]
    fn the_series_own_model_is_followed_where_it_is_the_best() {
        let mut record = Record::default();
        let points = |own| Points {
            model: 40.0,
            own,
            naive: [30.0; 4],
        };
        for _ in 0..60 {
            record.fade(15.0);
            record.note(50.0, &points(48.0), 40.0);
        }
        let gate = record.gate();
        assert!(gate.mix(&points(45.0)) > 44.9);
        assert!(gate.model_weight() > 0.99 && gate.global_weight() < 0.01);
        assert_eq!(record.best_naive().0, Naive::Persistence);
        // It can't be made: the model stands in for it.
        assert!((gate.mix(&points(f64::NAN)) - 40.0).abs() < 0.1);
    }

    #[test]
    fn the_past_fades() {
        let mut record = record(20.0, 49.0, 20.0, 60);
        let before = record.outcomes;
        record.fade(48.0 * 60.0);
        assert!((record.outcomes / before - (-1.0_f64).exp()).abs() < 1e-9);
    }
}
