//! The journal in SQLite or PostgreSQL: one schema, one set of statements.
//!
//! One connection does all, so that calls queue instead of colliding. SQLite writes ahead with `synchronous = FULL`, and
//! PostgreSQL commits synchronously: what was answered is on the disk.
//!
//! Invariant: one process at a time. A second one waits for a lock that ends with the first, however that ends.

pub(super) mod open;

use std::fs::File;

use async_trait::async_trait;
use common::text::chain;
use jiff::Timestamp;
use sqlx::{
    Any, AnyConnection, AnyPool, Connection as _, Row as _, any::AnyRow, pool::PoolConnection,
};
use tokio::sync::Mutex;

use super::{
    admission::{Admission, Refusal},
    document::{self, FORMAT, Unreadable},
    error::StoreError,
    fence,
    hold::Watched,
    record::{Line, Record},
    refused::{self, Refused},
    store::{Rails, Store},
};
use crate::rails::Recent;

/// Resizes that one call forgets at most.
const FORGET_AT_ONCE: i64 = 1_000;

/// What keeps other processes away.
#[derive(Debug)]
enum Hold {
    /// Ours alone by its nature.
    Nothing,
    /// Files that are ours for as long as their paths lead to them; the first is locked, which ends when it is closed,
    /// also by a kill.
    Files {
        _lock: File,
        /// `None` for those of a database that is not used.
        watched: Option<Watched>,
    },
    /// A session that holds the advisory lock.
    Session(Mutex<AnyConnection>),
}

/// A database.
#[derive(Debug)]
pub struct SqlStore {
    pool: AnyPool,
    hold: Hold,
}

impl SqlStore {
    async fn decided(&self, connection: &mut AnyConnection) -> Result<Option<String>, StoreError> {
        if !self.keeps_decisions() {
            return Ok(None);
        }
        let row = sqlx::query("SELECT document FROM decisions WHERE id = 1")
            .fetch_optional(connection)
            .await?;
        Ok(row.map(|row| row.try_get("document")).transpose()?)
    }

    /// A connection in a transaction; dropped without a commit it changes nothing.
    async fn begin(&self) -> Result<PoolConnection<Any>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        sqlx::query("BEGIN").execute(&mut *connection).await?;
        Ok(connection)
    }
}

async fn commit(mut connection: PoolConnection<Any>) -> Result<(), StoreError> {
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn text_of(record: &Record) -> Result<String, StoreError> {
    document::write(record).map_err(|error| Unreadable::from(error).into())
}

fn record(row: &AnyRow) -> Result<Record, StoreError> {
    let (format, text): (i64, String) = (row.try_get("format")?, row.try_get("document")?);
    Ok(document::read(format, &text)?)
}

#[cfg(test)]
fn time(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|_| StoreError::Damaged(format!("{microseconds} is no time")))
}

async fn get(
    connection: &mut AnyConnection,
    resize_id: &str,
) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query("SELECT format, document FROM resizes WHERE resize_id = $1")
        .bind(resize_id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(record).transpose()
}

/// The resize under way that keeps others off this instance. Dry runs don't.
async fn active_resize(
    connection: &mut AnyConnection,
    instance_id: &str,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "SELECT resize_id FROM resizes WHERE instance_id = $1 AND finished_at IS NULL AND dry_run = 0",
    )
    .bind(instance_id)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn highest_epoch(connection: &mut AnyConnection) -> Result<u64, StoreError> {
    let epoch: i64 = sqlx::query("SELECT COALESCE(MAX(epoch), 0) FROM fences")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    Ok(u64::try_from(epoch).unwrap_or(0))
}

async fn recent(
    connection: &mut AnyConnection,
    since: Timestamp,
) -> Result<Vec<Recent>, StoreError> {
    let rows = sqlx::query(
        "SELECT format, document FROM resizes WHERE dry_run = 0 AND created_at >= $1 ORDER BY sequence",
    )
    .bind(since.as_microsecond())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(record(row)?.recent())).collect()
}

#[async_trait]
impl Store for SqlStore {
    async fn admit(
        &self,
        new: &Record,
        rails: Option<&Rails<'_>>,
    ) -> Result<Result<Admission, Refusal>, StoreError> {
        let request = &new.request;
        let mut connection = self.begin().await?;
        // The one row that every admission writes: SQLite lets nobody else write from here on, PostgreSQL keeps other
        // admissions waiting here, so what is read below is what the resize is added to.
        sqlx::query("UPDATE fences SET epoch = epoch WHERE id = 1")
            .execute(&mut *connection)
            .await?;
        if let Some(known) = get(&mut connection, &request.resize_id).await? {
            return Ok(Admission::of_known(known, request));
        }
        if request.lease_epoch != 0 {
            let highest = highest_epoch(&mut connection).await?;
            if fence::is_stale(request.lease_epoch, highest, new.created_at) {
                return Ok(Err(Refusal::StaleEpoch {
                    given: request.lease_epoch,
                    highest,
                }));
            }
        }
        if let Some(rails) = rails {
            let recent = recent(&mut connection, rails.since).await?;
            let decisions = self.decided(&mut connection).await?;
            if let Some(objection) = (rails.judge)(&recent, decisions.as_deref()) {
                return Ok(Err(Refusal::Objection(objection)));
            }
        }
        if let Some(active) = active_resize(&mut connection, &request.instance_id).await? {
            let instance_id = request.instance_id.clone();
            return Ok(Err(Refusal::Busy {
                instance_id,
                active,
            }));
        }
        sqlx::query(
            "INSERT INTO resizes (resize_id, sequence, instance_id, dry_run, format, document, created_at, updated_at)
             VALUES ($1, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM resizes), $2, $3, $4, $5, $6, $6)",
        )
        .bind(&request.resize_id)
        .bind(&request.instance_id)
        .bind(i64::from(new.dry_run))
        .bind(FORMAT)
        .bind(text_of(new)?)
        .bind(new.created_at.as_microsecond())
        .execute(&mut *connection)
        .await?;
        if new.moves_the_fence() {
            sqlx::query("UPDATE fences SET epoch = $1")
                .bind(signed(request.lease_epoch))
                .execute(&mut *connection)
                .await?;
        }
        commit(connection).await?;
        Ok(Ok(Admission::New(new.clone())))
    }

    async fn write(&self, record: &Record, lines: &[Line]) -> Result<(), StoreError> {
        let resize_id = &record.request.resize_id;
        let mut connection = self.begin().await?;
        sqlx::query(
            "UPDATE resizes SET format = $2, document = $3, outcome = $4, finished_at = $5, updated_at = $6
             WHERE resize_id = $1",
        )
        .bind(resize_id)
        .bind(FORMAT)
        .bind(text_of(record)?)
        .bind(record.outcome().map(|outcome| outcome.name()))
        .bind(record.finished_at.map(Timestamp::as_microsecond))
        .bind(
            lines
                .last()
                .map_or(record.created_at, |line| line.at)
                .as_microsecond(),
        )
        .execute(&mut *connection)
        .await?;
        for line in lines {
            sqlx::query(
                "INSERT INTO lines (resize_id, seq, at, kind, step, detail) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT DO NOTHING",
            )
            .bind(resize_id)
            .bind(signed(line.seq))
            .bind(line.at.as_microsecond())
            .bind(line.kind.name())
            .bind(&line.step)
            .bind(&line.detail)
            .execute(&mut *connection)
            .await?;
        }
        commit(connection).await
    }

    async fn get(&self, resize_id: &str) -> Result<Option<Record>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        get(&mut connection, resize_id).await
    }

    async fn list(
        &self,
        instance_id: Option<&str>,
        active_only: bool,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let statement = match (instance_id, active_only) {
            (Some(_), true) => {
                "SELECT format, document FROM resizes WHERE instance_id = $1 AND finished_at IS NULL
                 ORDER BY sequence DESC LIMIT $2"
            }
            (Some(_), false) => {
                "SELECT format, document FROM resizes WHERE instance_id = $1 ORDER BY sequence DESC LIMIT $2"
            }
            (None, true) => {
                "SELECT format, document FROM resizes WHERE finished_at IS NULL AND $1 = ''
                 ORDER BY sequence DESC LIMIT $2"
            }
            (None, false) => {
                "SELECT format, document FROM resizes WHERE $1 = '' ORDER BY sequence DESC LIMIT $2"
            }
        };
        let rows = sqlx::query(statement)
            .bind(instance_id.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(record).collect()
    }

    #[cfg(test)]
    async fn lines(&self, resize_id: &str) -> Result<Vec<Line>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, at, kind, step, detail FROM lines WHERE resize_id = $1 ORDER BY seq",
        )
        .bind(resize_id)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Line {
                    seq: row.try_get::<i64, _>("seq")?.unsigned_abs(),
                    at: time(row.try_get("at")?)?,
                    kind: match row.try_get::<String, _>("kind")?.as_str() {
                        "intent" => super::record::Kind::Intent,
                        _ => super::record::Kind::Result,
                    },
                    step: row.try_get("step")?,
                    detail: row.try_get("detail")?,
                })
            })
            .collect()
    }

    async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError> {
        recent(&mut *self.pool.acquire().await?, since).await
    }

    async fn decisions(&self) -> Result<Option<String>, StoreError> {
        self.decided(&mut *self.pool.acquire().await?).await
    }

    fn keeps_decisions(&self) -> bool {
        matches!(self.hold, Hold::Session(_))
    }

    async fn decide(&self, document: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO decisions (id, document) VALUES (1, $1)
             ON CONFLICT (id) DO UPDATE SET document = excluded.document",
        )
        .bind(document)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn fence(&self) -> Result<u64, StoreError> {
        let mut connection = self.pool.acquire().await?;
        highest_epoch(&mut connection).await
    }

    async fn note_refused(&self, new: &Refused) -> Result<(), StoreError> {
        let document =
            serde_json::to_string(new).map_err(|error| StoreError::Damaged(chain(&error)))?;
        let mut connection = self.begin().await?;
        let old = new
            .at
            .saturating_sub(refused::KEPT)
            .unwrap_or(Timestamp::MIN);
        sqlx::query("DELETE FROM refusals WHERE at < $1")
            .bind(old.as_microsecond())
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT INTO refusals (instance_id, target, at, document) VALUES ($1, $2, $3, $4)
             ON CONFLICT (instance_id, target) DO UPDATE SET at = excluded.at, document = excluded.document",
        )
        .bind(&new.instance_id)
        .bind(&new.target)
        .bind(new.at.as_microsecond())
        .bind(document)
        .execute(&mut *connection)
        .await?;
        commit(connection).await
    }

    async fn refused(&self) -> Result<Vec<Refused>, StoreError> {
        let rows = sqlx::query("SELECT document FROM refusals ORDER BY at, instance_id, target")
            .fetch_all(&self.pool)
            .await?;
        // One that can't be read is one that is forgotten: EC2 will say it again.
        let read = |row: &AnyRow| serde_json::from_str(row.try_get("document").ok()?).ok();
        Ok(rows.iter().filter_map(read).collect())
    }

    async fn forget_refused(
        &self,
        instance_id: Option<&str>,
        target: Option<&str>,
    ) -> Result<u64, StoreError> {
        let gone = sqlx::query(
            "DELETE FROM refusals WHERE ($1 = '' OR instance_id = $1) AND ($2 = '' OR target = $2)",
        )
        .bind(instance_id.unwrap_or_default())
        .bind(target.unwrap_or_default())
        .execute(&self.pool)
        .await?;
        Ok(gone.rows_affected())
    }

    async fn forget(&self, ended_before: Timestamp) -> Result<u64, StoreError> {
        let gone = sqlx::query(
            "DELETE FROM resizes WHERE resize_id IN
                 (SELECT resize_id FROM resizes WHERE finished_at < $1 LIMIT $2)",
        )
        .bind(ended_before.as_microsecond())
        .bind(FORGET_AT_ONCE)
        .execute(&self.pool)
        .await?;
        Ok(gone.rows_affected())
    }

    async fn displaced(&self) -> Option<String> {
        match &self.hold {
            Hold::Files {
                watched: Some(watched),
                ..
            } => watched.displaced().await,
            Hold::Nothing | Hold::Files { .. } | Hold::Session(_) => None,
        }
    }

    async fn is_ours(&self) -> bool {
        match &self.hold {
            Hold::Nothing | Hold::Files { .. } => true,
            // The lock lives and dies with its session.
            Hold::Session(session) => session.lock().await.ping().await.is_ok(),
        }
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
impl SqlStore {
    pub(crate) async fn execute(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
    }

    pub(super) async fn pragma(&self, name: &str) -> String {
        let statement =
            sqlx::AssertSqlSafe(format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"));
        let row = sqlx::query(statement).fetch_one(&self.pool).await.unwrap();
        row.try_get(0).unwrap()
    }
}
