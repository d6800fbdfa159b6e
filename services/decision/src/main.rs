//! The `decision` binary.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use common::clock::SystemClock;
use common::config::ConfigError;
use common::listen::Listeners;
use common::service::{self, ConfigArg, ServiceCommand};
use decision::{Config, Deps, Policy};

/// Decides whether instances should be resized, remembers what was decided, and explains it.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: Option<ServiceCommand>,
}

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|error| service::usage_error("decision", &error))
}

fn run(arguments: &Arguments) -> Result<ExitCode, ConfigError> {
    let settings = arguments.config.load()?;
    let config = Config::read(&settings)?;
    let policy = Policy::read(&settings)?;
    let clock = Arc::new(SystemClock);
    Ok(match arguments.command.unwrap_or_default() {
        ServiceCommand::Health => service::report_health("decision", config.listen),
        ServiceCommand::Serve => service::run("decision", &settings, async |shutdown| {
            let listeners = Listeners::bind(config.listen, config.metrics_listen).await?;
            decision::serve(config, policy, Deps { clock }, listeners, shutdown).await
        }),
    })
}
