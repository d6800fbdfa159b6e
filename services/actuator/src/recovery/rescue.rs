//! When the configuration can't be used: what can be read of it is enough to bring up what is down.

use std::{process::ExitCode, sync::Arc};

use common::{
    clock::SystemClock,
    config::{ConfigError, Settings},
    service::{self, ConfigArg},
    text::chain,
};

use crate::{config::Config, connect::connect, deps::Deps, serve::bring_up};

/// Where the machines are can't be told.
#[derive(Debug, thiserror::Error)]
#[error("{0}; until this is mended no machine is brought up that is down for a resize")]
struct Unaided(String);

/// Says what is wrong, brings up what is down, serves nothing, and exits with 64. Where the region, the credentials or
/// the journal are what is wrong, nothing can be brought up.
pub fn rescue(binary: &'static str, argument: &ConfigArg, error: &ConfigError) -> ExitCode {
    let readable = Settings::salvage(argument.config.as_deref(), "actuator");
    let Some(config) = readable
        .ok()
        .and_then(Config::salvage)
        .filter(|_| !error.concerns(Config::NEEDED_TO_BRING_UP))
    else {
        return service::usage_error(binary, &Unaided(chain(error)));
    };
    // It never stopped a machine, and most likely somebody writes a first configuration.
    if config.never_ran() {
        return service::usage_error(binary, error);
    }
    service::run_despite(binary, error, |shutdown| async move {
        let deps = Deps {
            clock: Arc::new(SystemClock),
            cloud: connect(&config).await?,
        };
        bring_up(config, deps, shutdown).await
    })
}
