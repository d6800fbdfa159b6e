//! `run`: all four services in this process.

use std::process::ExitCode;

use common::{config::Settings, service};

use crate::assembly::{self, Configuration};

/// Serves until a signal. The services talk to each other over gRPC on loopback, as they do when they run apart.
pub fn run(settings: &Settings) -> ExitCode {
    let configuration = match Configuration::read(settings) {
        Ok(configuration) => configuration,
        Err(error) => return service::usage_error("autoscaler", &error),
    };
    tracing::debug!(origin = settings.origin(), "configuration read");
    service::run("autoscaler", settings, |shutdown| {
        assembly::serve_all(configuration, shutdown)
    })
}
