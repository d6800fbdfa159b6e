//! What a series' own past says without a model: how it moved over the horizon before, what it was at this phase of the
//! hour, of six hours and of the day, and what it is at all; each as far as it was right.
//!
//! It answers where the model can't be asked, and widens the model's answer where that saw little.

mod changes;
mod phases;
mod rows;

use crate::{
    artifact::manifest::UsualChanges,
    quantile::{self, Weighted},
    series::history::History,
};
use phases::{PHASES, Reach, Sample};
pub use rows::Rows;

/// What is looked at to see which of them was right: so many origins of the last days.
const JUDGED_ORIGINS: usize = 48;
const JUDGED_MINUTES: u32 = 3 * 1440;
/// Fewer outcomes say nothing.
const LEAST_JUDGED: usize = 8;
/// All but "as now" must be this much better: of many, one is always lucky.
const HANDICAP: f64 = 1.1;
/// The sharper, the sooner the best one gets all the weight.
const SHARPNESS: i32 = 8;
/// The changes, the phases, and all there was.
const CANDIDATES: usize = 2 + PHASES.len();

/// Quantiles of what comes within `steps` after `last`, by what came before. `quantiles` ascend; `usual` says what
/// machines do whose own past is too short to tell.
pub fn rows(
    history: &History,
    last: usize,
    steps: usize,
    quantiles: &[f64],
    usual: &[UsualChanges],
) -> Rows {
    let moved = changes::rows(history, last, steps, quantiles, usual);
    let moved_from = |origin: usize| {
        let now = history.value(origin);
        let from_now = |row: &[f64]| row.iter().map(|change| now + change).collect();
        Rows {
            level: from_now(&moved.level),
            peak: from_now(&moved.peak),
        }
    };
    let whole = Sample::whole(history, last, steps).rows(quantiles);
    let reaches = PHASES.map(|phase| Reach::of(history, last, steps, &phase));
    let candidates = |origin: usize| -> [Option<Rows>; CANDIDATES] {
        let mut all: [Option<Rows>; CANDIDATES] = Default::default();
        all[0] = Some(moved_from(origin));
        for (place, reach) in reaches.iter().enumerate() {
            all[1 + place] = Sample::at_phase(history, origin, steps, reach).rows(quantiles);
        }
        all[CANDIDATES - 1].clone_from(&whole);
        all
    };
    let judged = judged(history, last, steps, candidates);
    let weights = [0, 1].map(|output| weigh(quantiles, &judged, output));
    let now = candidates(last);
    let row = |output: usize| {
        let said = pooled(quantiles, &now, &weights[output], output);
        let missed = misses(quantiles, &judged, &weights[output], output);
        said.iter()
            .zip(missed)
            .map(|(said, missed)| said + missed)
            .collect()
    };
    Rows {
        level: row(0),
        peak: row(1),
    }
}

/// A past origin: what each candidate said there, and the level and peak that came.
struct Judged {
    said: [Option<Rows>; CANDIDATES],
    came: [f64; 2],
}

/// The origins of the last days whose outcome is known; none where they would say one thing several times.
fn judged(
    history: &History,
    last: usize,
    steps: usize,
    candidates: impl Fn(usize) -> [Option<Rows>; CANDIDATES],
) -> Vec<Judged> {
    let reach = history
        .steps(JUDGED_MINUTES)
        .min(last.saturating_sub(steps));
    // Outcomes that overlap are one seen several times.
    if reach < LEAST_JUDGED * steps {
        return Vec::new();
    }
    // An odd stride meets every phase of an hour in turn.
    let every = reach.div_ceil(JUDGED_ORIGINS).max(1) | 1;
    let origins = (0..=reach).step_by(every);
    let judged: Vec<Judged> = origins
        .filter_map(|back| last.checked_sub(steps + back))
        .filter_map(|origin| {
            let came = [
                history.observed(origin + steps),
                history.known_peak(origin + 1, origin + steps),
            ];
            let known = !history.value(origin).is_nan() && came.iter().all(|came| !came.is_nan());
            known.then(|| Judged {
                said: candidates(origin),
                came,
            })
        })
        .collect();
    match judged.len() < LEAST_JUDGED {
        true => Vec::new(),
        false => judged,
    }
}

/// The candidates' distributions of one output, mixed.
fn pooled(
    quantiles: &[f64],
    said: &[Option<Rows>; CANDIDATES],
    weights: &[f64; CANDIDATES],
    output: usize,
) -> Vec<f64> {
    let weighted: Vec<Weighted<'_>> = said
        .iter()
        .zip(weights)
        .filter_map(|(rows, weight)| {
            Some(Weighted {
                weight: *weight,
                row: rows.as_ref()?.pair()[output],
            })
        })
        .collect();
    quantile::pool(quantiles, &weighted)
}

/// How far each quantile has to be moved outwards to have covered what it promises at the judged origins.
fn misses(
    quantiles: &[f64],
    judged: &[Judged],
    weights: &[f64; CANDIDATES],
    output: usize,
) -> Vec<f64> {
    let said: Vec<Vec<f64>> = judged
        .iter()
        .map(|judged| pooled(quantiles, &judged.said, weights, output))
        .collect();
    let miss = |(index, q): (usize, &f64)| {
        let pairs = judged.iter().zip(&said);
        let mut all: Vec<f64> = pairs
            .map(|(judged, said)| judged.came[output] - said[index])
            .collect();
        all.sort_unstable_by(f64::total_cmp);
        let missed = quantile::of_sorted(&all, *q);
        let is_outwards = missed * (q - 0.5) > 0.0;
        if is_outwards { missed } else { 0.0 }
    };
    quantiles.iter().enumerate().map(miss).collect()
}

/// Weights of the candidates for one output by their pinball loss lately.
fn weigh(quantiles: &[f64], judged: &[Judged], output: usize) -> [f64; CANDIDATES] {
    let mut losses = [0.0; CANDIDATES];
    for Judged { said, came } in judged {
        let loss = |rows: &Rows| -> f64 {
            let pairs = quantiles.iter().zip(rows.pair()[output]);
            pairs
                .map(|(q, value)| quantile::pinball(*q, *value, came[output]))
                .sum()
        };
        let first = said[0].as_ref().map_or(0.0, loss);
        for (sum, rows) in losses.iter_mut().zip(said) {
            // What couldn't be said counts as the first.
            *sum += rows.as_ref().map_or(first, loss);
        }
    }
    weights(losses, judged.len())
}

fn weights(mut losses: [f64; CANDIDATES], judged: usize) -> [f64; CANDIDATES] {
    let mut weights = [0.0; CANDIDATES];
    weights[0] = 1.0;
    if judged < LEAST_JUDGED {
        return weights;
    }
    for (candidate, loss) in losses.iter_mut().enumerate() {
        *loss = (*loss + 1e-6) * if candidate > 0 { HANDICAP } else { 1.0 };
    }
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    losses.map(|loss| (least / loss).powi(SHARPNESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

    fn said(values: Vec<f32>) -> Rows {
        let history = History::new(300, values);
        rows(&history, history.len() - 1, 12, &QUANTILES, &[])
    }

    fn noise(index: usize) -> f32 {
        ((index as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0
    }

    #[test]
    fn an_hourly_job_is_known_from_one_sample_after_a_gap() {
        let job = |index: usize| if index % 12 == 7 { 80.0 } else { 20.0 };
        let mut values: Vec<f32> = (0..600).map(job).collect();
        values[560..599].fill(f32::NAN);
        let rows = said(values);
        assert!(
            rows.peak.iter().all(|peak| (peak - 80.0).abs() < 1.0),
            "{rows:?}"
        );
        assert!((rows.level[2] - 20.0).abs() < 1.0, "{rows:?}");
    }

    #[test]
    fn what_only_wanders_goes_on_from_where_it_is() {
        let mut level = 10.0;
        let mut values: Vec<f32> = (0..900)
            .map(|index| {
                level += noise(index) - 0.45;
                level
            })
            .collect();
        let now = f64::from(level);
        values[850..899].fill(f32::NAN);
        let rows = said(values);
        assert!((rows.level[2] - now).abs() < 2.0, "{rows:?} from {now}");
        assert!(rows.peak[4] < now + 10.0, "{rows:?} from {now}");
    }

    #[test]
    fn noise_is_as_it_always_was() {
        let mut values: Vec<f32> = (0..900).map(|index| 40.0 * noise(index)).collect();
        values[899] = 40.0;
        let rows = said(values);
        assert!(rows.level[2] < 30.0, "{rows:?}");
    }
}
