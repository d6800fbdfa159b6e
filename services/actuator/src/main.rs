//! The actuator on its own: reads its configuration, connects to AWS, serves until a signal.

use std::{process::ExitCode, sync::Arc};

use actuator::{Config, Deps, aws};
use clap::Parser;
use common::{
    clock::SystemClock,
    listen::Listeners,
    service::{self, ConfigArg, ServiceCommand},
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
    let arguments = Arguments::parse();
    let read = |settings| Ok((Config::read(&settings)?, settings));
    let (config, settings) = match arguments.config.load().and_then(read) {
        Ok(read) => read,
        Err(error) => return service::usage_error("actuator", &error),
    };
    match arguments.command.unwrap_or_default() {
        ServiceCommand::Health => service::report_health("actuator", config.listen),
        ServiceCommand::Serve => service::run("actuator", &settings, |shutdown| async move {
            let listeners = Listeners::bind(config.listen, config.metrics_listen).await?;
            let cloud = Arc::new(aws::connect(&config).await);
            let clock = Arc::new(SystemClock);
            actuator::serve(config, Deps { clock, cloud }, listeners, shutdown).await
        }),
    }
}
