//! gRPC errors with machine-readable details.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A bad field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field, such as `series[3].cpu[17]`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl FieldViolation {
    /// `field` is refused because of `description`.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}

/// INVALID_ARGUMENT with every bad field, in the message and as `BadRequest` details.
pub fn invalid_argument(violations: &[FieldViolation]) -> Status {
    let mut details = ErrorDetails::new();
    for violation in violations {
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    let message = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect::<Vec<_>>()
        .join("; ");
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// FAILED_PRECONDITION: `subject` (an instance, a lease, the model) is not in the state the call needs.
pub fn failed_precondition(kind: &str, subject: &str, description: &str) -> Status {
    let details = ErrorDetails::with_precondition_failure_violation(kind, subject, description);
    Status::with_error_details(Code::FailedPrecondition, description, details)
}

/// RESOURCE_EXHAUSTED with `RetryInfo`: a budget is used up, and comes free again after `retry_after`.
pub fn resource_exhausted(message: impl Into<String>, retry_after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_after));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// UNAVAILABLE, with the time after which a retry makes sense.
pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_after));
    Status::with_error_details(Code::Unavailable, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_travel_with_the_status() {
        let status = invalid_argument(&[
            FieldViolation::new("series[3].cpu[17]", "is NaN"),
            FieldViolation::new("quantiles[0]", "is not between 0 and 1"),
        ]);
        assert_eq!(
            status.message(),
            "series[3].cpu[17]: is NaN; quantiles[0]: is not between 0 and 1"
        );
        let fields = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields[0].field, "series[3].cpu[17]");

        let status = unavailable("database is locked", Duration::from_secs(2));
        assert_eq!(
            status.get_details_retry_info().unwrap().retry_delay,
            Some(Duration::from_secs(2))
        );
    }
}
