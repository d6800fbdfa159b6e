//! A call that failed: of which kind, what the cloud said, and what a person can do about it.

use serde::{Deserialize, Serialize};

use super::operation::Operation;

/// What kind of no it was; decides what happens next.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The zone has no room for this type now.
    InsufficientCapacity,
    /// This type can't run here, such as in this zone.
    Unsupported,
    /// This type never runs this instance: something about one doesn't fit something about the other.
    NotForThisInstance,
    /// A quota of the account is used up.
    LimitExceeded,
    /// Too many calls.
    Throttled,
    /// The role lacks the right.
    Unauthorized,
    /// There are no credentials, or they are refused.
    CredentialsMissing,
    /// The credentials have run out.
    CredentialsExpired,
    /// The instance, or the command on it, doesn't exist (or isn't visible yet).
    NotFound,
    /// The instance's state doesn't allow the call.
    WrongState,
    /// The new type has not reached every part of EC2 yet.
    TypeMismatch,
    /// The owner protected it against stops.
    Protected,
    /// An operator has thrown this actuator's kill switch; the call was not made.
    Halted,
    /// The SSM agent isn't registered.
    NotOnline,
    /// No answer, or one that can't be read: the call may have been carried out.
    LostReply,
    /// The cloud failed: the call may have been carried out.
    Internal,
    /// A setting lacks that every call needs, such as the region.
    NotConfigured,
    /// Anything else: the call is wrong and was not carried out.
    Invalid,
}

impl ErrorKind {
    /// True when the call may have been carried out all the same.
    pub fn is_uncertain(self) -> bool {
        matches!(self, Self::LostReply | Self::Internal)
    }

    /// True when the call was not carried out, and the same one can succeed a little later.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::CredentialsMissing | Self::CredentialsExpired
        )
    }

    /// True when the same call can succeed a little later.
    pub fn is_transient(self) -> bool {
        self.is_uncertain() || self.passes()
    }
}

/// A call that failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {message}{}", .operation.action(), in_parentheses(.causes))]
pub struct CloudError {
    pub operation: Operation,
    pub kind: ErrorKind,
    /// What the cloud said, one line, with its own error code.
    pub message: String,
    /// What lies below it, one line; empty where nothing is known.
    pub causes: String,
}

impl CloudError {
    /// `operation` failed for a reason of this kind.
    pub fn new(operation: Operation, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            operation,
            kind,
            message: message.into(),
            causes: String::new(),
        }
    }

    /// The same, with what lies below it.
    #[must_use]
    pub fn because(self, causes: impl Into<String>) -> Self {
        Self {
            causes: causes.into(),
            ..self
        }
    }

    /// What happened and what to do about it. Causes come last: they may be long, and what is long is cut off somewhere.
    pub fn with_remedy(&self) -> String {
        let Self {
            operation,
            message,
            causes,
            ..
        } = self;
        let (action, remedy) = (operation.action(), self.remedy());
        format!("{action}: {message}; {remedy}{}", in_parentheses(causes))
    }

    /// What an operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self.kind {
            ErrorKind::CredentialsMissing => {
                "set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (also in .env), or give this machine an instance role"
            }
            ErrorKind::CredentialsExpired => "renew the session (aws sso login) or the keys",
            ErrorKind::Unauthorized => "attach the policy in deploy/iam to the actuator's role",
            ErrorKind::NotFound => "check the instance id, the account, and actuator.region",
            ErrorKind::Throttled => "lower the call rate of this account, or wait",
            ErrorKind::InsufficientCapacity => "wait, or add types of other families to the ladder",
            ErrorKind::Unsupported => "choose a type that the image and the zone support",
            ErrorKind::NotForThisInstance => "choose another type: EC2 will say the same again",
            ErrorKind::LimitExceeded => "raise the account's vCPU quota",
            ErrorKind::NotOnline => {
                "attach AmazonSSMManagedInstanceCore to the instance's role and check its SSM agent"
            }
            ErrorKind::Protected => {
                "turn off stop protection (DisableApiStop) if it may be resized"
            }
            ErrorKind::Halted => "autoscaler kill-switch off, once you want resizes again",
            ErrorKind::WrongState | ErrorKind::TypeMismatch => "wait for the instance to settle",
            ErrorKind::LostReply | ErrorKind::Internal => {
                "check the network to AWS and its status page"
            }
            ErrorKind::NotConfigured => {
                "set actuator.region, AWS_REGION, or a region in the profile"
            }
            ErrorKind::Invalid => "see the message",
        }
    }
}

/// Causes as they end a sentence; nothing where none are known.
fn in_parentheses(causes: &str) -> String {
    match causes {
        "" => String::new(),
        causes => format!(" ({causes})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_stands_before_causes_that_may_be_cut_off() {
        let kind = ErrorKind::CredentialsMissing;
        let error = |message: &str| CloudError::new(Operation::DescribeInstance, kind, message);
        let caused = error("there are none").because("no profile (none named x): no keys");
        let text = caused.to_string();
        assert!(
            text.ends_with("there are none (no profile (none named x): no keys)"),
            "{text}"
        );
        let text = caused.with_remedy();
        assert!(text.contains("there are none; set AWS_PROFILE"), "{text}");
        assert!(
            text.ends_with(" (no profile (none named x): no keys)"),
            "{text}"
        );
        let text = error("a call (of four) failed").with_remedy();
        assert!(
            text.contains("a call (of four) failed; set AWS_PROFILE"),
            "{text}"
        );
        let text = error("no end)").with_remedy();
        assert!(text.contains("no end); set AWS_PROFILE"), "{text}");
    }
}
