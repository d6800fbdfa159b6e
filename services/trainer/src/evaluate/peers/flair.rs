//! FLAIR (Honda, 2026, "Factored Level And Interleaved Ridge", arXiv:2605.07222): sample paths, of which the quantiles at
//! each horizon, and of the highest value up to it, are taken.

use ::flair::{Freq, NoiseMode};
use forecasting::{quantile, series::history::History};

use super::super::scorer::Statement;

/// It is shown so much.
const SHOWN_SECONDS: usize = 7 * 86_400;
/// Of less it says nothing.
const LEAST_POINTS: usize = 36;
const PATHS: usize = 200;

/// One statement for each of the ascending `steps` ahead; none where too little is known.
pub fn forecast(
    history: &History,
    origin: usize,
    steps: &[usize],
    quantiles: &[f64],
) -> Vec<Statement> {
    let step_seconds = history.step_seconds();
    let first = (origin + 1).saturating_sub(SHOWN_SECONDS / step_seconds as usize);
    // Gaps are filled as ours sees them.
    let shown: Vec<f64> = (first..=origin)
        .map(|index| history.value(index))
        .skip_while(|value| value.is_nan())
        .collect();
    let farthest = steps.last().copied().unwrap_or_default();
    let frequency = match step_seconds % 60 {
        0 => Freq::minutely((step_seconds / 60) as usize),
        _ => Freq::secondly(step_seconds as usize),
    };
    if shown.len() < LEAST_POINTS {
        return Vec::new();
    }
    let paths = frequency.and_then(|frequency| {
        let noise = NoiseMode::Bootstrap;
        let seed = origin as u64;
        ::flair::forecast(&shown, &frequency, farthest, PATHS, seed, None, noise)
    });
    let Ok((paths, _)) = paths else {
        return Vec::new();
    };
    let quantiles_of = |value: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        let mut values: Vec<f64> = paths.iter().map(|path| value(path)).collect();
        values.sort_unstable_by(f64::total_cmp);
        let of = |q: &f64| quantile::of_sorted(&values, *q).clamp(0.0, 100.0);
        quantiles.iter().map(of).collect()
    };
    let statement = |steps: &usize| {
        let level = quantiles_of(&|path| path[steps - 1]);
        let peak = quantiles_of(&|path| path[..*steps].iter().copied().fold(f64::MIN, f64::max));
        Statement {
            median: quantile::interpolate(quantiles, &level, 0.5),
            level,
            peak,
        }
    };
    steps.iter().map(statement).collect()
}
