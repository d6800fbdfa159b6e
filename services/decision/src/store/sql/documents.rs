//! Documents in columns: JSON.

use serde::{Serialize, de::DeserializeOwned};

use crate::store::error::StoreError;

/// What a column holds.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json)
        .map_err(|error| StoreError::Damaged(format!("a stored document can't be read: {error}")))
}

/// As a column holds it.
pub(super) fn write(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Damaged(format!("a document can't be written: {error}")))
}
