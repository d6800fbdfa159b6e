//! What is done to a series before the model is asked.

use crate::{
    features::View,
    forecast::Question,
    grid::Grid,
    history::History,
    manifest::Manifest,
    online::{TUNING, Tuning},
    series::Series,
};

/// A series on the grid, and what the model will be asked about it.
pub struct Prepared {
    pub history: History,
    pub step_seconds: u32,
    pub last_seconds: i64,
    pub span_seconds: u64,
    pub observed: usize,
    /// Why the model can't be asked.
    pub unsupported: Option<String>,
    /// For each horizon: past origins whose outcome is known. Empty when unsupported.
    pub past: Vec<Vec<usize>>,
}

impl Prepared {
    /// Grids `series`, and finds what the model can be asked.
    pub fn new(series: &Series, horizons_seconds: &[u32], manifest: &Manifest) -> Self {
        let grid = Grid::resample(series);
        let span = grid.span_seconds;
        let unsupported = if grid.too_coarse() {
            Some(format!(
                "samples are {} s apart, the model needs 600 s or less",
                grid.spacing_seconds
            ))
        } else if !manifest.steps_seconds.contains(&grid.step_seconds) {
            Some(format!(
                "the model was not trained on a step of {} s",
                grid.step_seconds
            ))
        } else if span < u64::from(manifest.least_history_seconds) {
            Some(format!(
                "the history spans {span} s, the model needs {} s",
                manifest.least_history_seconds
            ))
        } else if grid.observed() * 2 < grid.values.len() {
            Some(format!(
                "{} of {} grid points have no sample",
                grid.values.len() - grid.observed(),
                grid.values.len()
            ))
        } else {
            None
        };
        let observed = grid.observed();
        let (step_seconds, last_seconds) = (grid.step_seconds, grid.last_seconds);
        let history = History::new(step_seconds, grid.values);
        let past = match unsupported {
            Some(_) => Vec::new(),
            None => horizons_seconds
                .iter()
                .map(|horizon| {
                    let last = history.len().saturating_sub(1);
                    past_origins(
                        &history,
                        last,
                        *horizon,
                        manifest.least_history_seconds,
                        &TUNING,
                    )
                })
                .collect(),
        };
        Self {
            history,
            step_seconds,
            last_seconds,
            span_seconds: span,
            observed,
            unsupported,
            past,
        }
    }

    /// The current origin and the past ones, horizon by horizon.
    pub fn questions<'a>(
        &'a self,
        horizons_seconds: &'a [u32],
    ) -> impl Iterator<Item = Question<'a>> {
        let last = self.history.len().saturating_sub(1);
        self.past
            .iter()
            .zip(horizons_seconds)
            .flat_map(move |(origins, horizon)| {
                std::iter::once(last)
                    .chain(origins.iter().copied())
                    .filter_map(move |origin| {
                        Some(Question {
                            view: View::new(&self.history, origin, 0)?,
                            horizon_seconds: *horizon,
                            step_seconds: self.step_seconds,
                        })
                    })
            })
    }

    /// How many questions that is.
    pub fn questions_count(&self, horizons_seconds: &[u32]) -> usize {
        let count = self.past.iter().map(|origins| origins.len() + 1).sum();
        debug_assert!(self.past.is_empty() || self.past.len() == horizons_seconds.len());
        count
    }
}

/// Past origins whose value and outcome are known at `last`, newest first.
pub fn past_origins(
    history: &History,
    last: usize,
    horizon_seconds: u32,
    least_history_seconds: u32,
    tuning: &Tuning,
) -> Vec<usize> {
    let step = history.step_seconds();
    let horizon = (horizon_seconds / step) as usize;
    let least = (least_history_seconds / step) as usize;
    let Some(newest) = last.checked_sub(horizon) else {
        return Vec::new();
    };
    let room = newest
        .saturating_sub(least)
        .min(tuning.past_seconds / step as usize);
    // An odd stride meets every phase of an hour in turn.
    let stride = (room / tuning.past_origins).max(1) | 1;
    (0..tuning.past_origins)
        .map_while(|turn| (turn * stride <= room).then(|| newest - turn * stride))
        .filter(|origin| {
            !history.value(*origin).is_nan()
                && !history.observed(origin + horizon).is_nan()
                && !history.observed_peak(origin + 1, origin + horizon).is_nan()
        })
        .collect()
}
