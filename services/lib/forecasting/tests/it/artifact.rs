//! Artifacts are used whole or refused with one clear line.

use std::{fs, path::Path};

use forecasting::{
    artifact::{Artifact, Location, RefusedArtifact},
    forecast::Forecaster,
};
use serde_json::{Value, json};
use testkit::model::{artifact, copy_of_artifact};

fn open(folder: &Path) -> Result<Forecaster, RefusedArtifact> {
    Artifact::open(&Location::Folder(folder.to_owned()), 1).and_then(Forecaster::new)
}

#[test]
fn the_committed_artifact_is_small_and_the_same_as_the_embedded_one() {
    let bytes: u64 = fs::read_dir(artifact())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 5_500_000, "{bytes} bytes");
    let folder = open(&artifact()).unwrap();
    let embedded = Forecaster::new(Artifact::open(&Location::Embedded, 1).unwrap()).unwrap();
    assert_eq!(folder.artifact().sha256, embedded.artifact().sha256);
    let committed = folder.artifact().manifest_json.len();
    assert_eq!(committed, embedded.artifact().manifest_json.len());
}

#[test]
fn what_is_wrong_with_an_artifact_is_said_in_one_line() {
    type Break = Box<dyn Fn(&Path)>;
    let manifest = |change: fn(&mut Value)| -> Break {
        Box::new(move |folder| {
            let path = folder.join("manifest.json");
            let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            change(&mut value);
            fs::write(&path, value.to_string()).unwrap();
        })
    };
    let model = |change: fn(&mut Vec<u8>)| -> Break {
        Box::new(move |folder| {
            let path = folder.join("level_q50.json.gz");
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(&path, bytes).unwrap();
        })
    };
    let cases: Vec<(Break, &str)> = vec![
        (
            Box::new(|folder| fs::remove_dir_all(folder).unwrap()),
            "manifest.json cannot be read",
        ),
        (
            Box::new(|folder| fs::remove_file(folder.join("peak_q90.json.gz")).unwrap()),
            "peak_q90.json.gz cannot be read",
        ),
        (
            model(|bytes| bytes.truncate(bytes.len() / 2)),
            "level_q50.json.gz has another SHA-256",
        ),
        (
            model(|bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }),
            "level_q50.json.gz has another SHA-256",
        ),
        (
            manifest(|manifest| manifest["format"] = json!(2)),
            "has format 2",
        ),
        (
            manifest(|manifest| manifest["unheard_of"] = json!(1)),
            "unknown field `unheard_of`",
        ),
        (
            manifest(|manifest| {
                manifest["features"].as_array_mut().unwrap().pop();
            }),
            "features, the manifest names",
        ),
        (
            manifest(|manifest| manifest["features"].as_array_mut().unwrap().swap(3, 20)),
            "another order",
        ),
        (
            manifest(|manifest| manifest["features"][3] = json!("is_anomaly_iso")),
            "feature 3 is `scale_log` there",
        ),
        (
            manifest(|manifest| manifest["golden"]["rows"] = json!([])),
            "no golden rows",
        ),
        (
            manifest(|manifest| manifest["golden"]["expected"][0][0] = json!(1e6)),
            "golden row 0 gives",
        ),
        (
            manifest(|manifest| manifest["quantiles"] = json!([0.9, 0.5])),
            "ascending",
        ),
        (
            manifest(|manifest| manifest["horizons_seconds"] = json!([7])),
            "multiples of the steps",
        ),
        (
            manifest(|manifest| manifest["models"][0]["file"] = json!("../../x")),
            "not a plain file name",
        ),
        (
            manifest(|manifest| manifest["models"].as_array_mut().unwrap().clear()),
            "no models",
        ),
        (
            manifest(|manifest| {
                manifest["usual_changes"].as_array_mut().unwrap().pop();
            }),
            "usual changes",
        ),
    ];
    for (damage, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cpu");
        copy_of_artifact(&path);
        damage(&path);
        let line = open(&path).unwrap_err().to_string();
        assert!(line.contains(expected), "{line:?} lacks {expected:?}");
        assert!(!line.contains('\n'), "{line:?}");
    }
}
