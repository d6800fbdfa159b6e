//! Commands that did not do what they should, and what scripts are told by exit codes.

use std::{fmt, io, process::ExitCode};

use common::{
    service::EXIT_USAGE,
    text::{chain, root_cause},
};
use tonic::{Code, Status};

/// `EX_NOINPUT` and `EX_UNAVAILABLE` of sysexits.
pub const EXIT_NOT_FOUND: u8 = 66;
pub const EXIT_UNREACHABLE: u8 = 69;
/// `EX_IOERR`: the answer could not be written.
pub const EXIT_UNWRITTEN: u8 = 74;
/// How a resize ended.
pub const EXIT_REFUSED: u8 = 3;
pub const EXIT_ROLLED_BACK: u8 = 4;
pub const EXIT_FELL_BACK: u8 = 5;
pub const EXIT_GONE: u8 = 6;
/// Ended by Ctrl-C, as shells write it.
pub const EXIT_INTERRUPTED: u8 = 130;

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

    /// The answer is not whole.
    pub fn unwritten(error: &io::Error) -> Self {
        Self {
            message: format!("the answer could not be written to stdout: {error}"),
            code: EXIT_UNWRITTEN,
        }
    }

    /// The exit code for scripts.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
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
