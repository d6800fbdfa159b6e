//! How a series moved over a horizon before, shrunk towards what machines usually do while little of it is known.

use super::rows::Rows;
use crate::{artifact::manifest::UsualChanges, quantile, series::history::History};

/// No more than about so many origins are looked at.
const MOST_ORIGINS: usize = 600;
/// The usual size of the moves counts for so many of the series' own.
const USUAL_COUNTS_FOR: f64 = 10.0;
/// The usual tail counts for so many of the series' own changes beyond a quantile: overlapping ones say a little, too.
const USUAL_TAIL_COUNTS_FOR: f64 = 0.3;
/// A series moves no more than so many times as much as usual.
const LARGEST_SIZE: f64 = 20.0;

/// Changes over some steps, from every origin but thinned: sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// At the horizon.
    pub level: Vec<f64>,
    /// Of the highest value up to it.
    pub peak: Vec<f64>,
    /// How many of them don't overlap.
    pub spans: f64,
}

impl Changes {
    /// Those of the origins before `last` (inclusive).
    pub fn collect(history: &History, last: usize, steps: usize) -> Self {
        let mut changes = Self::default();
        let origins = (last + 1).saturating_sub(steps);
        // An odd stride meets every phase of an hour in turn.
        let every = match origins.div_ceil(MOST_ORIGINS) {
            0 | 1 => 1,
            more => more | 1,
        };
        for origin in (0..origins).rev().step_by(every) {
            let start = history.value(origin);
            let end = origin + steps;
            let change = history.observed(end) - start;
            let peak = history.known_peak(origin + 1, end) - start;
            if !change.is_nan() && !peak.is_nan() {
                changes.level.push(change);
                changes.peak.push(peak);
            }
        }
        changes.level.sort_unstable_by(f64::total_cmp);
        changes.peak.sort_unstable_by(f64::total_cmp);
        changes.spans = (changes.level.len() * every) as f64 / steps as f64;
        changes
    }
}

/// Quantiles of the change from now: the series' own as far as they are known, else the usual ones, as large as this
/// series moves.
pub fn rows(
    history: &History,
    last: usize,
    steps: usize,
    quantiles: &[f64],
    usual: &[UsualChanges],
) -> Rows {
    let own = Changes::collect(history, last, steps);
    let size = size(history, last, steps, quantiles, usual);
    let seconds = steps as u32 * history.step_seconds();
    let usual = nearest(usual, seconds);
    let row = |own_changes: &[f64], usual: Option<&Vec<f64>>| -> Vec<f64> {
        quantiles
            .iter()
            .enumerate()
            .map(|(index, q)| {
                let usual = size * usual.map_or(0.0, |usual| usual[index]);
                // As many of its own are beyond this quantile.
                let beyond = own.spans * q.min(1.0 - q);
                let share = beyond / (beyond + USUAL_TAIL_COUNTS_FOR);
                match own_changes.is_empty() {
                    true => usual,
                    false => share * quantile::of_sample(own_changes, *q) + (1.0 - share) * usual,
                }
            })
            .collect()
    };
    let mut level = row(&own.level, usual.map(|usual| &usual.level));
    // It says "as now": its median is the last value.
    for (value, q) in level.iter_mut().zip(quantiles) {
        if *q == 0.5 {
            *value = 0.0;
        }
    }
    Rows {
        level,
        peak: row(&own.peak, usual.map(|usual| &usual.peak)),
    }
}

/// How much the series moves, in what machines usually do: over the horizon, or over what it has seen a few times.
fn size(
    history: &History,
    last: usize,
    steps: usize,
    quantiles: &[f64],
    usual: &[UsualChanges],
) -> f64 {
    let lag = steps.min((last / 12).max(1));
    let changes = Changes::collect(history, last, lag);
    let seconds = lag as u32 * history.step_seconds();
    let Some(usual) = nearest(usual, seconds) else {
        return 1.0;
    };
    let over = f64::from(seconds) / f64::from(usual.horizon_seconds);
    let expected = mean_size(quantiles, &usual.level) * over.sqrt();
    if changes.level.is_empty() || expected <= 0.0 {
        return 1.0;
    }
    let sum: f64 = changes.level.iter().map(|change| change.abs()).sum();
    let own = (sum / changes.level.len() as f64 / expected).min(LARGEST_SIZE);
    (changes.spans * own + USUAL_COUNTS_FOR) / (changes.spans + USUAL_COUNTS_FOR)
}

fn nearest(usual: &[UsualChanges], seconds: u32) -> Option<&UsualChanges> {
    usual
        .iter()
        .min_by_key(|usual| usual.horizon_seconds.abs_diff(seconds))
}

/// The mean size of what has these quantiles, each standing for what is nearest to it.
fn mean_size(quantiles: &[f64], row: &[f64]) -> f64 {
    let edge = |left: usize| match (quantiles.get(left), quantiles.get(left + 1)) {
        (Some(left), Some(right)) => f64::midpoint(*left, *right),
        _ => 1.0,
    };
    row.iter()
        .enumerate()
        .map(|(index, value)| {
            let from = if index == 0 { 0.0 } else { edge(index - 1) };
            value.abs() * (edge(index) - from)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILES: [f64; 3] = [0.05, 0.5, 0.95];

    fn usual() -> Vec<UsualChanges> {
        [300, 3_600]
            .map(|horizon_seconds| UsualChanges {
                horizon_seconds,
                level: vec![-8.0, 0.0, 8.0],
                peak: vec![0.0, 2.0, 20.0],
            })
            .into()
    }

    /// q95 of the change of the peak over an hour.
    fn q95(value: impl Fn(usize) -> f32, points: usize) -> f64 {
        let history = History::new(300, (0..points).map(value).collect());
        rows(&history, points - 1, 12, &QUANTILES, &usual()).peak[2]
    }

    #[test]
    fn widths_come_from_the_series_as_soon_as_it_is_known() {
        let still = |_: usize| 30.0;
        let jumpy = |index: usize| if index.is_multiple_of(2) { 10.0 } else { 90.0 };
        assert_eq!(q95(still, 1), 20.0, "nothing is known");
        assert_eq!(q95(jumpy, 1), 20.0);
        let widths = [2, 6, 12, 60, 600, 4_000].map(|points| q95(still, points));
        assert!(
            widths.is_sorted_by(|before, now| now <= before),
            "{widths:?}"
        );
        assert!(
            widths[2] < 14.0 && widths[3] < 9.0 && widths[5] < 0.1,
            "{widths:?}"
        );
        assert!(q95(jumpy, 6) > 40.0, "{}", q95(jumpy, 6));
    }

    #[test]
    fn a_half_empty_grid_has_changes_too() {
        let value = |index: usize| match index % 2 {
            0 => f32::NAN,
            _ => (index % 24) as f32,
        };
        let history = History::new(300, (0..2_000).map(value).collect());
        let changes = Changes::collect(&history, 1_999, 12);
        assert!(changes.peak.len() > 100, "{}", changes.peak.len());
    }
}
