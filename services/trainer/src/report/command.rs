//! `trainer evaluate`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use forecasting::artifact::Location;
use traces::DataArgs;

use super::{
    examples, html,
    model::{Report, score},
    peers::{self as others, PeerReport},
    reference::{Comparison, Reference},
    reliability,
    table::{letter, table},
    weekly,
};
use crate::{
    data::{self, Source},
    evaluate::{
        Caller,
        peers::{self, Peer},
    },
    package,
};

/// What `trainer evaluate` can be told.
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
    /// Score as served to a caller that sends so many days of samples and no calibration state, instead of one that
    /// sends the state back; much slower, so give a --stride too
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=15))]
    stateless: Option<u32>,
    /// Score these too, which need no training, and show them beside the first model; may be given several times
    #[arg(long, value_name = "NAME", value_enum)]
    peer: Vec<Peer>,
    /// Show the model alone too, before each series' own past has a say
    #[arg(long)]
    alone: bool,
    /// Write everything as JSON, also by quantile and by series
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots, which needs nothing else and no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Compare with the scores in this JSON file, and judge
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Write the scores into the model's manifest as those of held-out data: after a change of what serving does with
    /// the model, without training again
    #[arg(long, requires = "model")]
    record: bool,
}

impl EvaluateArgs {
    fn caller(&self) -> Caller {
        match self.stateless {
            Some(days) => Caller::Stateless(days * 86_400),
            None => Caller::Carrying,
        }
    }
}

/// What `trainer evaluate` found.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// For people.
    pub text: String,
    /// Demands of the reference that are not met.
    pub not_met: usize,
}

/// Scores the models on the series of `folders`, and writes the files asked for.
///
/// # Errors
/// Unreadable data or models, files that can't be written.
pub fn run(args: &EvaluateArgs, folders: &[PathBuf]) -> anyhow::Result<Evaluated> {
    anyhow::ensure!(
        !args.record || args.model.len() == 1,
        "--record needs one model, {} are given",
        args.model.len()
    );
    let reference: Option<Reference> = match &args.reference {
        Some(file) => {
            let named = || format!("cannot read {}", file.display());
            let text = std::fs::read(file).with_context(named)?;
            Some(serde_json::from_slice(&text).with_context(named)?)
        }
        None => None,
    };
    let mut sources = data::read(folders, args.data.cpu_unit)?;
    if let Some(reference) = &reference {
        add_their_grids(&mut sources, reference);
    }
    let locations = match args.model.is_empty() {
        true => vec![Location::Embedded],
        false => args.model.iter().cloned().map(Location::Folder).collect(),
    };
    let mut models = Vec::new();
    let mut peers = Vec::new();
    let mut shown = Vec::new();
    for location in &locations {
        let (mut model, forecaster, scores) =
            score(location, &sources, args.stride, args.caller())?;
        if let (true, Location::Folder(folder)) = (args.record, location) {
            package::record(folder, forecaster.artifact().manifest.clone(), &scores)?;
        }
        if args.html.is_some() && models.is_empty() {
            shown = examples::examples(&forecaster, &sources, examples::MOST_POINTS)?;
        }
        if models.is_empty() {
            let manifest = &forecaster.artifact().manifest;
            let asked = (&manifest.horizons_seconds[..], &manifest.quantiles[..]);
            let stride = args.stride as usize;
            peers.extend(args.peer.iter().map(|peer| {
                PeerReport::new(*peer, &peers::evaluate(*peer, &sources, asked, stride))
            }));
        }
        model.comparison = reference
            .as_ref()
            .map(|reference| Comparison::new(&model.rows, &model.pooled, reference));
        models.push(model);
    }
    let report = Report { models, peers };
    if let Some(file) = &args.json {
        write(file, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(file) = &args.html {
        write(file, &html::page(&report, &shown)?)?;
    }
    let mut parts = vec![table(&report.models, args.alone)];
    if let (Some(model), false) = (report.models.first(), report.peers.is_empty()) {
        parts.push(others::text(&model.rows, &report.peers));
    }
    for (index, model) in report.models.iter().enumerate() {
        let which = match report.models.len() {
            1 => String::new(),
            _ => format!("{} ", letter(index)),
        };
        parts.push(format!("{which}{}", reliability::text(&model.pooled)));
        if let Some(weekly) = weekly::text(&model.rows) {
            parts.push(format!("{which}{weekly}"));
        }
        if let Some(comparison) = &model.comparison {
            parts.push(format!("{which}{}", comparison.text()));
        }
    }
    let compared = report
        .models
        .iter()
        .filter_map(|model| model.comparison.as_ref());
    Ok(Evaluated {
        text: parts.join("\n\n"),
        not_met: compared.map(Comparison::not_met).sum(),
    })
}

/// Sources that the reference was scored on another grid are scored on that one, too: like is compared with like.
fn add_their_grids(sources: &mut Vec<Source>, reference: &Reference) {
    for row in &reference.rows {
        let Some(step_seconds) = row.step_seconds else {
            continue;
        };
        let known = |name: &str| sources.iter().find(|source| source.name == name);
        if known(&row.scored_as()).is_none()
            && let Some(averaged) = known(&row.source).map(|source| source.averaged(step_seconds))
        {
            sources.push(averaged);
        }
    }
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
