//! Offsets that make a model's quantiles right on machines that it was not trained on.

use std::collections::{BTreeMap, BTreeSet};

use forecasting::artifact::manifest::{Calibration, Manifest};

use super::{boosting::weighted_quantile, dataset::Table};

/// Fewer machines than this say nothing about others: the offsets of one would be everybody's.
const LEAST_SERIES: usize = 8;

/// For each step and horizon: what would have made the models' quantiles right on machines they don't know.
pub fn calibrate(
    manifest: &Manifest,
    unseen: &Table,
    predictions: &[Vec<f32>],
) -> Vec<Calibration> {
    let mut calibrations = Vec::new();
    for step_seconds in &manifest.steps_seconds {
        for horizon_seconds in &manifest.horizons_seconds {
            let rows: Vec<usize> = (0..unseen.len())
                .filter(|row| {
                    let about = unseen.about[*row];
                    about.step_seconds == *step_seconds && about.horizon_seconds == *horizon_seconds
                })
                .collect();
            let series: BTreeSet<(usize, usize)> = rows
                .iter()
                .map(|row| (unseen.about[*row].source, unseen.about[*row].series))
                .collect();
            if series.len() < LEAST_SERIES {
                continue;
            }
            // Each source counts alike: the largest must not speak for all.
            let mut sizes = BTreeMap::<usize, f32>::new();
            for row in &rows {
                *sizes.entry(unseen.about[*row].source).or_default() += 1.0;
            }
            let offsets = manifest
                .models
                .iter()
                .zip(predictions)
                .map(|(model, predicted)| {
                    let targets = unseen.targets(model.output);
                    let mut misses: Vec<(f32, f32)> = rows
                        .iter()
                        .map(|row| {
                            let size = sizes[&unseen.about[*row].source];
                            (targets[*row] - predicted[*row], 1.0 / size)
                        })
                        .collect();
                    let offset = f64::from(weighted_quantile(&mut misses, model.quantile));
                    (offset * 1e4).round() / 1e4
                })
                .collect();
            calibrations.push(Calibration {
                step_seconds: *step_seconds,
                horizon_seconds: *horizon_seconds,
                offsets,
            });
        }
    }
    calibrations
}
