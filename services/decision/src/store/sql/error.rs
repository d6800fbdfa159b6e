//! What SQLite can answer, as errors of the store; and why it can't be opened.

use std::{io, path::Path};

use common::text::chain;
use sqlx::migrate::MigrateError;

use crate::store::error::StoreError;

// https://www.sqlite.org/rescode.html
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match (&error, primary_code(&error)) {
            (sqlx::Error::PoolTimedOut, _) | (_, Some(BUSY | LOCKED)) => Self::Busy(error.into()),
            (_, Some(READONLY | IOERR | FULL | CANTOPEN)) => Self::Unwritable(error.into()),
            (_, Some(CORRUPT | NOTADB)) => Self::Damaged(chain(&error)),
            _ => Self::Statement(error.into()),
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
