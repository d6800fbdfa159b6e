//! An artifact: a folder with `manifest.json` and model files, or the one built in. It is used whole or refused.

pub mod booster;
pub mod manifest;
pub mod model_json;
mod ubj;

use std::{
    borrow::Cow,
    io::Read as _,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::artifact::{
    booster::{Booster, BoosterError, Rows},
    manifest::{FORMAT, Manifest, ModelFile},
    model_json::RefusedModel,
};

/// No file of an artifact is read beyond this, compressed or not.
const LARGEST_FILE_BYTES: u64 = 256 * 1024 * 1024;
const MANIFEST: &str = "manifest.json";

static EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Where an artifact is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The one that the binary was built with.
    Embedded,
    /// A folder.
    Folder(PathBuf),
}

impl std::fmt::Display for Location {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => formatter.write_str("the embedded model"),
            Self::Folder(path) => write!(formatter, "model {}", path.display()),
        }
    }
}

/// Why an artifact is not used. One line: cause and remedy.
#[derive(Debug, thiserror::Error)]
pub enum RefusedArtifact {
    #[error(
        "{file} cannot be read: {source}; check the path and its permissions, or train one with `trainer train`"
    )]
    Read {
        file: String,
        source: std::io::Error,
    },
    #[error("manifest.json is not understood: {0}; train the artifact again")]
    Manifest(#[from] serde_json::Error),
    #[error(
        "manifest.json has format {0}, this program reads format {FORMAT}; train the artifact again"
    )]
    Format(u32),
    #[error(
        "{file} has another SHA-256 than the manifest says; it was changed or cut short, restore it"
    )]
    Hash { file: String },
    #[error("{file} is not whole gzip data: {source}; restore it")]
    Compression {
        file: String,
        source: std::io::Error,
    },
    #[error("{file} is refused: {source}")]
    Model { file: String, source: RefusedModel },
    #[error("{file} is refused: {source}")]
    Booster { file: String, source: BoosterError },
    #[error(
        "{file} has {model} features, the manifest names {manifest}; they belong to different artifacts"
    )]
    FeatureCount {
        file: String,
        model: usize,
        manifest: usize,
    },
    #[error(
        "{file} has its features in another order than the manifest, or others: feature {position} is `{model}` there; train the artifact again"
    )]
    FeatureOrder {
        file: String,
        position: usize,
        model: String,
    },
    #[error(
        "golden row {row} gives {got} with {file}, the manifest says {expected}; features are in another order, or model and manifest belong to different artifacts"
    )]
    Golden {
        file: String,
        row: usize,
        got: f32,
        expected: f32,
    },
    #[error("the manifest {0}")]
    Incomplete(String),
}

/// A verified artifact.
#[derive(Debug)]
pub struct Artifact {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The manifest as it is stored.
    pub manifest_json: String,
    /// SHA-256 over the model files, hexadecimal.
    pub sha256: String,
    boosters: Vec<Booster>,
}

impl Artifact {
    /// Reads, checks and loads; each prediction will use `threads` threads.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn open(location: &Location, threads: u32) -> Result<Self, RefusedArtifact> {
        let manifest_json = read(location, MANIFEST)?;
        let manifest: Manifest = serde_json::from_slice(&manifest_json)?;
        if manifest.format != FORMAT {
            return Err(RefusedArtifact::Format(manifest.format));
        }
        if manifest.features.is_empty() || manifest.models.is_empty() {
            return Err(RefusedArtifact::Incomplete(
                "names no features or no models; train the artifact again".into(),
            ));
        }
        // Several at a time: decompressing and parsing is most of the time until the service is ready.
        let loaded: Vec<Result<(Vec<u8>, Booster), RefusedArtifact>> = manifest
            .models
            .par_iter()
            .map(|model| open_model(location, &manifest, model, threads))
            .collect();
        let mut boosters = Vec::with_capacity(loaded.len());
        let mut digest = Sha256::new();
        for loaded in loaded {
            let (stored, booster) = loaded?;
            digest.update(&stored);
            boosters.push(booster);
        }
        let artifact = Self {
            manifest,
            manifest_json: String::from_utf8_lossy(&manifest_json).into_owned(),
            sha256: hex::encode(digest.finalize()),
            boosters,
        };
        artifact.check_golden_rows()?;
        Ok(artifact)
    }

    /// Tells this model from others: what was learned about the forecasts of one is not about another's.
    pub fn fingerprint(&self) -> u64 {
        u64::from_str_radix(&self.sha256[..16], 16).unwrap_or_default()
    }

    /// The prediction of each model, in the manifest's order, for each row.
    ///
    /// # Errors
    /// When the rows don't fit or a prediction is not finite.
    pub fn predict(&self, rows: &Rows) -> Result<Vec<Vec<f32>>, BoosterError> {
        self.boosters
            .iter()
            .map(|booster| booster.predict(rows))
            .collect()
    }

    /// What each feature adds to the prediction of the model at `position`, for each row; see
    /// [`Booster::contributions`]. Nothing when there is no such model.
    ///
    /// # Errors
    /// When the rows don't fit or the library fails.
    pub fn contributions(
        &self,
        position: usize,
        rows: &Rows,
    ) -> Result<Vec<Vec<f32>>, BoosterError> {
        match self.boosters.get(position) {
            Some(booster) => booster.contributions(rows),
            None => Ok(Vec::new()),
        }
    }

    fn check_golden_rows(&self) -> Result<(), RefusedArtifact> {
        let golden = &self.manifest.golden;
        let columns = self.manifest.features.len();
        let shaped = golden.rows.iter().all(|row| row.len() == columns)
            && golden.expected.len() == self.boosters.len()
            && golden
                .expected
                .iter()
                .all(|expected| expected.len() == golden.rows.len());
        if golden.rows.is_empty() || !shaped {
            return Err(RefusedArtifact::Incomplete(
                "has no golden rows, or of another shape than its features and models; train the artifact again".into(),
            ));
        }
        let values: Vec<f32> = golden
            .rows
            .iter()
            .flatten()
            .map(|value| value.unwrap_or(f32::NAN))
            .collect();
        for (model, (booster, expected)) in self
            .manifest
            .models
            .iter()
            .zip(self.boosters.iter().zip(&golden.expected))
        {
            let predicted = Rows::new(&values, columns)
                .and_then(|rows| booster.predict(&rows))
                .map_err(|source| RefusedArtifact::Booster {
                    file: model.file.clone(),
                    source,
                })?;
            for (row, (got, expected)) in predicted.iter().zip(expected).enumerate() {
                if (got - expected).abs() > golden.tolerance || !golden.tolerance.is_finite() {
                    return Err(RefusedArtifact::Golden {
                        file: model.file.clone(),
                        row,
                        got: *got,
                        expected: *expected,
                    });
                }
            }
        }
        Ok(())
    }
}

/// One model of `manifest`, checked: its bytes as they are stored, and ready to predict.
///
/// # Errors
/// The first thing that is wrong.
pub fn open_model(
    location: &Location,
    manifest: &Manifest,
    model: &ModelFile,
    threads: u32,
) -> Result<(Vec<u8>, Booster), RefusedArtifact> {
    let file = || model.file.clone();
    let stored = read(location, &model.file)?;
    if hex::encode(Sha256::digest(&stored)) != model.sha256.to_lowercase() {
        return Err(RefusedArtifact::Hash { file: file() });
    }
    let json = unpack(&model.file, &stored)?;
    let normal =
        model_json::normalise(&json, model.trees).map_err(|source| RefusedArtifact::Model {
            file: file(),
            source,
        })?;
    if normal.features != manifest.features.len() {
        return Err(RefusedArtifact::FeatureCount {
            file: file(),
            model: normal.features,
            manifest: manifest.features.len(),
        });
    }
    let mut named = normal.feature_names.iter().zip(&manifest.features);
    if let Some(position) = named.position(|(model, manifest)| model != manifest) {
        return Err(RefusedArtifact::FeatureOrder {
            file: file(),
            position,
            model: normal.feature_names[position].clone(),
        });
    }
    let booster = Booster::load(&normal, threads).map_err(|source| RefusedArtifact::Booster {
        file: file(),
        source,
    })?;
    Ok((stored, booster))
}

fn read(location: &Location, file: &str) -> Result<Vec<u8>, RefusedArtifact> {
    let refused = |source| RefusedArtifact::Read {
        file: file.to_owned(),
        source,
    };
    // A manifest must not reach outside its folder.
    if Path::new(file).components().count() != 1 || file.contains("..") {
        return Err(refused(std::io::Error::other(
            "it is not a plain file name",
        )));
    }
    match location {
        Location::Embedded => EMBEDDED
            .iter()
            .find(|(name, _)| *name == file)
            .map(|(_, bytes)| bytes.to_vec())
            .ok_or_else(|| refused(std::io::Error::other("this build has no embedded model"))),
        Location::Folder(folder) => {
            let path = folder.join(file);
            let named = |source| RefusedArtifact::Read {
                file: path.display().to_string(),
                source,
            };
            let opened = std::fs::File::open(&path).map_err(named)?;
            let mut bytes = Vec::new();
            opened
                .take(LARGEST_FILE_BYTES)
                .read_to_end(&mut bytes)
                .map_err(named)?;
            Ok(bytes)
        }
    }
}

/// The bytes of a stored file, decompressed when its name says so.
fn unpack<'a>(file: &str, stored: &'a [u8]) -> Result<Cow<'a, [u8]>, RefusedArtifact> {
    if !file.ends_with(".gz") {
        return Ok(stored.into());
    }
    let mut bytes = Vec::new();
    GzDecoder::new(stored)
        .take(LARGEST_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|source| RefusedArtifact::Compression {
            file: file.to_owned(),
            source,
        })?;
    Ok(bytes.into())
}
