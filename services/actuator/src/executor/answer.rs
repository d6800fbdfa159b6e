//! What a step came to.

use crate::{cloud::CloudError, resize::Event};

/// The event for the state machine, and a sentence for the journal.
pub(super) struct Answer {
    pub event: Event,
    pub detail: String,
}

impl Answer {
    /// Something forbids it.
    pub fn refused(reason: String) -> Self {
        Self {
            detail: reason.clone(),
            event: Event::Refused { reason },
        }
    }

    pub fn failed(error: CloudError) -> Self {
        let message = error.to_string();
        Self {
            detail: message.clone(),
            event: Event::Failed {
                kind: error.kind,
                message,
            },
        }
    }
}

/// Of a call that changes something.
impl From<Result<(), CloudError>> for Answer {
    fn from(answer: Result<(), CloudError>) -> Self {
        match answer {
            Ok(()) => Self {
                event: Event::Done,
                detail: "accepted".to_owned(),
            },
            Err(error) => Self::failed(error),
        }
    }
}
