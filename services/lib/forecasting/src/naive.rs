//! Forecasts that need no model: what every model has to beat, and what is left when there is none.

use crate::features::View;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::history::History;

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
}
