//! From AWS's error codes to what they mean for a resize.

use std::error::Error;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use common::text::chain;

use crate::cloud::{
    error::{CloudError, ErrorKind},
    operation::Operation,
};

/// The one place where AWS's error codes get a meaning.
pub(super) fn failure<E, R>(operation: Operation, error: SdkError<E, R>) -> CloudError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let causes = chain(&error);
    let (kind, message) = match &error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no error code");
            let message = service.err().message().unwrap_or("no message");
            let kind = kind_of(operation, code, message);
            return CloudError::new(operation, kind, one_line(&format!("{code}: {message}")));
        }
        SdkError::TimeoutError(_) => (ErrorKind::LostReply, "no answer in time"),
        SdkError::ResponseError(_) => (ErrorKind::LostReply, "the answer can't be read"),
        // Signing is a part of dispatch, so credentials and settings that lack surface here.
        _ if causes.contains("Missing Region") => {
            let message = "no AWS region is set";
            return CloudError::new(operation, ErrorKind::NotConfigured, message);
        }
        _ if causes.to_lowercase().contains("credential") => (
            ErrorKind::CredentialsMissing,
            "there are no usable AWS credentials",
        ),
        SdkError::DispatchFailure(_) => (ErrorKind::LostReply, "no answer from AWS"),
        _ => return CloudError::new(operation, ErrorKind::Invalid, one_line(&causes)),
    };
    CloudError::new(operation, kind, message).because(one_line(&causes))
}

fn kind_of(operation: Operation, code: &str, message: &str) -> ErrorKind {
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    match code {
        "InsufficientInstanceCapacity"
        | "InsufficientCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientCapacityOnHost" => ErrorKind::InsufficientCapacity,
        "VcpuLimitExceeded" | "InstanceLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
            ErrorKind::LimitExceeded
        }
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "EC2ThrottledException"
        | "TooManyRequestsException"
        | "RateExceeded" => ErrorKind::Throttled,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            ErrorKind::Unauthorized
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => ErrorKind::CredentialsMissing,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            ErrorKind::CredentialsExpired
        }
        "InvalidInstanceId" if operation == Operation::SendScript => ErrorKind::NotOnline,
        "InvalidInstanceID.NotFound"
        | "InvalidInstanceID.Malformed"
        | "InvocationDoesNotExist"
        | "InvalidDocument"
        | "NoSuchResourceException"
        | "InvalidInstanceId" => ErrorKind::NotFound,
        "IncorrectInstanceState" | "IncorrectState" | "InvalidState" => ErrorKind::WrongState,
        "OperationNotPermitted" => ErrorKind::Protected,
        "InvalidParameterValue" | "InvalidParameterCombination"
            if message.contains("LaunchPlan") =>
        {
            ErrorKind::TypeMismatch
        }
        // "Your requested instance type (…) is not supported in your requested Availability Zone": another day it may be.
        "Unsupported" if message.contains("Availability Zone") => ErrorKind::Unsupported,
        "Unsupported"
        | "UnsupportedOperation"
        | "UnsupportedHostConfiguration"
        | "UnsupportedInstanceAttribute"
        | "UnsupportedTenancy"
        | "InvalidParameter"
        | "InvalidParameterCombination"
        | "InvalidParameterValue"
        | "InvalidInstanceAttributeValue"
        | "ReservationCapacityExceeded"
        | "AttachmentLimitExceeded"
        | "EncryptedVolumesNotSupported"
            if operation == Operation::Start =>
        {
            ErrorKind::NotForThisInstance
        }
        "Unsupported" | "UnsupportedOperation" | "UnsupportedHostConfiguration" => {
            ErrorKind::Unsupported
        }
        "ReservationCapacityExceeded" => ErrorKind::InsufficientCapacity,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "Unavailable"
        | "ServiceUnavailable"
        | "RequestTimeout" => ErrorKind::Internal,
        _ => ErrorKind::Invalid,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_meaning_that_decides_what_comes_next() {
        for (operation, code, message, expected) in [
            (
                Operation::Start,
                "InsufficientInstanceCapacity",
                "",
                ErrorKind::InsufficientCapacity,
            ),
            (
                Operation::Start,
                "VcpuLimitExceeded",
                "",
                ErrorKind::LimitExceeded,
            ),
            (
                Operation::Start,
                "InvalidParameterValue",
                "LaunchPlan instance type does not match attribute value",
                ErrorKind::TypeMismatch,
            ),
            (
                Operation::ModifyType,
                "InvalidParameterValue",
                "no such type",
                ErrorKind::Invalid,
            ),
            (
                Operation::SendScript,
                "InvalidInstanceId",
                "",
                ErrorKind::NotOnline,
            ),
            (
                Operation::PollCommand,
                "InvalidInstanceId",
                "",
                ErrorKind::NotFound,
            ),
            (
                Operation::Stop,
                "OperationNotPermitted",
                "",
                ErrorKind::Protected,
            ),
            (Operation::Stop, "SomethingNew", "", ErrorKind::Invalid),
            (
                Operation::Start,
                "Unsupported",
                "The requested configuration is currently not supported. Please check the documentation for supported configurations.",
                ErrorKind::NotForThisInstance,
            ),
            (
                Operation::Start,
                "Unsupported",
                "Your requested instance type (m7i.large) is not supported in your requested Availability Zone (us-east-1e).",
                ErrorKind::Unsupported,
            ),
            (
                Operation::Start,
                "ReservationCapacityExceeded",
                "The requested reservation does not have sufficient compatible and available capacity for this request.",
                ErrorKind::NotForThisInstance,
            ),
            (
                Operation::Start,
                "InvalidParameterCombination",
                "Enclaves is not supported for the selected instance type",
                ErrorKind::NotForThisInstance,
            ),
        ] {
            assert_eq!(kind_of(operation, code, message), expected, "{code}");
        }
    }
}
