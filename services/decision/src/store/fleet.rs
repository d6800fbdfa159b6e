//! Pauses and leases.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{StoreError, rows};
use crate::{
    input::{Pause, PauseDirection},
    lease::Lease,
};

fn direction_name(direction: PauseDirection) -> &'static str {
    match direction {
        PauseDirection::Both => "both",
        PauseDirection::Up => "up",
        PauseDirection::Down => "down",
    }
}

/// The pauses in force at `now` for a target and for the fleet, the fleet's first; without a target those of everybody.
pub async fn pauses_in_force(
    connection: &mut SqliteConnection,
    target_id: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Pause>, StoreError> {
    let found = sqlx::query(
        "SELECT target_id, direction, reason, since, until FROM pauses
         WHERE (?1 IS NULL OR target_id IN ('', ?1)) AND (until IS NULL OR until > ?2)
         ORDER BY target_id, direction",
    )
    .bind(target_id)
    .bind(now.as_microsecond())
    .fetch_all(connection)
    .await?;
    found
        .iter()
        .map(|row| {
            let until: Option<i64> = row.try_get("until")?;
            Ok(Pause {
                target_id: row.try_get("target_id")?,
                direction: rows::name(&row.try_get::<String, _>("direction")?)?,
                reason: row.try_get("reason")?,
                since: rows::time(row.try_get("since")?)?,
                until: until.map(rows::time).transpose()?,
            })
        })
        .collect()
}

/// Sets a pause; one of the same target and direction gives way to it.
pub async fn set_pause(connection: &mut SqliteConnection, pause: &Pause) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO pauses (target_id, direction, reason, since, until) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (target_id, direction)
         DO UPDATE SET reason = excluded.reason, since = excluded.since, until = excluded.until",
    )
    .bind(&pause.target_id)
    .bind(direction_name(pause.direction))
    .bind(&pause.reason)
    .bind(pause.since.as_microsecond())
    .bind(pause.until.map(Timestamp::as_microsecond))
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
