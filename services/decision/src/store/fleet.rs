//! Pauses and leases.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{StoreError, rows};
use crate::fleet::{
    lease::{FLEET, Lease},
    pause::{Pause, PauseDirection},
};

fn direction_name(direction: PauseDirection) -> &'static str {
    match direction {
        PauseDirection::Both => "both",
        PauseDirection::Up => "up",
        PauseDirection::Down => "down",
    }
}

/// The pauses in force at `now` of the fleet and of whatever bears one of two names, the fleet's first.
pub async fn pauses_in_force(
    connection: &mut SqliteConnection,
    names: [&str; 2],
    now: Timestamp,
) -> Result<Vec<Pause>, StoreError> {
    let found = sqlx::query(
        "SELECT target_id, direction, reason, by_whom, since, until FROM pauses
         WHERE target_id IN ('', ?1, ?2) AND (until IS NULL OR until > ?3)
         ORDER BY target_id, direction",
    )
    .bind(names[0])
    .bind(names[1])
    .bind(now.as_microsecond())
    .fetch_all(connection)
    .await?;
    found.iter().map(pause).collect()
}

/// The pauses in force at `now` of everybody whose name comes after `after`, by name; at most `limit`.
pub async fn pauses_after(
    connection: &mut SqliteConnection,
    after: Option<&str>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Pause>, StoreError> {
    let found = sqlx::query(
        "SELECT target_id, direction, reason, by_whom, since, until FROM pauses
         WHERE (?1 IS NULL OR target_id > ?1) AND (until IS NULL OR until > ?2)
         ORDER BY target_id, direction LIMIT ?3",
    )
    .bind(after)
    .bind(now.as_microsecond())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    found.iter().map(pause).collect()
}

/// How many are in force at `now`.
pub async fn count_pauses(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM pauses WHERE until IS NULL OR until > ?1")
        .bind(now.as_microsecond())
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

fn pause(row: &SqliteRow) -> Result<Pause, StoreError> {
    let until: Option<i64> = row.try_get("until")?;
    Ok(Pause {
        target_id: row.try_get("target_id")?,
        direction: rows::name(&row.try_get::<String, _>("direction")?)?,
        reason: row.try_get("reason")?,
        by: row.try_get("by_whom")?,
        since: rows::time(row.try_get("since")?)?,
        until: until.map(rows::time).transpose()?,
    })
}

/// True for the fleet, a target that was decided about, and an instance that was: those may always be paused.
pub async fn is_known(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    if name.is_empty() {
        return Ok(true);
    }
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM decisions WHERE target_id = ?1)
             OR EXISTS (SELECT 1 FROM cooldowns WHERE target_id = ?1)
             OR EXISTS (SELECT 1 FROM pauses WHERE target_id = ?1)",
    )
    .bind(name)
    .fetch_one(connection)
    .await?;
    Ok(row.try_get(0)?)
}

/// Forgets pauses that have ended, and counts those whose name no decision bears.
pub async fn count_unknown_pauses(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<i64, StoreError> {
    sqlx::query("DELETE FROM pauses WHERE until <= ?1")
        .bind(now.as_microsecond())
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query(
        "SELECT count(*) FROM pauses WHERE target_id <> ''
             AND NOT EXISTS (SELECT 1 FROM decisions WHERE decisions.target_id = pauses.target_id)",
    )
    .fetch_one(connection)
    .await?;
    Ok(row.try_get(0)?)
}

/// Sets a pause; the one that its target had gives way to it.
pub async fn set_pause(connection: &mut SqliteConnection, pause: &Pause) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM pauses WHERE target_id = ?1")
        .bind(&pause.target_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO pauses (target_id, direction, reason, since, until, by_whom) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(&pause.target_id)
    .bind(direction_name(pause.direction))
    .bind(&pause.reason)
    .bind(pause.since.as_microsecond())
    .bind(pause.until.map(Timestamp::as_microsecond))
    .bind(&pause.by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes back every pause of a target, or with an empty id the fleet's. Says whether one was in force.
pub async fn resume(
    connection: &mut SqliteConnection,
    target_id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let in_force = sqlx::query(
        "SELECT count(*) FROM pauses WHERE target_id = ?1 AND (until IS NULL OR until > ?2)",
    )
    .bind(target_id)
    .bind(now.as_microsecond())
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM pauses WHERE target_id = ?1")
        .bind(target_id)
        .execute(connection)
        .await?;
    Ok(in_force.try_get::<i64, _>(0)? > 0)
}

/// The lease of a resource.
pub async fn lease(
    connection: &mut SqliteConnection,
    resource: &str,
) -> Result<Option<Lease>, StoreError> {
    let row = sqlx::query(
        "SELECT resource, holder, epoch, expires_at, ttl_seconds FROM leases WHERE resource = ?1",
    )
    .bind(resource)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Lease {
        resource: row.try_get("resource")?,
        holder: row.try_get("holder")?,
        epoch: rows::unsigned(row.try_get("epoch")?)?,
        expires_at: rows::time(row.try_get("expires_at")?)?,
        ttl_seconds: rows::unsigned(row.try_get("ttl_seconds")?)?,
    }))
}

/// Writes a lease. The epoch in the table never falls, whatever is asked.
pub async fn set_lease(connection: &mut SqliteConnection, lease: &Lease) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO leases (resource, holder, epoch, expires_at, ttl_seconds) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (resource) DO UPDATE SET holder = excluded.holder, epoch = max(epoch, excluded.epoch),
             expires_at = excluded.expires_at, ttl_seconds = excluded.ttl_seconds",
    )
    .bind(&lease.resource)
    .bind(&lease.holder)
    .bind(rows::signed(lease.epoch))
    .bind(lease.expires_at.as_microsecond())
    .bind(i64::from(lease.ttl_seconds))
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a lease, and with it the epoch below which the table would not go.
pub async fn forget_lease(
    connection: &mut SqliteConnection,
    resource: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM leases WHERE resource = ?1")
        .bind(resource)
        .execute(connection)
        .await?;
    Ok(())
}

/// With at least `limit` leases beside the fleet's, forgets those that nobody has held since `unused_since`. Returns how
/// many are left.
pub async fn make_room(
    connection: &mut SqliteConnection,
    unused_since: Timestamp,
    limit: i64,
) -> Result<i64, StoreError> {
    let count = async |connection: &mut SqliteConnection| {
        let row = sqlx::query("SELECT count(*) FROM leases WHERE resource <> ?1")
            .bind(FLEET)
            .fetch_one(connection)
            .await?;
        Ok::<i64, StoreError>(row.try_get(0)?)
    };
    let before = count(connection).await?;
    if before < limit {
        return Ok(before);
    }
    sqlx::query("DELETE FROM leases WHERE resource <> ?1 AND expires_at < ?2")
        .bind(FLEET)
        .bind(unused_since.as_microsecond())
        .execute(&mut *connection)
        .await?;
    count(connection).await
}
