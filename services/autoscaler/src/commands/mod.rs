//! The operator's commands. Each asks one service over gRPC and prints the answer.

pub mod check_config;
mod client;
mod failure;
mod limits;
pub mod publish_document;
mod recover;
mod refusals;
mod replay;
pub mod resize;
pub mod resizes;
pub mod run;
mod standing;
mod targets;

use std::{future::Future, process::ExitCode};

use owo_colors::OwoColorize as _;

pub use self::{client::Client, failure::Failure};

/// Runs a command to its end; a failure is one line on stderr. So is an answer that could not be written: whoever reads
/// the file must not take it for whole.
pub fn block_on(command: impl Future<Output = Result<ExitCode, Failure>>) -> ExitCode {
    let result = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(anyhow::Error::from(error).into()),
    };
    let result = result.and_then(|code| match crate::output::lost() {
        None => Ok(code),
        Some(error) => Err(Failure::unwritten(error)),
    });
    result.unwrap_or_else(|failure| {
        anstream::eprintln!("{} {failure}", "autoscaler:".red());
        failure.exit_code()
    })
}
