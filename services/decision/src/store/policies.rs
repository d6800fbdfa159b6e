//! Policies that decided, and the one that ApplyPolicy put in force.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{StoreError, rows};
use crate::policy::document::Policy;

/// Of the newest calls of ApplyPolicy.
const APPLICATIONS_KEPT: i64 = 100;

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

/// How many policies are kept.
pub async fn count(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM policies")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// Forgets what was applied long ago, and the policies that neither a decision nor what is left refers to.
pub async fn forget_unused(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM policy_applications
         WHERE sequence <= (SELECT max(sequence) FROM policy_applications) - ?1",
    )
    .bind(APPLICATIONS_KEPT)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM policies
         WHERE NOT EXISTS (SELECT 1 FROM decisions WHERE policy_version = version)
           AND NOT EXISTS (SELECT 1 FROM policy_applications AS kept WHERE kept.version = policies.version)",
    )
    .execute(connection)
    .await?;
    Ok(())
}
