//! Our kinds of errors as AWS's codes and HTTP statuses: the way back from `aws/failure.rs`.

use actuator::cloud::{CloudError, ErrorKind, Operation};

/// The code and HTTP status that EC2 answers; `None` for an answer that is lost.
pub fn ec2(error: &CloudError) -> Option<(&'static str, u16)> {
    Some(match error.kind {
        ErrorKind::LostReply => return None,
        ErrorKind::InsufficientCapacity => ("InsufficientInstanceCapacity", 500),
        ErrorKind::Unsupported => ("Unsupported", 400),
        ErrorKind::NotForThisInstance => (code_of(&error.message).unwrap_or("Unsupported"), 400),
        ErrorKind::LimitExceeded => ("VcpuLimitExceeded", 400),
        ErrorKind::Throttled => ("RequestLimitExceeded", 503),
        ErrorKind::Unauthorized => ("UnauthorizedOperation", 403),
        ErrorKind::CredentialsMissing => ("AuthFailure", 401),
        ErrorKind::CredentialsExpired => ("RequestExpired", 400),
        ErrorKind::NotFound => ("InvalidInstanceID.NotFound", 400),
        ErrorKind::WrongState => ("IncorrectInstanceState", 400),
        ErrorKind::Protected => ("OperationNotPermitted", 400),
        ErrorKind::Internal => ("InternalError", 500),
        ErrorKind::TypeMismatch
        | ErrorKind::NotOnline
        | ErrorKind::Halted
        | ErrorKind::NotConfigured
        | ErrorKind::Invalid => match error.operation {
            // There a value that doesn't fit is one that never will.
            Operation::Start if error.kind != ErrorKind::TypeMismatch => ("SomethingElse", 400),
            _ => ("InvalidParameterValue", 400),
        },
    })
}

/// The same for SSM and Service Quotas.
pub fn json(error: &CloudError) -> Option<(&'static str, u16)> {
    Some(match error.kind {
        ErrorKind::LostReply => return None,
        ErrorKind::Throttled => ("ThrottlingException", 400),
        ErrorKind::Unauthorized => ("AccessDeniedException", 400),
        ErrorKind::CredentialsMissing => ("UnrecognizedClientException", 400),
        ErrorKind::CredentialsExpired => ("ExpiredTokenException", 400),
        ErrorKind::NotOnline => ("InvalidInstanceId", 400),
        ErrorKind::NotFound => match error.operation {
            Operation::PollCommand => ("InvocationDoesNotExist", 400),
            Operation::LookAtScript | Operation::PublishScript => ("InvalidDocument", 400),
            Operation::VcpuUse => ("NoSuchResourceException", 400),
            _ => ("InvalidInstanceId", 400),
        },
        ErrorKind::Internal => ("InternalServerError", 500),
        _ => ("ValidationException", 400),
    })
}

/// What AWS would say: the fake's own messages begin with a code, which is not said twice.
pub fn message(error: &CloudError) -> String {
    let text = match error.message.split_once(": ") {
        Some((code, text)) if !code.contains(' ') => text,
        _ => &error.message,
    };
    match error.kind {
        // What tells it from other invalid values is its text.
        ErrorKind::TypeMismatch if !text.contains("LaunchPlan") => {
            format!("LaunchPlan instance type does not match attribute value ({text})")
        }
        // What tells it from the same for good is its text, too.
        ErrorKind::Unsupported if error.operation == Operation::Start => {
            format!("{text} (in your requested Availability Zone)")
        }
        _ => text.to_owned(),
    }
}

/// Codes that the fake's own messages begin with.
fn code_of(message: &str) -> Option<&'static str> {
    [
        "Unsupported",
        "ReservationCapacityExceeded",
        "InvalidParameterCombination",
    ]
    .into_iter()
    .find(|code| {
        message
            .strip_prefix(code)
            .is_some_and(|rest| rest.starts_with(':'))
    })
}
