//! A model that we did not train: the seed's, saved by XGBoost 3.1, with early stopping.
//!
//! It is not in this repository. `make test-seed SEED=FOLDER` runs these where it is.

use std::{fs, path::PathBuf};

use forecasting::{
    artifact::booster::Rows,
    artifact::{Artifact, Location, RefusedArtifact},
    forecast::Forecaster,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

struct Seed {
    features: Vec<String>,
    rows: Vec<Vec<f32>>,
    all_trees: Vec<f32>,
    best_iteration: Vec<f32>,
    model: Vec<u8>,
}

impl Seed {
    fn read() -> Self {
        let folder = std::env::var_os("AUTOSCALER_SEED").map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| {
            panic!("AUTOSCALER_SEED does not name the folder of golden.csv: `make test-seed` does")
        });
        let mut reader = csv::Reader::from_path(folder.join("golden.csv")).unwrap();
        let names: Vec<String> = reader
            .headers()
            .unwrap()
            .iter()
            .map(str::to_owned)
            .collect();
        let (features, answers) = names.split_at(43);
        assert_eq!(
            answers,
            ["prediction_all_trees", "prediction_best_iteration"]
        );
        let mut seed = Self {
            features: features.to_vec(),
            rows: Vec::new(),
            all_trees: Vec::new(),
            best_iteration: Vec::new(),
            model: fs::read(folder.join("xgboost_model_final.json")).unwrap(),
        };
        for row in reader.records() {
            let row: Vec<f32> = row
                .unwrap()
                .iter()
                .map(|value| match value {
                    "" => f32::NAN,
                    number => number.parse().unwrap(),
                })
                .collect();
            seed.rows.push(row[..43].to_vec());
            seed.all_trees.push(row[43]);
            seed.best_iteration.push(row[44]);
        }
        assert_eq!(seed.rows.len(), 80);
        seed
    }

    /// An artifact of the seed's model whose golden rows are all rows of golden.csv.
    fn manifest(&self, trees: &str, expected: &[f32]) -> Value {
        let rows: Vec<Vec<Option<f32>>> = self
            .rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|value| (!value.is_nan()).then_some(*value))
                    .collect()
            })
            .collect();
        json!({
            "format": 1, "name": "seed", "version": "1",
            "features": self.features,
            "models": [{
                "file": "model.json", "sha256": hex::encode(Sha256::digest(&self.model)),
                "output": "level", "quantile": 0.5, "trees": trees
            }],
            "golden": {"tolerance": 1e-4, "rows": rows, "expected": [expected]}
        })
    }
}

fn open(manifest: &Value, model: &[u8]) -> Result<Artifact, RefusedArtifact> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.path().join("model.json"), model).unwrap();
    Artifact::open(&Location::Folder(folder.path().to_owned()), 1)
}

#[test]
#[ignore = "the model is not in this repository: `make test-seed`"]
fn both_columns_of_the_seed_are_reproduced() {
    let seed = Seed::read();
    let values: Vec<f32> = seed.rows.concat();
    for (trees, expected) in [
        ("all", &seed.all_trees),
        ("best_iteration", &seed.best_iteration),
    ] {
        let artifact = open(&seed.manifest(trees, expected), &seed.model).unwrap();
        let predicted = artifact.predict(&Rows::new(&values, 43).unwrap()).unwrap();
        let furthest = predicted[0]
            .iter()
            .zip(expected)
            .map(|(got, expected)| (got - expected).abs())
            .fold(0.0, f32::max);
        assert!(furthest <= 1e-4, "{trees}: off by {furthest}");
    }
    // Mixing the two up is noticed, and so is a feature that can't be computed.
    let mixed = open(&seed.manifest("all", &seed.best_iteration), &seed.model).unwrap_err();
    assert!(matches!(mixed, RefusedArtifact::Golden { .. }), "{mixed}");
    let artifact = open(&seed.manifest("all", &seed.all_trees), &seed.model).unwrap();
    let refused = Forecaster::new(artifact).unwrap_err().to_string();
    assert!(refused.contains("is not in the library"), "{refused}");
}

#[test]
#[ignore = "the model is not in this repository: `make test-seed`"]
fn one_changed_byte_is_refused() {
    let seed = Seed::read();
    let manifest = seed.manifest("all", &seed.all_trees);
    for position in [100, seed.model.len() / 2, seed.model.len() - 1] {
        let mut model = seed.model.clone();
        model[position] ^= 1;
        let refused = open(&manifest, &model).unwrap_err();
        assert!(matches!(refused, RefusedArtifact::Hash { .. }), "{refused}");
    }
}

#[test]
#[ignore = "the model is not in this repository: `make test-seed`"]
fn features_in_another_order_do_not_reproduce_the_golden_rows() {
    let mut seed = Seed::read();
    for row in &mut seed.rows {
        row.swap(15, 42);
    }
    let refused = open(&seed.manifest("all", &seed.all_trees), &seed.model).unwrap_err();
    assert!(
        matches!(refused, RefusedArtifact::Golden { .. }),
        "{refused}"
    );
}
