//! Whether forecasts do in service what they did on held-out data: error and coverage of both, side by side.

use std::collections::BTreeMap;

use forecasting::{artifact::manifest::Manifest, forecast::Forecast};

/// How much of what is known stays at each answer: the last thousand count most.
const KEEP: f64 = 0.999;

/// How forecasts for a horizon did. Errors in percent of capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Mean absolute error of the point forecast.
    pub error: f64,
    /// The same of the best naive forecast.
    pub naive_error: f64,
    /// Share of outcomes at or below q90 and q95, of peaks at or below those of the peak.
    pub coverage: [f64; 4],
}

/// What the trailing scores of answers come to, by horizon in seconds.
#[derive(Clone, Debug, Default)]
pub struct Drift(BTreeMap<u32, Sums>);

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    answers: f64,
    error: f64,
    naive_error: f64,
    coverage: [f64; 4],
}

impl Sums {
    fn add(&mut self, figures: &Figures) {
        self.answers = self.answers * KEEP + 1.0;
        self.error = self.error * KEEP + figures.error;
        self.naive_error = self.naive_error * KEEP + figures.naive_error;
        for (sum, share) in self.coverage.iter_mut().zip(figures.coverage) {
            *sum = *sum * KEEP + share;
        }
    }

    fn mean(&self) -> Figures {
        Figures {
            error: self.error / self.answers,
            naive_error: self.naive_error / self.answers,
            coverage: self.coverage.map(|sum| sum / self.answers),
        }
    }
}

impl Drift {
    /// Takes in what an answer says of past ones.
    pub fn note(&mut self, forecast: &Forecast) {
        let percent = 100.0 / forecast.capacity;
        for horizon in &forecast.horizons {
            if let Some(trailing) = horizon.trailing {
                self.0
                    .entry(horizon.horizon_seconds)
                    .or_default()
                    .add(&Figures {
                        error: trailing.mae * percent,
                        naive_error: trailing.naive_mae * percent,
                        coverage: trailing.coverage,
                    });
            }
        }
    }

    /// By horizon; empty while no answer had a past.
    pub fn figures(&self) -> impl Iterator<Item = (u32, Figures)> {
        self.0.iter().map(|(horizon, sums)| (*horizon, sums.mean()))
    }
}

/// The same of held-out data: the mean over sources, by horizon in seconds.
pub fn held_out(manifest: &Manifest) -> BTreeMap<u32, Figures> {
    let mut sums: BTreeMap<u32, Vec<Figures>> = BTreeMap::new();
    for score in &manifest.held_out {
        sums.entry(score.horizon_seconds)
            .or_default()
            .push(Figures {
                error: score.mae,
                naive_error: score.best_naive_mae,
                coverage: [
                    score.coverage_q90,
                    score.coverage_q95.unwrap_or(f64::NAN),
                    score.peak_coverage_q90,
                    score.peak_coverage_q95,
                ],
            });
    }
    sums.into_iter()
        .map(|(horizon, figures)| {
            let n = figures.len() as f64;
            let mean = |of: fn(&Figures) -> f64| figures.iter().map(of).sum::<f64>() / n;
            let figures = Figures {
                error: mean(|figures| figures.error),
                naive_error: mean(|figures| figures.naive_error),
                coverage: [
                    mean(|figures| figures.coverage[0]),
                    mean(|figures| figures.coverage[1]),
                    mean(|figures| figures.coverage[2]),
                    mean(|figures| figures.coverage[3]),
                ],
            };
            (horizon, figures)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecasting::{
        artifact::{Artifact, Location},
        forecast::{Basis, HorizonForecast, Source, Trailing},
        naive::Naive,
    };

    fn answer(mae: f64, capacity: f64) -> Forecast {
        let trailing = Trailing {
            outcomes: 50.0,
            mae,
            model_mae: mae,
            naive_mae: 2.0 * mae,
            naive: Naive::Daily,
            skill: 0.5,
            coverage: [0.9, 0.95, 0.8, 1.0],
        };
        let horizon = |horizon_seconds, trailing| HorizonForecast {
            horizon_seconds,
            level: Vec::new(),
            peak: Vec::new(),
            point: 0.0,
            model: None,
            model_weight: 1.0,
            global_weight: 1.0,
            trailing,
        };
        Forecast {
            basis: Basis::Model,
            reason: String::new(),
            origin_seconds: 0,
            last_cpu: 0.0,
            horizons: vec![horizon(300, Some(trailing)), horizon(900, None)],
            step_seconds: 300,
            observed_points: 1,
            missing_points: 0,
            span_seconds: 0,
            capacity,
            calibration_state: Vec::new(),
            calibration_source: Source::Carried,
            calibration_reason: String::new(),
            skill: None,
        }
    }

    #[test]
    fn errors_are_percent_of_capacity_and_the_latest_count_most() {
        let mut drift = Drift::default();
        assert_eq!(drift.figures().count(), 0);
        drift.note(&answer(4.0, 100.0));
        // 8 of 400 vCPU-percent is 2 %.
        drift.note(&answer(8.0, 400.0));
        let figures: Vec<(u32, Figures)> = drift.figures().collect();
        assert_eq!(figures.len(), 1, "nothing is known of 900 s");
        let (horizon, figures) = figures[0];
        assert_eq!(horizon, 300);
        assert!((figures.error - 3.0).abs() < 0.01 && figures.error < 3.0);
        assert!((figures.naive_error / figures.error - 2.0).abs() < 1e-9);
        assert!((figures.coverage[2] - 0.8).abs() < 1e-9);
    }

    #[test]
    fn the_card_has_the_same_figures_of_held_out_data() {
        let artifact = Artifact::open(&Location::Embedded, 1).unwrap();
        let figures = held_out(&artifact.manifest);
        let horizons: Vec<u32> = figures.keys().copied().collect();
        assert_eq!(horizons, artifact.manifest.horizons_seconds);
        for figures in figures.values() {
            assert!(figures.error < figures.naive_error, "{figures:?}");
            assert!(
                figures
                    .coverage
                    .iter()
                    .all(|share| (0.8..1.0).contains(share))
            );
        }
    }
}
