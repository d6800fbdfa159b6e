//! The actuator on its own: reads its configuration, connects to AWS, serves until a signal.

use std::process::ExitCode;

use actuator::Config;
use clap::Parser;
use common::{
    service::{self, ConfigArg, ServiceCommand},
    telemetry,
};

/// Resizes EC2 instances and sets their monitoring up; in dry run it only says what it would do.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    command: Option<ServiceCommand>,
}

fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    let read = config.load().and_then(|settings| {
        telemetry::check(&settings)?;
        Ok((Config::read(&settings)?, settings))
    });
    match (read, command.unwrap_or_default()) {
        (Ok((read, settings)), ServiceCommand::Serve) => {
            service::run("actuator", &settings, |shutdown| {
                actuator::run(read, shutdown)
            })
        }
        (Ok((read, _)), ServiceCommand::Health) => service::report_health("actuator", read.listen),
        (Err(error), ServiceCommand::Serve) => actuator::rescue("actuator", &config, &error),
        (Err(error), ServiceCommand::Health) => service::usage_error("actuator", &error),
    }
}
