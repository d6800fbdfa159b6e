//! What comes in and what goes back, before it is HTTP.

use std::collections::HashMap;

use actuator::cloud::{CloudError, ErrorKind};

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// A form's fields, or the fields of the protocol's lists, such as `InstanceId.1`.
pub(super) type Form = HashMap<String, String>;

/// True for an answer that must not arrive.
pub(super) fn is_lost(error: &CloudError) -> bool {
    error.kind == ErrorKind::LostReply
}
