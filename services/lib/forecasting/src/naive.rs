//! Forecasts that need no model: what every model has to beat, and what is left when there is none.

use crate::{features::View, quantile, series::history::History};

/// A forecast of the value at a horizon that needs no training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Naive {
    /// As now.
    Persistence,
    /// The mean of the last twelve points.
    Mean12,
    /// An exponentially weighted mean, about the last quarter of an hour (three points).
    Ewma,
    /// As at the same time yesterday.
    Daily,
}

impl Naive {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Persistence, Self::Mean12, Self::Ewma, Self::Daily];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Persistence => "persistence",
            Self::Mean12 => "mean of 12 points",
            Self::Ewma => "weighted mean",
            Self::Daily => "same time yesterday",
        }
    }

    /// The forecast, percent of capacity; NaN when the history doesn't reach far enough.
    pub fn forecast(self, view: &View<'_>, horizon_steps: usize) -> f64 {
        match self {
            Self::Persistence => view.now(),
            Self::Mean12 => view.mean_of_steps(12),
            Self::Ewma => view.smoothed_steps(3),
            Self::Daily => view.at_horizon(horizon_steps).yesterday(),
        }
    }
}

/// Changes of a history over a horizon, from every origin but thinned: sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastChanges {
    /// At the horizon.
    pub level: Vec<f64>,
    /// Of the highest value up to the horizon.
    pub peak: Vec<f64>,
}

impl PastChanges {
    /// Looks at no more than about `most` of the origins before `last` (inclusive).
    pub fn collect(history: &History, last: usize, horizon_steps: usize, most: usize) -> Self {
        let mut changes = Self::default();
        let origins = (last + 1).saturating_sub(horizon_steps);
        let every = origins.div_ceil(most.max(1)).max(1);
        for origin in (0..origins).rev().step_by(every) {
            let start = history.value(origin);
            let end = origin + horizon_steps;
            let change = history.observed(end) - start;
            let peak = history.observed_peak(origin + 1, end) - start;
            if !change.is_nan() && !peak.is_nan() {
                changes.level.push(change);
                changes.peak.push(peak);
            }
        }
        changes.level.sort_unstable_by(f64::total_cmp);
        changes.peak.sort_unstable_by(f64::total_cmp);
        changes
    }
}

/// A quantile of `own` changes, mixed with the `usual` one of other machines while there are few of its own.
pub fn blended_quantile(own: &[f64], q: f64, usual: f64) -> f64 {
    /// As many own changes as the usual ones count for.
    const USUAL_COUNTS_FOR: f64 = 20.0;
    if own.is_empty() {
        return usual;
    }
    let share = own.len() as f64 / (own.len() as f64 + USUAL_COUNTS_FOR);
    share * quantile::of_sorted(own, q) + (1.0 - share) * usual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_its_name_says() {
        let values: Vec<f32> = (0..600).map(|index| (index % 288) as f32 / 10.0).collect();
        let history = History::new(300, values);
        let view = View::new(&history, 599, 0).unwrap();
        for (naive, expected) in [
            (Naive::Persistence, 2.3),
            (Naive::Mean12, (1.2 + 2.3) / 2.0),
            (Naive::Daily, 2.6),
        ] {
            let got = naive.forecast(&view, 3);
            assert!((got - expected).abs() < 1e-5, "{naive:?}: {got}");
        }
        let ewma = Naive::Ewma.forecast(&view, 3);
        assert!((2.0..2.3).contains(&ewma), "{ewma}");
        let short = View::new(&history, 100, 0).unwrap();
        assert!(Naive::Daily.forecast(&short, 3).is_nan());
    }

    #[test]
    fn own_changes_count_more_the_more_there_are() {
        let values: Vec<f32> = (0..40).map(|index| (index % 2) as f32 * 10.0).collect();
        let changes = PastChanges::collect(&History::new(300, values), 39, 1, 1_000);
        assert_eq!(changes.level.len(), 39);
        assert_eq!(quantile::of_sorted(&changes.level, 1.0), 10.0);
        assert_eq!(changes.peak, changes.level);
        assert_eq!(blended_quantile(&[], 0.9, 5.0), 5.0);
        assert_eq!(blended_quantile(&[10.0; 20], 0.9, 5.0), 7.5);
    }
}
