//! The trainer's command line.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use common::{
    clock::SystemClock,
    service::{self, ConfigArg},
    text::chain,
};
use tokio_util::sync::CancellationToken;
use traces::DataArgs;

use crate::{
    progress,
    promote::{self, PromoteArgs},
    report::command::{self, EvaluateArgs},
    train::{self, TrainArgs},
};

/// Where samples of a Prometheus go when nothing says where.
const SAMPLES: &str = "prometheus-samples";

/// Trains, scores and replaces the models that the predictor serves
#[derive(Debug, Parser)]
#[command(name = "trainer", version)]
pub struct Cli {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains a model from recorded series and writes an artifact
    Train(TrainArgs),
    /// Scores models on recorded series, per source and horizon
    Evaluate(EvaluateArgs),
    /// Lets a new artifact take the place of the served one, if it is better and calibrated
    Promote(PromoteArgs),
}

/// Runs the command of `cli`.
pub fn run(cli: Cli) -> ExitCode {
    let settings = match cli.config.load() {
        Ok(settings) => settings,
        Err(error) => return service::usage_error("trainer", &error),
    };
    match cli.command {
        Command::Train(args) => service::run("trainer", &settings, |shutdown| async move {
            let folders = fetch(&args.data, &args.samples(), &shutdown).await?;
            let answer = work(shutdown, move || train::train(&args, &folders)).await?;
            print(&answer);
            anyhow::Ok(())
        }),
        Command::Evaluate(args) => service::run("trainer", &settings, |shutdown| async move {
            let folders = fetch(&args.data, Path::new(SAMPLES), &shutdown).await?;
            let evaluated = work(shutdown, move || command::run(&args, &folders)).await?;
            print(&evaluated.text);
            anyhow::ensure!(
                evaluated.not_met == 0,
                "{} of what is demanded is NOT MET, see above",
                evaluated.not_met
            );
            anyhow::Ok(())
        }),
        Command::Promote(args) => service::run("trainer", &settings, |shutdown| async move {
            let folders = fetch(&args.data, Path::new(SAMPLES), &shutdown).await?;
            let answer = work(shutdown, move || promote::run(&args, &folders)).await?;
            print(&answer);
            anyhow::Ok(())
        }),
    }
}

/// The folders of the data, after what has to come from a Prometheus is there.
async fn fetch(
    data: &DataArgs,
    samples: &Path,
    shutdown: &CancellationToken,
) -> anyhow::Result<Vec<PathBuf>> {
    let bar = progress::bar(0, "reading Prometheus");
    let folders = data.folders(samples, &SystemClock, |progress| {
        bar.set_length(progress.missing as u64);
        bar.set_position(progress.fetched as u64);
    });
    tokio::select! {
        folders = folders => {
            bar.finish_and_clear();
            folders.map_err(|error| anyhow::anyhow!(chain(&error)))
        }
        () = shutdown.cancelled() => {
            anyhow::bail!("interrupted; the same command goes on with what is missing")
        }
    }
}

/// Runs long work apart from the runtime; a signal ends it.
async fn work<T: Send + 'static>(
    shutdown: CancellationToken,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let working = tokio::task::spawn_blocking(work);
    tokio::select! {
        answer = working => answer?.map_err(|error| anyhow::anyhow!(chain(error.as_ref()))),
        () = shutdown.cancelled() => {
            // The runtime would wait for the work; there is nothing in it worth finishing.
            std::process::exit(130);
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn print(answer: &str) {
    println!("{answer}");
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_error_is_one_line_with_each_cause_once() {
        let cause = || std::io::Error::other("no space left");
        let said: anyhow::Error =
            anyhow::Error::new(cause()).context("cannot write x: no space left");
        assert_eq!(chain(said.as_ref()), "cannot write x: no space left");
        let unsaid = Err::<(), _>(cause()).context("cannot write x").unwrap_err();
        assert_eq!(chain(unsaid.as_ref()), "cannot write x: no space left");
    }
}
