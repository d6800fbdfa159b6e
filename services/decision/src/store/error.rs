//! What can be wrong with the store.

use std::{io, path::Path};

use common::text::chain;
use sqlx::migrate::MigrateError;

// https://www.sqlite.org/rescode.html
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

/// Why a call on the store failed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It passes by itself.
    #[error("the decision database is busy: another process holds it")]
    Busy(#[source] sqlx::Error),
    /// It passes when somebody makes room or mends the disk.
    #[error("the decision database can't be written: {0}; is the disk full or read-only?")]
    Unwritable(#[source] sqlx::Error),
    /// It does not pass.
    #[error("the decision database is damaged: {0}; stop the service and restore a backup")]
    Damaged(String),
    /// A mistake of ours.
    #[error("the decision database refused a statement: {0}")]
    Statement(#[source] sqlx::Error),
}

impl StoreError {
    /// As a metric label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy",
            Self::Unwritable(_) => "unwritable",
            Self::Damaged(_) => "damaged",
            Self::Statement(_) => "statement",
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match (&error, primary_code(&error)) {
            (sqlx::Error::PoolTimedOut, _) | (_, Some(BUSY | LOCKED)) => Self::Busy(error),
            (_, Some(READONLY | IOERR | FULL | CANTOPEN)) => Self::Unwritable(error),
            (_, Some(CORRUPT | NOTADB)) => Self::Damaged(chain(&error)),
            _ => Self::Statement(error),
        }
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    // The higher bytes say more; the lowest is the kind.
    Some(code & 0xff)
}

/// Why the service can't start with this database. One line with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

impl OpenError {
    pub(super) fn damaged(path: &Path, what: &str) -> Self {
        let what = what.lines().next().unwrap_or_default();
        Self(format!(
            "database {} is damaged ({what}); it was left as it is: restore a backup, or move the file away to begin \
             with no history (cooldowns, pauses and pending actions are then forgotten)",
            path.display()
        ))
    }

    /// The actuator's file.
    pub(super) fn journal(path: &Path) -> Self {
        Self(format!(
            "database {} is the actuator's journal and was left as it is; decision.database needs a file of its own",
            path.display()
        ))
    }

    pub(super) fn folder(path: &Path, source: &io::Error) -> Self {
        Self(format!(
            "database {}, or its folder, can't be used: {source}; set decision.database to a place that this user may write",
            path.display()
        ))
    }

    pub(super) fn from_sqlx(path: &Path, error: sqlx::Error) -> Self {
        let source = chain(&error);
        match StoreError::from(error) {
            StoreError::Damaged(what) => Self::damaged(path, &what),
            StoreError::Busy(_) => Self(format!(
                "database {} is held by another process ({source}); is the service running twice?",
                path.display()
            )),
            StoreError::Unwritable(_) | StoreError::Statement(_) => Self(format!(
                "database {} can't be opened and written: {source}; check decision.database, its owner and the free space",
                path.display()
            )),
        }
    }

    pub(super) fn from_migration(path: &Path, error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                Self::from_sqlx(path, source)
            }
            MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
                Self(format!(
                    "database {} has schema {version}, which this version does not know; run the newer version again",
                    path.display()
                ))
            }
            other => Self(format!(
                "database {} can't be brought up to date: {}",
                path.display(),
                chain(&other)
            )),
        }
    }
}
