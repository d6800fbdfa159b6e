//! What is remembered of one target: cooldowns and the action under way.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{StoreError, fleet, rows};
use crate::{
    decide::{
        input::{PendingAction, State},
        verdict::Verdict,
    },
    fleet::{
        cooldown::{Cooldowns, LastEnd},
        direction::Direction,
    },
};

/// Everything that a decision about `target_id` on `instance_id` depends on.
pub async fn state(
    connection: &mut SqliteConnection,
    target_id: &str,
    instance_id: &str,
    now: Timestamp,
) -> Result<State, StoreError> {
    Ok(State {
        pending: pending(&mut *connection, target_id, instance_id).await?,
        pauses: fleet::pauses_in_force(&mut *connection, [target_id, instance_id], now).await?,
        cooldowns: cooldowns(connection, target_id).await?,
    })
}

/// The action that has not ended, of this target or of another that names the same instance.
async fn pending(
    connection: &mut SqliteConnection,
    target_id: &str,
    instance_id: &str,
) -> Result<Option<PendingAction>, StoreError> {
    let row = sqlx::query(
        "SELECT decision_id, target_id, from_instance_type, verdict, decided_at FROM decisions
         WHERE pending = 1 AND (target_id = ?1 OR instance_id = ?2)
         ORDER BY target_id = ?1 DESC, sequence LIMIT 1",
    )
    .bind(target_id)
    .bind(instance_id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let verdict: Verdict = rows::document(&row.try_get::<String, _>("verdict")?)?;
    Ok(Some(PendingAction {
        decision_id: row.try_get("decision_id")?,
        target_id: row.try_get("target_id")?,
        action: verdict.action,
        from_instance_type: row.try_get("from_instance_type")?,
        to_instance_type: verdict.to_instance_type,
        decided_at: rows::time(row.try_get("decided_at")?)?,
    }))
}

/// How its last resizes ended.
pub async fn cooldowns(
    connection: &mut SqliteConnection,
    target_id: &str,
) -> Result<Cooldowns, StoreError> {
    let found =
        sqlx::query("SELECT direction, ended_at, failures FROM cooldowns WHERE target_id = ?1")
            .bind(target_id)
            .fetch_all(connection)
            .await?;
    let mut cooldowns = Cooldowns::default();
    for row in found {
        let direction: Direction = rows::name(&row.try_get::<String, _>("direction")?)?;
        *cooldowns.get_mut(direction) = Some(LastEnd {
            ended_at: rows::time(row.try_get("ended_at")?)?,
            failures: rows::unsigned(row.try_get("failures")?)?,
            timer_running: false,
        });
    }
    Ok(cooldowns)
}

/// The targets with a resize that ended after `since`.
pub async fn ended_since(
    connection: &mut SqliteConnection,
    since: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let found = sqlx::query("SELECT DISTINCT target_id FROM cooldowns WHERE ended_at > ?1")
        .bind(since.as_microsecond())
        .fetch_all(connection)
        .await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Writes both directions.
pub async fn set_cooldowns(
    connection: &mut SqliteConnection,
    target_id: &str,
    cooldowns: &Cooldowns,
) -> Result<(), StoreError> {
    for direction in Direction::ALL {
        let Some(end) = cooldowns.get(direction) else {
            continue;
        };
        sqlx::query(
            "INSERT INTO cooldowns (target_id, direction, ended_at, failures) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (target_id, direction)
             DO UPDATE SET ended_at = excluded.ended_at, failures = excluded.failures",
        )
        .bind(target_id)
        .bind(direction.name())
        .bind(end.ended_at.as_microsecond())
        .bind(i64::from(end.failures))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// When its last actions that touched the machine ended, newest first, at most 10.
pub async fn recent_resizes(
    connection: &mut SqliteConnection,
    target_id: &str,
) -> Result<Vec<Timestamp>, StoreError> {
    let found = sqlx::query(
        "SELECT outcome_at FROM decisions
         WHERE target_id = ?1 AND outcome IN ('succeeded', 'rolled_back', 'fell_back')
         ORDER BY sequence DESC LIMIT 10",
    )
    .bind(target_id)
    .fetch_all(connection)
    .await?;
    found
        .iter()
        .map(|row| rows::time(row.try_get(0)?))
        .collect()
}
