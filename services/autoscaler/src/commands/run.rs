//! `run`: all four services in this process.

use std::process::ExitCode;

use common::{
    config::{ConfigError, Settings},
    service::{self, ConfigArg},
    telemetry,
};

use crate::{assembly, configuration::Configuration};

/// Serves until a signal. The services talk to each other over gRPC on loopback, as they do when they run apart.
pub fn run(argument: &ConfigArg) -> ExitCode {
    let (settings, configuration) = match read(argument) {
        Ok(read) => read,
        Err(error) => return actuator::rescue("autoscaler", argument, &error),
    };
    tracing::debug!(origin = settings.origin(), "configuration read");
    service::run("autoscaler", &settings, |shutdown| {
        assembly::serve_all(configuration, shutdown)
    })
}

fn read(argument: &ConfigArg) -> Result<(Settings, Configuration), ConfigError> {
    let settings = argument.load()?;
    telemetry::check(&settings)?;
    let configuration = Configuration::read(&settings)?;
    Ok((settings, configuration))
}
