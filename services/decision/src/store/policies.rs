//! Policies that decided, and the one that ApplyPolicy put in force.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{StoreError, rows};
use crate::policy::Policy;

/// A policy that was applied over gRPC.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Under which it is stored: a later release may compute another one for the same document.
    pub version: String,
    /// The policy.
    pub policy: Policy,
    /// Since when.
    pub at: Timestamp,
}

/// The policy of the newest ApplyPolicy.
pub async fn applied(connection: &mut SqliteConnection) -> Result<Option<Applied>, StoreError> {
    let row = sqlx::query(
        "SELECT version, document, applied_at FROM policy_applications JOIN policies USING (version)
         ORDER BY sequence DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Applied {
        version: row.try_get("version")?,
        policy: rows::document(&row.try_get::<String, _>("document")?)?,
        at: rows::time(row.try_get("applied_at")?)?,
    }))
}

/// Keeps a policy for as long as decisions refer to it.
pub async fn remember(
    connection: &mut SqliteConnection,
    version: &str,
    policy: &Policy,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO policies (version, document, first_used) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )
    .bind(version)
    .bind(rows::json(policy)?)
    .bind(now.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts a remembered policy in force.
pub async fn apply(
    connection: &mut SqliteConnection,
    version: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO policy_applications (version, applied_at) VALUES (?1, ?2)")
        .bind(version)
        .bind(now.as_microsecond())
        .execute(connection)
        .await?;
    Ok(())
}
