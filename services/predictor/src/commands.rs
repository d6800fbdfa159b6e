//! The predictor's command line.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use common::{
    clock::SystemClock,
    listen::Listeners,
    service::{self, ConfigArg, ServiceCommand},
};

use crate::{
    Config, Deps,
    artifact::{Artifact, Location},
    evaluate,
    forecast::Forecaster,
    online::TUNING,
    serve, traces,
    train::{self, TrainArgs},
};

/// Forecasts CPU: a window of samples in, quantiles per horizon out
#[derive(Debug, Parser)]
#[command(name = "predictor", version)]
pub struct Cli {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Service(ServiceCommand),
    /// Trains a model from recorded series and writes an artifact
    Train(TrainArgs),
    /// Scores a model on recorded series, per source and horizon
    Evaluate(EvaluateArgs),
}

/// What `predictor evaluate` can be told.
#[derive(Debug, clap::Args)]
struct EvaluateArgs {
    /// Artifact folder [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Folder with <source>.csv[.gz] files; may be given several times
    #[arg(long, value_name = "DIR", required = true)]
    data: Vec<PathBuf>,
    /// Score every n-th origin
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    stride: u32,
    /// Write the scores into the model's manifest as those of held-out data: after a change of what serving does with
    /// the model, without training again
    #[arg(long, requires = "model")]
    record: bool,
}

/// Runs the command of `cli`.
pub fn run(cli: Cli) -> ExitCode {
    let settings = match cli.config.load() {
        Ok(settings) => settings,
        Err(error) => return service::usage_error("predictor", &error),
    };
    let config = match Config::read(&settings) {
        Ok(config) => config,
        Err(error) => return service::usage_error("predictor", &error),
    };
    match cli
        .command
        .unwrap_or(Command::Service(ServiceCommand::Serve))
    {
        Command::Service(ServiceCommand::Serve) => {
            service::run("predictor", &settings, |shutdown| async move {
                let listeners = Listeners::bind(config.listen, config.metrics_listen).await?;
                let clock = Arc::new(SystemClock);
                serve(config, Deps { clock }, listeners, shutdown).await
            })
        }
        Command::Service(ServiceCommand::Health) => {
            service::report_health("predictor", config.listen)
        }
        Command::Train(args) => service::run("predictor", &settings, |shutdown| {
            work(shutdown, move || train::train(&args))
        }),
        Command::Evaluate(args) => service::run("predictor", &settings, |shutdown| {
            work(shutdown, move || evaluated(&args))
        }),
    }
}

/// Runs long work apart from the runtime and prints its answer; a signal ends it.
async fn work(
    shutdown: tokio_util::sync::CancellationToken,
    work: impl FnOnce() -> anyhow::Result<String> + Send + 'static,
) -> anyhow::Result<()> {
    let working = tokio::task::spawn_blocking(work);
    tokio::select! {
        answer = working => print(&answer??),
        () = shutdown.cancelled() => {
            // The runtime would wait for the work; there is nothing in it worth finishing.
            std::process::exit(130);
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn print(answer: &str) {
    println!("{answer}");
}

fn evaluated(args: &EvaluateArgs) -> anyhow::Result<String> {
    let location = match &args.model {
        Some(folder) => Location::Folder(folder.clone()),
        None => Location::Embedded,
    };
    let forecaster = Forecaster::new(Artifact::open(&location, 1)?)?;
    let mut sources = Vec::new();
    for folder in &args.data {
        sources.extend(traces::read_folder(folder)?);
    }
    let scores = evaluate::evaluate(&forecaster, &sources, args.stride as usize, &TUNING)?;
    if let (true, Some(folder)) = (args.record, &args.model) {
        train::record(folder, forecaster.artifact().manifest.clone(), &scores)?;
    }
    Ok(evaluate::table(&scores))
}
