//! The store in SQLite.
//!
//! One connection writes, so writers of this process queue instead of colliding; a few others read. Every write is
//! `BEGIN IMMEDIATE` to `COMMIT` with `synchronous = FULL`: what was answered is on the disk.
//!
//! Invariant: SQL stands in this file and below it, nowhere else.

mod connection;
mod documents;
mod error;
mod packing;
mod rows;
mod runs;
mod transaction;
mod view;

use std::{fs, io::ErrorKind, path::Path, time::Duration};

use async_trait::async_trait;
use common::private;
use jiff::Timestamp;
use sqlx::{
    Connection as _, Row as _, SqliteConnection, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use self::{connection::Connection, error::OpenError};
use crate::store::{BUSY_TIMEOUT, Store, Transaction, View, error::StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a call waits for a connection of its own.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const READERS: u32 = 4;
/// Up to this size every page is checked at the start; beyond it only the tables that guard machines, so that a long
/// history doesn't delay the start.
const FULL_CHECK_BYTES: u64 = 256 * 1024 * 1024;

/// A database file, open.
#[derive(Clone, Debug)]
pub struct SqlStore {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl SqlStore {
    /// Opens the database at `path`, checks it, and brings its schema up to date. Creates it, and its folder, when there
    /// is none.
    ///
    /// # Errors
    /// A damaged database (the file is left as it is), one that can't be written, or one of a newer version.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, OpenError> {
        let open_error = |source| OpenError::from_sqlx(path, source);
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(|source| OpenError::folder(path, &source))?;
        }
        match fs::metadata(path) {
            Ok(file) if file.len() > 0 => check(path, file.len()).await?,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => private::make_database(path),
            Err(error) => return Err(OpenError::folder(path, &error)),
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = pool(1)
            .connect_with(
                options
                    .clone()
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true),
            )
            .await
            .map_err(open_error)?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|error| OpenError::from_migration(path, error))?;
        // Ours, for sure.
        private::narrow_database(path);
        // SQLite opens a file that it may not write as read-only, without a word: find out now.
        sqlx::query(
            "INSERT INTO starts (id, started_at) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at",
        )
        .bind(now.as_microsecond())
        .execute(&writer)
        .await
        .map_err(open_error)?;
        let reader = pool(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(open_error)?;
        Ok(Self { writer, reader })
    }

    #[cfg(test)]
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn read(&self) -> Result<Box<dyn View>, StoreError> {
        let mut connection = self.reader.acquire().await?;
        sqlx::query("BEGIN").execute(&mut *connection).await?;
        Ok(Box::new(Connection(connection)))
    }

    async fn write(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let mut connection = self.writer.acquire().await?;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await?;
        Ok(Box::new(Connection(connection)))
    }

    async fn close(&self) {
        // The log is folded into the file.
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Both pools hand out connections in a transaction and end what is left of it when they come back.
///
/// sqlx's own `Transaction` won't do: SQLite rolls back by itself when the disk is full, sqlx then counts a transaction
/// that is not there, and the connection refuses every further one for ever.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_release(|connection, _| {
            Box::pin(async move {
                match sqlx::query("ROLLBACK").execute(connection).await {
                    Ok(_) => Ok(true),
                    // It was committed, or rolled back by SQLite. Any other failure closes the connection.
                    Err(error) => Ok(error.to_string().contains("no transaction is active")),
                }
            })
        })
}

/// Looks for damage without changing the file.
async fn check(path: &Path, bytes: u64) -> Result<(), OpenError> {
    let open_error = |source| OpenError::from_sqlx(path, source);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .read_only(true);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .map_err(open_error)?;
    let checks: &[&'static str] = if bytes <= FULL_CHECK_BYTES {
        &["PRAGMA quick_check(1)"]
    } else {
        &[
            "PRAGMA quick_check('cooldowns')",
            "PRAGMA quick_check('pauses')",
            "PRAGMA quick_check('leases')",
            "PRAGMA quick_check('target_epochs')",
            "PRAGMA quick_check('policies')",
            "PRAGMA quick_check('policy_applications')",
        ]
    };
    for statement in checks {
        let row = sqlx::query(*statement)
            .fetch_one(&mut connection)
            .await
            .map_err(open_error)?;
        let found: String = row.try_get(0).map_err(open_error)?;
        if found != "ok" {
            return Err(OpenError::damaged(path, &found));
        }
    }
    let journals: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('resizes', 'fences')",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(open_error)?;
    if journals > 0 {
        return Err(OpenError::journal(path));
    }
    connection.close().await.map_err(open_error)
}

#[cfg(test)]
mod tests;
