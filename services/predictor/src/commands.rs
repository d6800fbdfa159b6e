//! The predictor's command line.

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use clap::{Args, Parser, Subcommand};
use common::{
    clock::SystemClock,
    listen::Listeners,
    service::{self, ConfigArg, ServiceCommand},
};

use crate::{Config, Deps, serve};

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
    #[command(hide = true, disable_help_flag = true)]
    Train(Moved),
    #[command(hide = true, disable_help_flag = true)]
    Evaluate(Moved),
    #[command(hide = true, disable_help_flag = true)]
    Promote(Moved),
}

/// The arguments of a command that the trainer has now.
#[derive(Debug, Args)]
struct Moved {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "models are trained, scored and replaced by a program of its own: call `trainer {0}` with the same arguments"
)]
struct CallTheTrainer(&'static str);

/// Runs the command of `cli`.
pub fn run(cli: Cli) -> ExitCode {
    let command = match cli.command {
        None => ServiceCommand::Serve,
        Some(Command::Service(command)) => command,
        Some(Command::Train(_)) => return moved("train"),
        Some(Command::Evaluate(_)) => return moved("evaluate"),
        Some(Command::Promote(_)) => return moved("promote"),
    };
    let settings = match cli.config.load() {
        Ok(settings) => settings,
        Err(error) => return service::usage_error("predictor", &error),
    };
    let config = match Config::read(&settings) {
        Ok(config) => config,
        Err(error) => return service::usage_error("predictor", &error),
    };
    match command {
        ServiceCommand::Serve => service::run("predictor", &settings, |shutdown| async move {
            let listeners = Listeners::bind(config.listen, config.metrics_listen).await?;
            let clock = Arc::new(SystemClock);
            serve(config, Deps { clock }, listeners, shutdown).await
        }),
        ServiceCommand::Health => service::report_health("predictor", config.listen),
    }
}

fn moved(command: &'static str) -> ExitCode {
    service::usage_error("predictor", &CallTheTrainer(command))
}
