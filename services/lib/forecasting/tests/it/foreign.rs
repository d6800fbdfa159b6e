//! Models that other XGBoosts saved, from 1.0 to 3.2, as JSON and as UBJ: read right or refused, never misread.

use std::{fs, path::PathBuf};

use forecasting::{
    artifact::booster::Rows,
    artifact::{Artifact, Location, RefusedArtifact},
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What `fixtures/foreign/make.py` wrote.
#[derive(Deserialize)]
struct Index {
    rows: Vec<Vec<Option<f32>>>,
    models: Vec<Model>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Model {
    file: String,
    made_by: String,
    trees: String,
    predictions: Vec<f32>,
}

#[derive(Deserialize)]
struct Refused {
    file: String,
    because: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/foreign")
}

fn index() -> Index {
    serde_json::from_slice(&fs::read(folder().join("index.json")).unwrap()).unwrap()
}

/// An artifact of one model whose golden rows are `rows` with what its maker predicted for them.
fn open(
    file: &str,
    bytes: &[u8],
    trees: &str,
    rows: &[Vec<Option<f32>>],
    expected: &[f32],
) -> Result<Artifact, RefusedArtifact> {
    let manifest = json!({
        "format": 1, "name": "foreign", "version": "1",
        "features": ["now", "lag_60m", "mean_60m", "slope_30m"],
        "models": [{
            "file": file, "sha256": hex::encode(Sha256::digest(bytes)),
            "output": "level", "quantile": 0.5, "trees": trees
        }],
        "golden": {"tolerance": 1e-5, "rows": rows, "expected": [expected]}
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.path().join(file), bytes).unwrap();
    Artifact::open(&Location::Folder(folder.path().to_owned()), 1)
}

fn predict(
    artifact: &Artifact,
    rows: &[Vec<Option<f32>>],
    unknown: impl Fn(f32) -> f32,
) -> Vec<f32> {
    let values: Vec<f32> = rows
        .iter()
        .flatten()
        .map(|value| value.map_or(f32::NAN, &unknown))
        .collect();
    artifact
        .predict(&Rows::new(&values, 4).unwrap())
        .unwrap()
        .remove(0)
}

#[test]
fn every_version_is_read_as_it_was_meant() {
    let index = index();
    let mut versions: Vec<&str> = Vec::new();
    for model in &index.models {
        let bytes = fs::read(folder().join(&model.file)).unwrap();
        let opened = open(
            &model.file,
            &bytes,
            &model.trees,
            &index.rows,
            &model.predictions,
        );
        let forest_of_unknown_width = model.file.starts_with("early-stopped-1.0")
            || model.file.starts_with("early-stopped-1.3");
        if forest_of_unknown_width {
            // Nothing in the file says that a round has two trees: the golden rows must notice.
            let refused = opened.unwrap_err();
            assert!(
                matches!(refused, RefusedArtifact::Golden { .. }),
                "{}: {refused}",
                model.file
            );
            continue;
        }
        let artifact = opened.unwrap_or_else(|refused| panic!("{}: {refused}", model.file));
        let predicted = predict(&artifact, &index.rows, |value| value);
        let furthest = predicted
            .iter()
            .zip(&model.predictions)
            .map(|(got, expected)| (got - expected).abs())
            .fold(0.0, f32::max);
        assert!(furthest <= 1e-5, "{}: off by {furthest}", model.file);
        versions.push(&model.made_by);
    }
    versions.dedup();
    assert_eq!(
        versions,
        [
            "1.0.2", "1.3.3", "1.5.2", "1.6.2", "1.7.6", "2.0.3", "2.1.4", "3.0.5", "3.2.0"
        ]
    );
    assert!(
        index
            .models
            .iter()
            .filter(|model| model.file.ends_with(".ubj"))
            .count()
            >= 12
    );
}

#[test]
fn a_zero_is_not_taken_for_missing() {
    let index = index();
    for file in ["pruned-1.6.2.ubj", "pruned-3.2.0.ubj", "pruned-3.2.0.json"] {
        let model = index
            .models
            .iter()
            .find(|model| model.file == file)
            .unwrap();
        let bytes = fs::read(folder().join(file)).unwrap();
        let artifact = open(file, &bytes, "all", &index.rows, &model.predictions).unwrap();
        let as_missing = predict(&artifact, &index.rows, |value| match value {
            0.0 => f32::NAN,
            value => value,
        });
        let moved = as_missing
            .iter()
            .zip(&model.predictions)
            .filter(|(got, expected)| (*got - *expected).abs() > 0.1)
            .count();
        // Otherwise these rows could not tell the two apart, and the test above would prove nothing.
        assert!(moved >= 3, "{file}: {moved} rows tell");
    }
}

#[test]
fn what_cannot_be_read_right_is_refused_by_name() {
    let index = index();
    assert!(index.refused.len() >= 15);
    for refused in &index.refused {
        let bytes = fs::read(folder().join(&refused.file)).unwrap();
        let error = open(&refused.file, &bytes, "all", &index.rows, &[0.0; 24]).unwrap_err();
        assert!(matches!(error, RefusedArtifact::Model { .. }), "{error}");
        let line = error.to_string();
        assert!(
            line.contains(&refused.because),
            "{line:?} lacks {:?}",
            refused.because
        );
    }
}

#[test]
fn a_damaged_ubj_model_is_refused_and_never_crashes() {
    let index = index();
    let whole = fs::read(folder().join("pruned-3.2.0.ubj")).unwrap();
    let expected = &index
        .models
        .iter()
        .find(|model| model.file == "pruned-3.2.0.ubj")
        .unwrap()
        .predictions;
    for cut in (0..whole.len()).step_by(7) {
        let refused = open("m.ubj", &whole[..cut], "all", &index.rows, expected);
        assert!(refused.is_err(), "cut at {cut}");
    }
    let mut survivors = 0;
    for position in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x40;
        // With the hash made to fit: what gets past the checks must still give the golden rows.
        if let Ok(artifact) = open("m.ubj", &bytes, "all", &index.rows, expected) {
            let predicted = predict(&artifact, &index.rows, |value| value);
            assert!(
                predicted
                    .iter()
                    .zip(expected)
                    .all(|(got, want)| (got - want).abs() <= 1e-5)
            );
            survivors += 1;
        }
    }
    assert!(survivors < whole.len(), "every damage was overlooked");
}
