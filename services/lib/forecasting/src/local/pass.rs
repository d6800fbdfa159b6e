//! A walk through a history that teaches a local model what came, never more than was known at the time.

use super::{
    columns::{CLIP, COLUMNS, Coefficients, FEATURES, Row},
    model::LocalModel,
};
use crate::{
    features::{self, Change, LocalForecast, View},
    series::history::History,
};

/// Rows learned before the weights are worked out anew.
const ROWS_PER_FIT: usize = 4;

/// The row of a local model at `view`, towards `steps` ahead.
fn row(view: &View<'_>, steps: usize) -> Row {
    let mut values = Vec::with_capacity(COLUMNS);
    features::append(&FEATURES, view, steps, &LocalForecast::UNKNOWN, &mut values);
    let mut row = [0.3; COLUMNS];
    for (entry, value) in row.iter_mut().zip(values) {
        *entry = match value.is_nan() {
            true => 0.0,
            false => f64::from(value).clamp(-CLIP, CLIP),
        };
    }
    row
}

/// Teaches a local model every `stride`-th origin of a history.
#[derive(Debug)]
pub struct LocalPass<'a> {
    history: &'a History,
    /// The oldest point that may be looked at.
    first: usize,
    /// To the horizon.
    steps: usize,
    stride: usize,
    /// The next origin to learn from.
    next: usize,
    /// The one learned before it.
    before: Option<usize>,
    model: LocalModel,
    coefficients: Coefficients,
    rows_since_fit: usize,
}

impl<'a> LocalPass<'a> {
    /// Begins an hour after `first` with nothing learned.
    pub fn new(history: &'a History, first: usize, steps: usize, stride: usize) -> Self {
        let start = first + history.steps(60);
        Self::resume(history, first, steps, stride, start, LocalModel::default())
    }

    /// Goes on with `model` at the origin `next`.
    pub fn resume(
        history: &'a History,
        first: usize,
        steps: usize,
        stride: usize,
        next: usize,
        model: LocalModel,
    ) -> Self {
        Self {
            history,
            first,
            steps,
            stride: stride.max(1),
            next,
            before: None,
            coefficients: model.coefficients(),
            model,
            rows_since_fit: 0,
        }
    }

    /// Learns whatever was known at `origin`; origins must not decrease.
    pub fn advance(&mut self, origin: usize) {
        while self.next + self.steps <= origin {
            let learned = self.next;
            self.next += self.stride;
            let level = self.history.observed(learned + self.steps);
            let peak = self
                .history
                .observed_peak(learned + 1, learned + self.steps);
            if level.is_nan() || peak.is_nan() || self.history.observed(learned).is_nan() {
                continue;
            }
            let Some(view) = View::new(self.history, learned, self.first) else {
                continue;
            };
            let row = row(&view, self.steps);
            let relative = |value: f64| (value - view.now()) / view.scale();
            let change = Change {
                level: relative(level),
                peak: relative(peak),
            };
            let steps = self.before.map_or(self.stride, |before| learned - before);
            let elapsed = steps as f64 * view.step_minutes();
            self.model.learn(&self.coefficients, &row, change, elapsed);
            self.before = Some(learned);
            self.rows_since_fit += 1;
            if self.rows_since_fit >= ROWS_PER_FIT {
                self.fit();
            }
        }
    }

    /// What the model says at `view`, having learned whatever was known then.
    pub fn at(&mut self, view: &View<'_>) -> LocalForecast {
        self.advance(view.origin());
        if self.rows_since_fit > 0 {
            self.fit();
        }
        let row = row(view, self.steps);
        self.model.forecast(&self.coefficients, &row)
    }

    /// The next origin to learn from.
    pub fn next(&self) -> usize {
        self.next
    }

    /// What was learned.
    pub fn into_model(self) -> LocalModel {
        self.model
    }

    fn fit(&mut self) {
        self.coefficients = self.model.coefficients();
        self.rows_since_fit = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hourly_job_is_known_after_some_days_and_the_future_is_not_looked_at() {
        let value = |index: usize| if index % 12 == 7 { 60.0 } else { 20.0 };
        let values: Vec<f32> = (0..1_500).map(value).collect();
        let forecast = |values: Vec<f32>| {
            let history = History::new(300, values);
            let view = View::new(&history, 1_204, 0).unwrap();
            let said = LocalPass::new(&history, 0, 3, 5).at(&view);
            (said, view.scale())
        };
        let (said, scale) = forecast(values.clone());
        // 1,204 + 3 is a job's turn.
        let rise = said.change.level * scale;
        assert!((rise - 40.0).abs() < 8.0, "{rise}");
        assert!(said.error.level < 0.3, "{said:?}");
        let mut other = values;
        other[1_205..].fill(99.0);
        assert_eq!(forecast(other).0, said);
    }

    #[test]
    fn a_pass_may_be_cut_in_two() {
        let values: Vec<f32> = (0..900_u32)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 26) as f32)
            .collect();
        let history = History::new(300, values);
        let mut whole = LocalPass::new(&history, 0, 6, 5);
        whole.advance(899);
        let mut first = LocalPass::new(&history, 0, 6, 5);
        first.advance(500);
        let next = first.next();
        let mut second = LocalPass::resume(&history, 0, 6, 5, next, first.into_model());
        second.advance(899);
        let (whole, cut) = (whole.into_model(), second.into_model());
        assert!((whole.units - cut.units).abs() < 1e-9);
        let (left, right) = (whole.coefficients(), cut.coefficients());
        for (left, right) in left.iter().flatten().zip(right.iter().flatten()) {
            assert!((left - right).abs() < 0.05, "{left} {right}");
        }
    }
}
