//! Failed calls, and what they mean.

use common::text::{one_line, root_cause};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The meaning of a failed call for the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The service said no, for good.
    Refused,
    /// The request itself was wrong.
    Invalid,
    /// The service doesn't know it.
    NotFound,
    /// Somebody else has it.
    Taken,
    /// The lease epoch that it was asked under is not the one that counts.
    Stale,
    /// Nobody knows whether it happened.
    Unsure,
}

/// A failed call: one line with service, address and cause.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{service} at {url}: {message}")]
pub struct CallError {
    pub(super) service: &'static str,
    pub(super) url: String,
    pub(super) message: String,
    /// The service itself said it, and not the way to it.
    pub was_answered: bool,
    /// Its meaning.
    pub failure: Failure,
}

impl CallError {
    /// What the service said, without who it is.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// A message that lacks what the contract promises, or holds what it doesn't know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the answer has no usable `{0}`; are both services of the same version?")]
pub struct BadAnswer(pub &'static str);

impl Failure {
    /// What a status means.
    pub fn of(status: &Status) -> Self {
        match status.code() {
            Code::InvalidArgument | Code::FailedPrecondition if is_about_the_lease(status) => {
                Self::Stale
            }
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid,
            Code::NotFound => Self::NotFound,
            Code::Aborted => Self::Taken,
            Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::Unauthenticated
            | Code::Unimplemented => Self::Refused,
            // ALREADY_EXISTS too: something of that id is there, so it is worth a look.
            _ => Self::Unsure,
        }
    }
}

/// An epoch that is too old, not held, or ahead of the other's clock.
fn is_about_the_lease(status: &Status) -> bool {
    let details = status.get_error_details();
    let kinds = details.precondition_failure().into_iter();
    let fields = details.bad_request().into_iter();
    kinds
        .flat_map(|failure| &failure.violations)
        .any(|violation| matches!(violation.r#type.as_str(), "LEASE_EPOCH" | "LEASE_LOST"))
        || fields
            .flat_map(|request| &request.field_violations)
            .any(|violation| violation.field == "lease_epoch")
}

/// What a status says, on one line, and whether the service itself said it. `key` is what to look at when it can't be
/// reached.
pub fn describe(status: &Status, key: &str) -> (String, bool) {
    // A transport error says "transport error" and keeps the cause to itself.
    let cause = root_cause(status);
    let connected = cause.is_none();
    let mut message = cause.unwrap_or_else(|| status.message().to_owned());
    if status.code() == Code::Unavailable && !connected {
        message = format!("can't be reached ({message}); is it running, and is {key} right?");
    }
    if message.is_empty() {
        message = status.code().description().to_lowercase();
    }
    (one_line(&message), connected)
}
