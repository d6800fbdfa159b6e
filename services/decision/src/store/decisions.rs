//! Decisions and their ends.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{
    StoreError,
    rows::{self, decision_columns},
};
use crate::{
    decide::{
        input::{Input, State},
        record::Decision,
    },
    fleet::outcome::End,
    policy::document::Policy,
};

/// A decision with all that it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// What was decided.
    pub decision: Decision,
    /// From what.
    pub input: Input,
    /// And from what was remembered.
    pub state: State,
    /// Under which policy.
    pub policy: Policy,
}

/// Which decisions to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one target only.
    pub target_id: Option<String>,
    /// Only those whose action has not ended.
    pub pending_only: bool,
    /// Leaves out Hold.
    pub actions_only: bool,
    /// Only those before this place, as a page before said.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

/// Some decisions, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The decisions.
    pub decisions: Vec<Decision>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<i64>,
}

/// Writes a new decision.
pub async fn insert(connection: &mut SqliteConnection, stored: &Stored) -> Result<(), StoreError> {
    let Stored {
        decision,
        input,
        state,
        policy: _,
    } = stored;
    sqlx::query(
        "INSERT INTO decisions (decision_id, tick_id, target_id, instance_id, decided_at, action, from_instance_type,
             verdict, dry_run, policy_version, input_digest, lease_epoch, input, state, pending)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )
    .bind(&decision.decision_id)
    .bind(&decision.tick_id)
    .bind(&decision.target_id)
    .bind(&decision.instance_id)
    .bind(decision.decided_at.as_microsecond())
    .bind(decision.verdict.action.name())
    .bind(&decision.from_instance_type)
    .bind(rows::json(&decision.verdict)?)
    .bind(decision.dry_run)
    .bind(&decision.policy_version)
    .bind(&decision.input_digest)
    .bind(rows::signed(decision.lease_epoch))
    .bind(rows::json(input)?)
    .bind(rows::json(state)?)
    .bind(decision.pending)
    .execute(connection)
    .await?;
    Ok(())
}

/// The decision of a tick for a target.
pub async fn of_tick(
    connection: &mut SqliteConnection,
    tick_id: &str,
    target_id: &str,
) -> Result<Option<Decision>, StoreError> {
    let row = sqlx::query(concat!(
        "SELECT ",
        decision_columns!(),
        " FROM decisions WHERE tick_id = ?1 AND target_id = ?2"
    ))
    .bind(tick_id)
    .bind(target_id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(rows::decision).transpose()
}

/// The type that the machine of `input` should have by all that was decided and reported, when it has another one now:
/// somebody else resized it. `None` for a machine that was not seen before.
pub async fn other_type(
    connection: &mut SqliteConnection,
    input: &Input,
) -> Result<Option<String>, StoreError> {
    if input.instance_type.is_empty() {
        return Ok(None);
    }
    let row = sqlx::query(concat!(
        "SELECT ",
        decision_columns!(),
        " FROM decisions WHERE target_id = ?1 AND from_instance_type <> '' ORDER BY sequence DESC LIMIT 1"
    ))
    .bind(&input.target_id)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(seen_last) = row.as_ref().map(rows::decision).transpose()? else {
        return Ok(None);
    };
    // A resize of ours that ended since then: ticks went by while it was under way, and saw what it was coming from.
    let ended = sqlx::query(concat!(
        "SELECT ",
        decision_columns!(),
        " FROM decisions WHERE target_id = ?1 AND outcome_at >= ?2 ORDER BY outcome_at DESC"
    ))
    .bind(&input.target_id)
    .bind(seen_last.decided_at.as_microsecond())
    .fetch_all(connection)
    .await?;
    let mut last = seen_last;
    for row in &ended {
        let decision = rows::decision(row)?;
        let touched = |end: &End| end.outcome.touched_the_machine();
        if decision.end.as_ref().is_some_and(touched) {
            last = decision;
            break;
        }
    }
    let expected = last.instance_type_after();
    Ok(expected
        .filter(|expected| {
            last.instance_id == input.instance_id && *expected != input.instance_type
        })
        .map(str::to_owned))
}

/// One decision.
pub async fn get(
    connection: &mut SqliteConnection,
    decision_id: &str,
) -> Result<Option<Decision>, StoreError> {
    let row = sqlx::query(concat!(
        "SELECT ",
        decision_columns!(),
        " FROM decisions WHERE decision_id = ?1"
    ))
    .bind(decision_id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(rows::decision).transpose()
}

/// One decision with its inputs.
pub async fn get_stored(
    connection: &mut SqliteConnection,
    decision_id: &str,
) -> Result<Option<Stored>, StoreError> {
    let Some(decision) = get(&mut *connection, decision_id).await? else {
        return Ok(None);
    };
    let row = sqlx::query(
        "SELECT input, state, document
         FROM decisions JOIN policies ON policies.version = decisions.policy_version
         WHERE decision_id = ?1",
    )
    .bind(decision_id)
    .fetch_one(connection)
    .await?;
    Ok(Some(Stored {
        decision,
        input: rows::document(&row.try_get::<String, _>("input")?)?,
        state: rows::document(&row.try_get::<String, _>("state")?)?,
        policy: rows::document(&row.try_get::<String, _>("document")?)?,
    }))
}

/// A page of decisions, newest first: by the order in which they were made, not by their times.
pub async fn list(connection: &mut SqliteConnection, filter: &Filter) -> Result<Page, StoreError> {
    // Without a target the plan must not go through an index of targets; with one it must.
    let statement = match (&filter.target_id, filter.pending_only) {
        (_, true) => concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decisions WHERE pending = 1 AND (?1 IS NULL OR target_id = ?1) AND sequence < ?2
               AND (?3 = 0 OR action <> 'hold') ORDER BY sequence DESC LIMIT ?4"
        ),
        (Some(_), false) => concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decisions WHERE target_id = ?1 AND sequence < ?2
               AND (?3 = 0 OR action <> 'hold') ORDER BY sequence DESC LIMIT ?4"
        ),
        (None, false) if filter.actions_only => concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decisions WHERE ?1 IS NULL AND ?3 = 1 AND action <> 'hold' AND sequence < ?2
               ORDER BY sequence DESC LIMIT ?4"
        ),
        (None, false) => concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decisions WHERE ?1 IS NULL AND ?3 = 0 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?4"
        ),
    };
    let mut found = sqlx::query(statement)
        .bind(&filter.target_id)
        .bind(filter.before.unwrap_or(i64::MAX))
        .bind(filter.actions_only)
        // One more than asked for says whether there is another page.
        .bind(i64::from(filter.limit) + 1)
        .fetch_all(connection)
        .await?;
    let more = found.len() > filter.limit as usize;
    found.truncate(filter.limit as usize);
    let next = match found.last() {
        Some(last) if more => Some(last.try_get("sequence")?),
        _ => None,
    };
    Ok(Page {
        decisions: found.iter().map(rows::decision).collect::<Result<_, _>>()?,
        next,
    })
}

/// Records how an action ended.
pub async fn end(
    connection: &mut SqliteConnection,
    decision_id: &str,
    end: &End,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE decisions SET pending = 0, outcome = ?2, outcome_instance_type = ?3, outcome_detail = ?4,
             outcome_at = ?5
         WHERE decision_id = ?1 AND outcome IS NULL",
    )
    .bind(decision_id)
    .bind(end.outcome.name())
    .bind(&end.instance_type)
    .bind(&end.detail)
    .bind(end.at.as_microsecond())
    .execute(connection)
    .await?;
    Ok(())
}

/// How many actions have not ended.
pub async fn count_pending(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM decisions WHERE pending = 1")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// Deletes at most `limit` ended decisions: those to hold from before `holds_before`, those to act from before
/// `actions_before`. Returns how many.
pub async fn delete_old(
    connection: &mut SqliteConnection,
    holds_before: Timestamp,
    actions_before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM decisions WHERE sequence IN (
             SELECT sequence FROM decisions
             WHERE pending = 0 AND decided_at < ?1 AND (action = 'hold' OR decided_at < ?2)
             LIMIT ?3)",
    )
    .bind(holds_before.as_microsecond())
    .bind(actions_before.as_microsecond())
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// When the newest decision was made.
pub async fn newest(connection: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query("SELECT decided_at FROM decisions ORDER BY sequence DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    match row {
        Some(row) => Ok(Some(rows::time(row.try_get(0)?)?)),
        None => Ok(None),
    }
}
