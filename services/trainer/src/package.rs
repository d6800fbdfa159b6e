//! The artifact's files.

use std::{fs, io::Write as _, path::Path};

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};
use forecasting::artifact::manifest::Manifest;
use serde::Serialize as _;
use serde_json::{Serializer, Value, ser::PrettyFormatter};
use sha2::{Digest as _, Sha256};

use crate::{
    card,
    score::{self, SeriesScore},
};

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

/// Writes `manifest` with `scores` as those of held-out data.
///
/// # Errors
/// When it can't be written.
pub fn record(folder: &Path, mut manifest: Manifest, scores: &[SeriesScore]) -> anyhow::Result<()> {
    manifest.held_out = score::by_source(scores)
        .iter()
        .map(|((source, horizon), score)| score.held_out(source, *horizon))
        .collect();
    write_manifest(folder, &manifest)
}
