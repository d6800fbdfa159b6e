//! What can be wrong with a store.

use std::error::Error;

use strum::IntoStaticStr;

/// The failure of whatever stands behind a store.
type BoxError = Box<dyn Error + Send + Sync>;

/// Why a call on the store failed. Nothing was written.
#[derive(Debug, thiserror::Error, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StoreError {
    /// It passes by itself.
    #[error("the decision database is busy: another process holds it")]
    Busy(#[source] BoxError),
    /// It passes when somebody makes room or mends the disk.
    #[error("the decision database can't be written: {0}; is the disk full or read-only?")]
    Unwritable(#[source] BoxError),
    /// It does not pass.
    #[error("the decision database is damaged: {0}; stop the service and restore a backup")]
    Damaged(String),
    /// A mistake of ours.
    #[error("the decision database refused a statement: {0}")]
    Statement(#[source] BoxError),
}

impl StoreError {
    /// As a metric label.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}
