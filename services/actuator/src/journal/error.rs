//! What is wrong with a journal, with the remedy.

use common::text::chain;

use super::document::Unreadable;

/// Why this database can't be used. One line with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another actuator holds the journal {0}")]
    Held(String),
    /// It may be held, by whom can't be asked.
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Unusable(String),
}

pub(super) fn unusable(name: &str, error: &dyn std::error::Error) -> OpenError {
    let error = chain(error);
    OpenError::Unusable(format!(
        "journal {name} can't be opened and written: {error}; check actuator.database, its owner and the free space"
    ))
}

pub(super) fn damaged(name: &str, what: &str) -> OpenError {
    let what = what.lines().next().unwrap_or_default();
    OpenError::Unusable(format!(
        "journal {name} is damaged ({what}); it was left as it is: restore a backup, or move the file away; instances that \
         were stopped are then found by their tag and started again"
    ))
}

/// Why a call on the store failed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It passes when somebody makes room, mends the disk, or brings the database back.
    #[error("the resize journal can't be written: {0}; check actuator.database and its free space")]
    Unavailable(String),
    /// It is not used any more, as whoever looks after this actuator has been told.
    #[error("{0}")]
    Degraded(String),
    /// It does not pass.
    #[error(
        "the resize journal is damaged: {0}; move it away and start again: stopped instances are then found by their tag"
    )]
    Damaged(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Damaged(chain(&error))
            }
            error => Self::Unavailable(chain(&error)),
        }
    }
}

impl From<Unreadable> for StoreError {
    fn from(error: Unreadable) -> Self {
        Self::Damaged(chain(&error))
    }
}
