//! `predictor evaluate`.

use std::path::PathBuf;

use anyhow::Context as _;

use super::{ModelReport, Report, table};
use crate::{
    artifact::{Artifact, Location},
    data::{self, DataArgs},
    evaluate,
    forecast::Forecaster,
    online::TUNING,
    score::SeriesScore,
    traces::Source,
    train,
};

/// What `predictor evaluate` can be told.
#[derive(Clone, Debug, clap::Args)]
pub struct EvaluateArgs {
    /// Artifact folder; several are compared [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    model: Vec<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
    /// Score every n-th origin
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    stride: u32,
    /// Show the model alone too, before each series' own past has a say
    #[arg(long)]
    alone: bool,
    /// Write everything as JSON, also by quantile and by series
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the scores into the model's manifest as those of held-out data: after a change of what serving does with
    /// the model, without training again
    #[arg(long, requires = "model")]
    record: bool,
}

/// Scores the models on the series of `folders`, writes the files asked for, and returns the table.
///
/// # Errors
/// Unreadable data or models, files that can't be written.
pub fn run(args: &EvaluateArgs, folders: &[PathBuf]) -> anyhow::Result<String> {
    anyhow::ensure!(
        !args.record || args.model.len() == 1,
        "--record needs one model, {} are given",
        args.model.len()
    );
    let sources = data::read(folders)?;
    let locations = match args.model.is_empty() {
        true => vec![Location::Embedded],
        false => args.model.iter().cloned().map(Location::Folder).collect(),
    };
    let mut models = Vec::new();
    for location in &locations {
        let (model, forecaster, scores) = score(location, &sources, args.stride)?;
        if let (true, Location::Folder(folder)) = (args.record, location) {
            train::record(folder, forecaster.artifact().manifest.clone(), &scores)?;
        }
        models.push(model);
    }
    let report = Report { models };
    if let Some(file) = &args.json {
        let mut text = serde_json::to_string_pretty(&report)?;
        text.push('\n');
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(table(&report.models, args.alone))
}

/// Opens the model at `location` and scores it on `sources`.
///
/// # Errors
/// When it is refused or fails.
pub fn score(
    location: &Location,
    sources: &[Source],
    stride: u32,
) -> anyhow::Result<(ModelReport, Forecaster, Vec<SeriesScore>)> {
    let artifact = Artifact::open(location, 1).with_context(|| location.to_string())?;
    let forecaster = Forecaster::new(artifact).with_context(|| location.to_string())?;
    let scores = evaluate::evaluate(&forecaster, sources, stride as usize, &TUNING)?;
    let report = ModelReport::new(location.to_string(), forecaster.artifact(), &scores);
    Ok((report, forecaster, scores))
}
