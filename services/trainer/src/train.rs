//! `trainer train`: recorded series in, an artifact out. Same data, seed and threads: same bytes.

mod boosting;
mod calibrate;
mod dataset;
mod golden;
mod mixing;
mod outputs;
mod random;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use common::clock::machine;
use forecasting::{
    artifact::{
        self, Artifact, Location,
        booster::{Rows, TreeShape},
        manifest::{FORMAT, Golden, Manifest, ModelFile, Output, Source as SourceCard, Training},
        model_json::Trees,
    },
    features::{Feature, default_features},
    forecast::Forecaster,
};

use outputs::{HORIZONS_SECONDS, LEAST_HISTORY_SECONDS, QUANTILES};
use traces::DataArgs;

use crate::{
    data::{self, Source},
    evaluate::{self, Caller, origins::TRAINING_SHARE},
    package, progress,
    report::{model::ModelReport, table::table},
    resources::Used,
};

/// What `trainer train` can be told.
#[derive(Clone, Debug, clap::Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder for the artifact; made when it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads; another number may give other bytes
    #[arg(long, default_value_t = 2)]
    pub threads: u32,
    /// Rows to draw from the data
    #[arg(long, default_value_t = 500_000)]
    pub rows: usize,
    /// Trees for each quantile
    #[arg(long, default_value_t = 400)]
    pub trees: u32,
    /// Levels of splits in a tree
    #[arg(long, default_value_t = 6)]
    pub depth: u32,
    /// Share of each tree's correction that is taken
    #[arg(long, default_value_t = 0.04)]
    pub rate: f32,
    /// How much more a row of a restless machine counts: 0 not at all, 1 in proportion
    #[arg(long, default_value_t = 0.7)]
    pub restless: f64,
    /// Leave out the features whose names begin so, to see what they are worth; may be given several times
    #[arg(long, value_name = "START")]
    pub without: Vec<String>,
    /// Score every n-th origin of the held-out part
    #[arg(long, default_value_t = 7)]
    pub stride: usize,
    /// Name of the artifact
    #[arg(long, default_value = "cpu")]
    pub name: String,
    /// Version of the artifact
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    pub version: String,
    /// JSON file that says where each source comes from and under which licence
    #[arg(long, value_name = "FILE")]
    pub licences: Option<PathBuf>,
}

impl TrainArgs {
    /// Where samples of a Prometheus go unless the arguments say: beside the artifact.
    pub fn samples(&self) -> PathBuf {
        let mut name = self.out.file_name().unwrap_or_default().to_owned();
        name.push("-samples");
        self.out.with_file_name(name)
    }

    /// What makes the artifact what it is, for its card.
    fn arguments(&self) -> Vec<String> {
        vec![
            format!("--seed {}", self.seed),
            format!("--threads {}", self.threads),
            format!("--rows {}", self.rows),
            format!("--trees {}", self.trees),
            format!("--depth {}", self.depth),
            format!("--rate {}", self.rate),
            format!("--restless {}", self.restless),
            format!("--stride {}", self.stride),
        ]
        .into_iter()
        .chain(
            self.without
                .iter()
                .map(|start| format!("--without {start}")),
        )
        .collect()
    }

    /// The features to train on.
    fn features(&self) -> anyhow::Result<Vec<Feature>> {
        let mut features = default_features();
        for start in &self.without {
            let before = features.len();
            features.retain(|feature| !feature.to_string().starts_with(start));
            anyhow::ensure!(
                features.len() < before,
                "--without {start}: no feature's name begins so"
            );
        }
        anyhow::ensure!(!features.is_empty(), "--without leaves no features");
        Ok(features)
    }
}

/// Trains on the series of `folders`, writes the artifact, and returns the table of its held-out scores, with the time and
/// memory it took.
///
/// # Errors
/// Unreadable data, a folder that can't be written, a failure of the library.
pub fn train(args: &TrainArgs, folders: &[PathBuf]) -> anyhow::Result<String> {
    let start = machine().monotonic();
    let table = artifact(args, folders)?;
    let used = Used::after(machine().since(start));
    Ok(format!("{table}\n\n{} in {used}", args.out.display()))
}

fn artifact(args: &TrainArgs, folders: &[PathBuf]) -> anyhow::Result<String> {
    let features = args.features()?;
    let sources = data::read(folders, args.data.cpu_unit)?;
    let data = dataset::Dataset::draw(&sources, &features, args.rows, args.restless, args.seed);
    anyhow::ensure!(
        data.training.len() > 1_000,
        "only {} rows can be drawn from the data, at least 1,000 are needed",
        data.training.len()
    );
    tracing::info!(
        rows = data.training.len(),
        unseen = data.unseen.len(),
        features = features.len(),
        "drawn"
    );
    let shape = TreeShape {
        depth: args.depth,
        min_leaf_weight: 40.0,
        feature_share: 0.5,
        penalty: 1.0,
    };
    let mut models = Vec::new();
    let progress = progress::bar(
        u64::from(args.trees) * 2 * QUANTILES.len() as u64,
        "growing trees",
    );
    let rows = Rows::new(&data.training.features, features.len())?;
    let mut grower = forecasting::artifact::booster::Grower::new(
        rows,
        &data.training.weights,
        shape,
        args.threads,
    )?;
    for output in [Output::Level, Output::Peak] {
        for q in QUANTILES {
            let plan = boosting::Plan {
                quantile: q,
                trees: args.trees,
                rate: args.rate,
                seed: args.seed,
            };
            let targets = data.training.targets(output);
            let weights = &data.training.weights;
            let mut model = boosting::boost(&mut grower, targets, weights, plan, &progress)?;
            // What the columns mean travels with the model, so that another order in a manifest is noticed.
            let names: Vec<String> = features.iter().map(ToString::to_string).collect();
            model["learner"]["feature_types"] = serde_json::json!(vec!["float"; names.len()]);
            model["learner"]["feature_names"] = serde_json::json!(names);
            models.push((output, q, model));
        }
    }
    progress.finish_and_clear();
    drop(grower);

    std::fs::create_dir_all(&args.out)?;
    let mut manifest = Manifest {
        format: FORMAT,
        name: args.name.clone(),
        version: args.version.clone(),
        features: features.iter().map(ToString::to_string).collect(),
        steps_seconds: forecasting::series::grid::STEPS_SECONDS.to_vec(),
        horizons_seconds: HORIZONS_SECONDS.to_vec(),
        quantiles: QUANTILES.to_vec(),
        least_history_seconds: LEAST_HISTORY_SECONDS,
        models: Vec::new(),
        calibration: Vec::new(),
        usual_changes: data.usual_changes(&QUANTILES),
        training: Training {
            seed: args.seed,
            threads: args.threads,
            share: TRAINING_SHARE,
            arguments: args.arguments(),
            sources: source_cards(&data, args.licences.as_deref())?,
        },
        held_out: Vec::new(),
        golden: Golden {
            tolerance: 1e-4,
            rows: Vec::new(),
            expected: Vec::new(),
        },
    };
    for (output, q, model) in &models {
        let kind = match output {
            Output::Level => "level",
            Output::Peak => "peak",
        };
        let file = format!("{kind}_q{:02.0}.json.gz", q * 100.0);
        let sha256 = package::write_model(&args.out.join(&file), model)?;
        manifest.models.push(ModelFile {
            file,
            sha256,
            output: *output,
            quantile: *q,
            trees: Trees::All,
        });
    }
    finish(args, &features, &data, &sources, manifest)
}

/// What needs the trained models: golden rows, calibration on unseen machines, held-out scores.
fn finish(
    args: &TrainArgs,
    features: &[Feature],
    data: &dataset::Dataset,
    sources: &[Source],
    mut manifest: Manifest,
) -> anyhow::Result<String> {
    let location = Location::Folder(args.out.clone());
    let golden = golden::golden_rows(features);
    let boosters = manifest
        .models
        .iter()
        .map(|model| artifact::open_model(&location, &manifest, model, args.threads))
        .map(|opened| opened.map(|(_, booster)| booster))
        .collect::<Result<Vec<_>, _>>()?;
    let predict = |values: &[f32]| -> anyhow::Result<Vec<Vec<f32>>> {
        let rows = Rows::new(values, features.len())?;
        Ok(boosters
            .iter()
            .map(|booster| booster.predict(&rows))
            .collect::<Result<_, _>>()?)
    };
    manifest.golden.expected = predict(&golden)?;
    manifest.golden.rows = golden
        .chunks(features.len())
        .map(|row| {
            row.iter()
                .map(|value| (!value.is_nan()).then_some(*value))
                .collect()
        })
        .collect();
    if !data.unseen.is_empty() {
        let predictions = predict(&data.unseen.features)?;
        manifest.calibration = calibrate::calibrate(&manifest, &data.unseen, &predictions);
    }
    package::write_manifest(&args.out, &manifest)?;

    let forecaster = Forecaster::new(Artifact::open(&location, 1)?)?;
    let scores = evaluate::evaluate(&forecaster, sources, args.stride, Caller::Carrying)?;
    package::record(&args.out, manifest, &scores)?;
    Forecaster::new(Artifact::open(&location, 1)?)?;
    let card = ModelReport::new(location.to_string(), forecaster.artifact(), &scores);
    Ok(table(&[card], true))
}

fn source_cards(
    data: &dataset::Dataset,
    licences: Option<&Path>,
) -> anyhow::Result<Vec<SourceCard>> {
    let licences: std::collections::BTreeMap<String, String> = match licences {
        Some(file) => serde_json::from_slice(&std::fs::read(file)?)?,
        None => Default::default(),
    };
    Ok(data
        .drawn
        .iter()
        .map(|drawn| SourceCard {
            name: drawn.source.clone(),
            series: drawn.series,
            rows: drawn.rows,
            licence: licences
                .get(&drawn.source)
                .cloned()
                .unwrap_or_else(|| "not stated".to_owned()),
        })
        .collect())
}
