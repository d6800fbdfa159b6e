//! The scheduler as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use common::service::{self, ConfigArg, ServiceCommand};

/// The clock of the autoscaler: metrics, forecasts, decisions and actions, every few minutes
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: Option<ServiceCommand>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = match arguments.config.load() {
        Ok(settings) => settings,
        Err(error) => return service::usage_error("scheduler", &error),
    };
    let config = match scheduler::Config::read(&settings) {
        Ok(config) => config,
        Err(error) => return service::usage_error("scheduler", &error),
    };
    match arguments.command.unwrap_or_default() {
        ServiceCommand::Health => service::report_health("scheduler", config.listen),
        ServiceCommand::Serve => service::run("scheduler", &settings, async |shutdown| {
            scheduler::run(config, shutdown).await
        }),
    }
}
