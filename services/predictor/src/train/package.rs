//! The artifact's files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
};

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};
use forecasting::{
    artifact::manifest::{Calibration, Manifest},
    features::{self, Feature, View},
    local::LocalPass,
    series::history::History,
};
use serde::Serialize as _;
use serde_json::{Serializer, Value, ser::PrettyFormatter};
use sha2::{Digest as _, Sha256};

use crate::{
    card,
    train::{HORIZONS_SECONDS, boosting::weighted_quantile, dataset::Table},
};

/// Fewer machines than this say nothing about others: the offsets of one would be everybody's.
const LEAST_SERIES: usize = 8;

/// Writes a model, compressed, and returns the SHA-256 of the file.
pub fn write_model(path: &Path, model: &Value) -> anyhow::Result<String> {
    // No name and no time in the header: same model, same bytes.
    let mut packer = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    packer.write_all(model.to_string().as_bytes())?;
    let bytes = packer.finish()?;
    fs::write(path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(hex::encode(Sha256::digest(&bytes)))
}

/// Writes `manifest.json` and the model card.
pub fn write_manifest(folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    // A tab for each level: thousands of numbers stand on lines of their own.
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"\t");
    manifest.serialize(&mut Serializer::with_formatter(&mut text, formatter))?;
    text.push(b'\n');
    for (name, text) in [
        ("manifest.json", text),
        (card::FILE, card::render(manifest).into_bytes()),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Feature rows of made-up machines, so that no recorded data stands in the manifest.
pub fn golden_rows(features: &[Feature]) -> Vec<f32> {
    let mut rows = Vec::new();
    for (step_seconds, points) in [(300, 2_400), (60, 3_000), (300, 20)] {
        let values = (0..points)
            .map(|index: u32| {
                let minutes = f64::from(index * step_seconds) / 60.0;
                let daily = (minutes / 1440.0 * std::f64::consts::TAU).sin();
                let job = if minutes % 60.0 < 10.0 { 25.0 } else { 0.0 };
                let noise = f64::from(index.wrapping_mul(2_654_435_761) >> 20) / 4096.0;
                (30.0 + 15.0 * daily + job + 8.0 * noise) as f32
            })
            .collect();
        let history = History::new(step_seconds, values);
        for (turn, horizon) in HORIZONS_SECONDS.into_iter().enumerate() {
            if let Some(view) = View::new(&history, history.len() - 1 - turn, 0) {
                let steps = (horizon / step_seconds) as usize;
                let local = LocalPass::new(&history, 0, steps, 25).at(&view);
                features::append(features, &view, steps, &local, &mut rows);
            }
        }
    }
    rows
}

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
