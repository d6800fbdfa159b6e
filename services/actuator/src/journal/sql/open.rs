//! How a database is opened, held, and replaced where it can't be used.

use std::{path::Path, time::Duration};

use common::{private, text::chain};
use sqlx::{
    AnyConnection, ConnectOptions as _, Connection as _, Row as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::{MigrateError, Migrator},
    sqlite::SqliteConnectOptions,
};
use tokio::sync::Mutex;

use super::{Hold, SqlStore, record};
use crate::journal::{
    admission::Admission,
    error::{OpenError, StoreError, damaged, unusable},
    hold::{Watched, lock_file, lock_path},
    record::Record,
    salvage::{self, Found, Salvaged},
    store::Store as _,
};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// PostgreSQL's advisory lock of an actuator; a number that nobody else takes by accident.
const LOCK: i64 = 0x6163_7475_6174_6f72;
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);

impl SqlStore {
    /// Opens `database`, a path or a `postgres://` URL, and brings its schema up to date. `:memory:` is forgotten at the
    /// end: for simulations.
    ///
    /// # Errors
    /// Another process holds it; it is damaged or of a newer version (then it is left as it is), or can't be written.
    pub async fn open(database: &str) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let name = shown(database);
        let store = if is_postgres(database) {
            Self::open_postgres(database).await?
        } else {
            Self::open_sqlite(database).await?
        };
        match MIGRATIONS.run(&store.pool).await {
            Ok(()) => {}
            Err(
                MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _),
            ) => {
                return Err(OpenError::Unusable(format!(
                    "journal {name} has schema {version}, which this version does not know; run the newer version again"
                )));
            }
            Err(error) => return Err(unusable(&name, &error)),
        }
        // A file that may not be written, or a disk without room, opens all the same: find out now.
        sqlx::query("UPDATE fences SET epoch = epoch WHERE id = 1")
            .execute(&store.pool)
            .await
            .map_err(|error| unusable(&name, &error))?;
        if is_postgres(database) {
            let (_, unreadable) = store
                .readable()
                .await
                .map_err(|error| unusable(&name, &error))?;
            if unreadable > 0 {
                return Err(damaged(
                    &name,
                    &format!(
                        "{unreadable} of its unfinished resizes can't be understood: damaged, or of a newer version"
                    ),
                ));
            }
        }
        Ok(store)
    }

    /// Takes the place of a database that can't be used: in memory, with what can be read of it. The database stays as it
    /// is, and held where that is possible.
    ///
    /// # Errors
    /// Another process holds it.
    pub async fn stand_in(database: &str) -> Result<(Self, Salvaged), OpenError> {
        let mut store = Self::open(":memory:").await?;
        let mut salvaged = if is_postgres(database) {
            let theirs = Self::open_postgres(database).await?;
            let read = theirs.readable().await;
            store.hold = theirs.hold;
            let (records, unreadable) = read.unwrap_or_default();
            Salvaged {
                records,
                unreadable,
            }
        } else {
            let path = Path::new(database);
            // Without a lock, too: whoever holds it can't be told, and a start is never too much.
            store.hold = match lock_file(path) {
                Err(held @ OpenError::Held(_)) => return Err(held),
                Err(_) => Hold::Nothing,
                Ok(lock) => Hold::Files {
                    _lock: lock,
                    watched: None,
                },
            };
            salvage::read(path).await
        };
        let mut taken = Vec::new();
        for record in salvaged.records {
            match store.insert(&record).await {
                Ok(true) => taken.push(record),
                Ok(false) | Err(_) => salvaged.unreadable += 1,
            }
        }
        salvaged.records = taken;
        Ok((store, salvaged))
    }

    /// A record as it stands, whatever its epoch; false when another one is in its way.
    async fn insert(&self, record: &Record) -> Result<bool, StoreError> {
        let mut new = record.clone();
        new.request.lease_epoch = 0;
        let taken = self.admit(&new, None).await?;
        if !matches!(taken, Ok(Admission::New(_))) {
            return Ok(false);
        }
        self.write(record, &[]).await?;
        Ok(true)
    }

    /// Unfinished resizes, oldest first, and how many of them can't be understood.
    async fn readable(&self) -> Result<(Vec<Record>, usize), StoreError> {
        let rows = sqlx::query(
            "SELECT format, document FROM resizes WHERE finished_at IS NULL ORDER BY sequence",
        )
        .fetch_all(&self.pool)
        .await?;
        let records: Vec<_> = rows.iter().filter_map(|row| record(row).ok()).collect();
        let unreadable = rows.len() - records.len();
        Ok((records, unreadable))
    }

    async fn open_sqlite(database: &str) -> Result<Self, OpenError> {
        let memory = database == ":memory:";
        let path = Path::new(database);
        let lock = if memory {
            None
        } else {
            let lock = lock_file(path)?;
            // Before SQLite sees it.
            match salvage::examine(path, &MIGRATIONS).await {
                Found::Nothing | Found::Sound => {}
                Found::Wrong(what) => return Err(damaged(database, &what)),
            }
            // Ours, or nothing yet.
            private::make_database(path);
            private::narrow_database(path);
            Some(lock)
        };
        let url = match memory {
            true => "sqlite::memory:".parse(),
            false => {
                let options = SqliteConnectOptions::new()
                    .filename(database)
                    .create_if_missing(true);
                AnyConnectOptions::from_url(&options.to_url_lossy())
            }
        };
        let url: AnyConnectOptions = url.map_err(|error| unusable(database, &error))?;
        let pool = pool()
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let busy = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
                    for pragma in [
                        busy.as_str(),
                        "PRAGMA journal_mode = WAL",
                        "PRAGMA synchronous = FULL",
                        "PRAGMA foreign_keys = ON",
                    ] {
                        sqlx::raw_sql(sqlx::AssertSqlSafe(pragma))
                            .execute(&mut *connection)
                            .await?;
                    }
                    Ok(())
                })
            })
            .connect_with(url)
            .await
            .map_err(|error| unusable(database, &error))?;
        let hold = match lock {
            None => Hold::Nothing,
            Some(lock) => {
                let watched = Watched::new(&[path, &lock_path(path)]);
                let watched = watched.map_err(|error| unusable(database, &error))?;
                Hold::Files {
                    _lock: lock,
                    watched: Some(watched),
                }
            }
        };
        Ok(Self { pool, hold })
    }

    async fn open_postgres(database: &str) -> Result<Self, OpenError> {
        let name = shown(database);
        let wrong = |error: sqlx::Error| {
            let error = chain(&error);
            OpenError::Unreachable(format!(
                "journal {name} can't be reached: {error}; check actuator.database and the server"
            ))
        };
        let options: AnyConnectOptions = database
            .parse()
            .map_err(|error: sqlx::Error| unusable(&name, &error))?;
        let mut session = AnyConnection::connect_with(&options).await.map_err(wrong)?;
        let locked: i64 = sqlx::query("SELECT pg_try_advisory_lock($1)::int::bigint")
            .bind(LOCK)
            .fetch_one(&mut session)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(wrong)?;
        if locked == 0 {
            return Err(OpenError::Held(name));
        }
        let pool = pool().connect_with(options).await.map_err(wrong)?;
        Ok(Self {
            pool,
            hold: Hold::Session(Mutex::new(session)),
        })
    }
}

/// One connection, for ever; what is left of a transaction ends when it comes back.
///
/// sqlx's own `Transaction` won't do: SQLite rolls back by itself when the disk is full, sqlx then counts a transaction
/// that is not there, and the connection refuses every further one for ever.
fn pool() -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
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

fn is_postgres(database: &str) -> bool {
    database.starts_with("postgres:") || database.starts_with("postgresql:")
}

/// The database as messages may show it: without its password.
pub fn shown(database: &str) -> String {
    match database.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://…@{host}"),
            None => database.to_owned(),
        },
        None => database.to_owned(),
    }
}

#[cfg(test)]
impl SqlStore {
    pub async fn bare(database: &str) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let pool = pool().connect_with(database.parse()?).await?;
        Ok(Self {
            pool,
            hold: Hold::Nothing,
        })
    }
}
