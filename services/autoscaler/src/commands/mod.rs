//! The operator's commands. Each asks one service over gRPC and prints the answer.

pub mod check_config;
mod client;
mod limits;
pub mod publish_document;
mod recover;
mod refusals;
pub mod resize;
pub mod resizes;
pub mod run;
mod standing;
mod targets;

use std::{fmt, future::Future, process::ExitCode};

pub use client::Client;
use common::service::EXIT_USAGE;
use common::text::{chain, root_cause};
use owo_colors::OwoColorize as _;
use tonic::{Code, Status};

/// `EX_NOINPUT` and `EX_UNAVAILABLE` of sysexits.
const EXIT_NOT_FOUND: u8 = 66;
const EXIT_UNREACHABLE: u8 = 69;
/// `EX_IOERR`: the answer could not be written.
const EXIT_UNWRITTEN: u8 = 74;
/// How a resize ended.
const EXIT_REFUSED: u8 = 3;
const EXIT_ROLLED_BACK: u8 = 4;
const EXIT_FELL_BACK: u8 = 5;
const EXIT_GONE: u8 = 6;
/// Ended by Ctrl-C, as shells write it.
const EXIT_INTERRUPTED: u8 = 130;

/// A command that did not do what it should: one line, and the exit code for scripts.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Failure {
    /// `service` at `url` answered `status`.
    pub fn from_status(service: &str, url: &str, status: &Status) -> Self {
        let code = match status.code() {
            Code::NotFound => EXIT_NOT_FOUND,
            Code::InvalidArgument => EXIT_USAGE,
            Code::Unavailable => EXIT_UNREACHABLE,
            _ => 1,
        };
        // A transport error hides its cause in the source chain.
        let cause = root_cause(status)
            .map(|cause| format!(" ({cause})"))
            .unwrap_or_default();
        let message = match status.code() {
            // What it answered itself has no cause on this side.
            Code::Unavailable if std::error::Error::source(status).is_some() => format!(
                "{service} at {url} can't be reached: {}{cause}; is it running, and is the address right?",
                status.message()
            ),
            _ => format!("{service}: {}", status.message()),
        };
        Self { message, code }
    }
}

impl Failure {
    /// Arguments that don't do.
    pub fn usage(message: String) -> Self {
        Self {
            message,
            code: EXIT_USAGE,
        }
    }

    /// There is no such thing.
    pub fn not_found(message: String) -> Self {
        Self {
            message,
            code: EXIT_NOT_FOUND,
        }
    }

    /// The actuator won't begin this resize.
    pub fn refused(status: &Status) -> Self {
        Self {
            message: format!("refused, nothing was changed: {}", status.message()),
            code: EXIT_REFUSED,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            message: format!("{error:#}"),
            code: 1,
        }
    }
}

impl From<common::config::ConfigError> for Failure {
    fn from(error: common::config::ConfigError) -> Self {
        Self {
            message: chain(&error),
            code: EXIT_USAGE,
        }
    }
}

/// Runs a command to its end; a failure is one line on stderr. So is an answer that could not be written: whoever reads
/// the file must not take it for whole.
pub fn block_on(command: impl Future<Output = Result<ExitCode, Failure>>) -> ExitCode {
    let result = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(anyhow::Error::from(error).into()),
    };
    let unwritten = |error: &std::io::Error| Failure {
        message: format!("the answer could not be written to stdout: {error}"),
        code: EXIT_UNWRITTEN,
    };
    let result = result.and_then(|code| match crate::output::lost() {
        None => Ok(code),
        Some(error) => Err(unwritten(error)),
    });
    result.unwrap_or_else(|failure| {
        anstream::eprintln!("{} {failure}", "autoscaler:".red());
        ExitCode::from(failure.code)
    })
}
