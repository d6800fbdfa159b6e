//! The actuator on its own: reads its configuration, connects to AWS, serves until a signal.

use std::{process::ExitCode, sync::Arc};

use actuator::{Config, Deps, aws};
use clap::Parser;
use common::{
    clock::SystemClock,
    config::{ConfigError, Settings},
    listen::Listeners,
    service::{self, ConfigArg, ServiceCommand},
};
use tokio_util::sync::CancellationToken;

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
    let command = arguments.command.unwrap_or_default();
    let (config, settings) = match (read(&arguments.config), command) {
        (Ok(read), _) => read,
        (Err(error), ServiceCommand::Health) => return service::usage_error("actuator", &error),
        (Err(error), ServiceCommand::Serve) => {
            return actuator::rescue("actuator", &arguments.config, &error);
        }
    };
    match command {
        ServiceCommand::Health => service::report_health("actuator", config.listen),
        ServiceCommand::Serve => {
            service::run("actuator", &settings, |shutdown| serve(config, shutdown))
        }
    }
}

fn read(argument: &ConfigArg) -> Result<(Config, Settings), ConfigError> {
    let settings = argument.load()?;
    Ok((Config::read(&settings)?, settings))
}

async fn serve(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let deps = Deps {
        cloud: Arc::new(aws::connect(&config).await),
        clock: Arc::new(SystemClock),
    };
    match Listeners::bind(config.listen, config.metrics_listen).await {
        Ok(listeners) => actuator::serve(config, deps, listeners, shutdown).await,
        Err(taken) => {
            tracing::error!("{taken}; what is down is brought up, and nothing is served");
            actuator::bring_up(config, deps, shutdown).await?;
            Err(taken.into())
        }
    }
}
