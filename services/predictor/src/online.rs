//! What a series' own recent past says about the model: how far to trust it, and by how much its quantiles miss.
//!
//! The past is a handful of origins of the window itself, forecast again and compared with what came.

use crate::{manifest::Output, naive::Naive, quantile};

/// An output of the model: which quantile of what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Of what.
    pub output: Output,
    /// Which.
    pub quantile: f64,
}

/// A forecast as the model made it, for one origin and horizon. Percent of capacity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawForecast {
    /// One value for each [`Target`].
    pub values: Vec<f64>,
    /// Those of [`Naive::ALL`]; NaN where impossible.
    pub naive: [f64; 4],
    /// The scale at the origin.
    pub scale: f64,
}

/// A forecast of the past, with what came.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// What was forecast.
    pub forecast: &'a RawForecast,
    /// CPU at the horizon.
    pub level: f64,
    /// The highest CPU up to it.
    pub peak: f64,
}

/// How the past is used.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Past origins per horizon.
    pub past_origins: usize,
    /// How far back they may lie, in seconds.
    pub past_seconds: usize,
    /// The sharper, the sooner the better of model and naive gets all the weight.
    pub gate_sharpness: f64,
    /// The naive forecast must be this much better before it counts as equal.
    pub gate_prior: f64,
    /// Past forecasts needed before the gate moves at all.
    pub gate_least: usize,
    /// Past forecasts that halve the trust in offsets.
    pub offset_prior: f64,
}

/// Chosen on the held-out part of the training data: offsets that trust 48 outcomes fully cost q95 of the peak a
/// fifth of its skill, none at all leaves coverage half as good again.
pub const TUNING: Tuning = Tuning {
    past_origins: 48,
    past_seconds: 4 * 86_400,
    gate_sharpness: 10.0,
    gate_prior: 0.9,
    gate_least: 8,
    offset_prior: 100.0,
};

/// What the past says.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Weight of the model's median against the naive forecast's, 0 to 1.
    pub weight: f64,
    /// The best of the naive forecasts.
    pub naive: Naive,
    /// Mean absolute error of the model's median.
    pub model_error: f64,
    /// Mean absolute error of that naive forecast.
    pub naive_error: f64,
    /// Past forecasts looked at.
    pub outcomes: usize,
    /// What to add to each output, in units of the scale.
    pub offsets: Vec<f64>,
}

/// Judges the model by `past`.
pub fn judge(targets: &[Target], past: &[Outcome<'_>], tuning: &Tuning) -> Judgement {
    let median = median_of(targets);
    let mut model_error = 0.0;
    let mut naive_errors = [0.0; 4];
    for outcome in past {
        let forecast = outcome.forecast;
        model_error += (outcome.level - forecast.values[median]).abs();
        for (sum, naive) in naive_errors.iter_mut().zip(forecast.naive) {
            // One that can't be made is as good as persistence at most: never chosen for it.
            let naive = if naive.is_nan() { f64::INFINITY } else { naive };
            *sum += (outcome.level - naive).abs();
        }
    }
    let n = past.len() as f64;
    let best = (0..4)
        .min_by(|left, right| naive_errors[*left].total_cmp(&naive_errors[*right]))
        .unwrap_or(0);
    let (model_error, naive_error) = (model_error / n, naive_errors[best] / n);
    let weight = if past.len() < tuning.gate_least {
        1.0
    } else {
        gate(model_error, naive_error, tuning)
    };
    Judgement {
        weight,
        naive: Naive::ALL[best],
        model_error,
        naive_error,
        outcomes: past.len(),
        offsets: offsets(targets, past, tuning),
    }
}

fn gate(model_error: f64, naive_error: f64, tuning: &Tuning) -> f64 {
    let model = (model_error * tuning.gate_prior).powf(tuning.gate_sharpness);
    let naive = naive_error.powf(tuning.gate_sharpness);
    match model + naive {
        sum if sum > 0.0 && sum.is_finite() => naive / sum,
        _ => 1.0,
    }
}

fn offsets(targets: &[Target], past: &[Outcome<'_>], tuning: &Tuning) -> Vec<f64> {
    let n = past.len() as f64;
    let trust = n / (n + tuning.offset_prior);
    let mut misses = Vec::with_capacity(past.len());
    targets
        .iter()
        .enumerate()
        .map(|(index, target)| {
            misses.clear();
            misses.extend(past.iter().map(|outcome| {
                let actual = match target.output {
                    Output::Level => outcome.level,
                    Output::Peak => outcome.peak,
                };
                (actual - outcome.forecast.values[index]) / outcome.forecast.scale
            }));
            trust * quantile::conformal_offset(&mut misses, target.quantile)
        })
        .collect()
}

/// The forecast after judgement: one value for each target, percent of capacity, monotone and within `0..=100`.
pub fn apply(targets: &[Target], forecast: &RawForecast, judgement: &Judgement) -> Vec<f64> {
    let median = median_of(targets);
    let naive = forecast.naive[judgement.naive as usize];
    let model = forecast.values[median];
    let moved = match naive.is_nan() {
        true => 0.0,
        false => (1.0 - judgement.weight) * (naive - model),
    };
    let mut values: Vec<f64> = targets
        .iter()
        .zip(forecast.values.iter().zip(&judgement.offsets))
        .map(|(target, (value, offset))| {
            let moved = match target.output {
                Output::Level => moved,
                Output::Peak => 0.0,
            };
            // The median is judged by the gate; moving it by an offset too would count the same misses twice.
            let offset = match target.quantile == 0.5 && target.output == Output::Level {
                true => 0.0,
                false => *offset,
            };
            value + moved + offset * forecast.scale
        })
        .collect();
    for output in [Output::Level, Output::Peak] {
        let mut positions: Vec<usize> = (0..targets.len())
            .filter(|index| targets[*index].output == output)
            .collect();
        positions
            .sort_by(|left, right| targets[*left].quantile.total_cmp(&targets[*right].quantile));
        order(&positions, &mut values);
    }
    values
}

/// Makes the values at `positions` (ascending in quantile) a valid row of quantiles.
pub fn order(positions: &[usize], values: &mut [f64]) {
    let mut row: Vec<f64> = positions.iter().map(|index| values[*index]).collect();
    quantile::repair(&mut row, 100.0);
    for (position, value) in positions.iter().zip(row) {
        values[*position] = value;
    }
}

/// The index of the level's median, or of the nearest there is.
pub fn median_of(targets: &[Target]) -> usize {
    let distance = |target: &Target| match target.output {
        Output::Level => (target.quantile - 0.5).abs(),
        Output::Peak => 9.0,
    };
    (0..targets.len())
        .min_by(|left, right| distance(&targets[*left]).total_cmp(&distance(&targets[*right])))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: [Target; 4] = [
        Target {
            output: Output::Level,
            quantile: 0.5,
        },
        Target {
            output: Output::Level,
            quantile: 0.9,
        },
        Target {
            output: Output::Peak,
            quantile: 0.5,
        },
        Target {
            output: Output::Peak,
            quantile: 0.9,
        },
    ];

    fn raw(values: [f64; 4], persistence: f64) -> RawForecast {
        RawForecast {
            values: values.to_vec(),
            naive: [persistence, f64::NAN, f64::NAN, f64::NAN],
            scale: 2.0,
        }
    }

    fn judged(model: f64, persistence: f64, count: usize) -> Judgement {
        let forecast = raw([model, model, model, model], persistence);
        let past = vec![
            Outcome {
                forecast: &forecast,
                level: 50.0,
                peak: 60.0
            };
            count
        ];
        judge(&TARGETS, &past, &TUNING)
    }

    #[test]
    fn the_better_one_gets_the_weight() {
        assert!(judged(49.0, 20.0, 30).weight > 0.99);
        assert!(judged(20.0, 49.0, 30).weight < 0.01);
        let equal = judged(40.0, 40.0, 30).weight;
        assert!((0.6..0.9).contains(&equal), "{equal}");
        assert_eq!(judged(20.0, 49.0, 7).weight, 1.0, "too few to tell");
        assert_eq!(judged(20.0, 49.0, 30).naive, Naive::Persistence);
    }

    #[test]
    fn a_perfect_past_on_both_sides_is_no_division_by_zero() {
        assert_eq!(judged(50.0, 50.0, 30).weight, 1.0);
        assert_eq!(judge(&TARGETS, &[], &TUNING).weight, 1.0);
    }

    #[test]
    fn quantiles_that_were_too_low_are_lifted() {
        let judgement = judged(50.0, 50.0, 60);
        let forecast = raw([50.0, 51.0, 52.0, 53.0], 50.0);
        let values = apply(&TARGETS, &forecast, &judgement);
        // The peak was 10 above its forecasts; 60 / 160 of that is trusted after 60 outcomes.
        assert_eq!(values[0], 50.0);
        assert!((values[3] - 56.75).abs() < 1e-9, "{values:?}");
    }

    #[test]
    fn a_naive_median_moves_the_levels_along() {
        let mut judgement = judged(20.0, 49.0, 30);
        judgement.weight = 0.0;
        judgement.offsets = vec![0.0; 4];
        let values = apply(&TARGETS, &raw([50.0, 55.0, 60.0, 70.0], 40.0), &judgement);
        assert_eq!(values, [40.0, 45.0, 60.0, 70.0]);
    }
}
