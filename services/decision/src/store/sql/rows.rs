//! Values as the tables keep them.

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{
    decide::{
        input::{Input, State},
        record::Decision,
        verdict::{Action, Verdict},
    },
    fleet::{outcome::End, pause::Pause, resizes::Resize},
    store::{
        error::StoreError,
        sql::{documents, packing},
    },
};

/// The columns of [`decision`], for every query that reads one.
macro_rules! decision_columns {
    () => {
        "sequence, decision_id, tick_id, target_id, instance_id, decided_at, from_instance_type, verdict, dry_run, \
         policy_version, input_digest, lease_epoch, packed, pending, outcome, outcome_instance_type, outcome_detail, outcome_at"
    };
}
pub(super) use decision_columns;

pub(super) fn decision(row: &SqliteRow) -> Result<Decision, StoreError> {
    let outcome: Option<String> = row.try_get("outcome")?;
    let end = match outcome {
        None => None,
        Some(outcome) => Some(End {
            outcome: name(&outcome)?,
            instance_type: text(row, "outcome_instance_type")?,
            detail: text(row, "outcome_detail")?,
            at: time(row.try_get("outcome_at")?)?,
        }),
    };
    Ok(Decision {
        decision_id: row.try_get("decision_id")?,
        tick_id: row.try_get("tick_id")?,
        target_id: row.try_get("target_id")?,
        instance_id: row.try_get("instance_id")?,
        decided_at: time(row.try_get("decided_at")?)?,
        from_instance_type: row.try_get("from_instance_type")?,
        verdict: verdict(row)?,
        dry_run: row.try_get("dry_run")?,
        policy_version: row.try_get("policy_version")?,
        input_digest: row.try_get("input_digest")?,
        lease_epoch: unsigned(row.try_get("lease_epoch")?)?,
        pending: row.try_get("pending")?,
        end,
    })
}

/// The resize that a decision led to; `None` for a hold.
pub(super) fn resize(row: &SqliteRow) -> Result<Option<Resize>, StoreError> {
    let action: Action = name(&row.try_get::<String, _>("action")?)?;
    let Some(direction) = action.direction() else {
        return Ok(None);
    };
    Ok(Some(Resize {
        direction,
        began_at: time(row.try_get("decided_at")?)?,
        ended_at: time(row.try_get("outcome_at")?)?,
        outcome: name(&row.try_get::<String, _>("outcome")?)?,
    }))
}

/// The columns `verdict` and `packed`.
pub(super) fn verdict(row: &SqliteRow) -> Result<Verdict, StoreError> {
    #[derive(Deserialize)]
    struct Said {
        verdict: Verdict,
    }
    match packing::unpack::<Said>(row)? {
        Some(said) => Ok(said.verdict),
        None => documents::read(&row.try_get::<String, _>("verdict")?),
    }
}

/// The columns `input`, `state` and `packed`.
pub(super) fn made_from(row: &SqliteRow) -> Result<(Input, State), StoreError> {
    #[derive(Deserialize)]
    struct MadeFrom {
        input: Input,
        state: State,
    }
    match packing::unpack::<MadeFrom>(row)? {
        Some(made_from) => Ok((made_from.input, made_from.state)),
        None => Ok((
            documents::read(&row.try_get::<String, _>("input")?)?,
            documents::read(&row.try_get::<String, _>("state")?)?,
        )),
    }
}

pub(super) fn pause(row: &SqliteRow) -> Result<Pause, StoreError> {
    let until: Option<i64> = row.try_get("until")?;
    Ok(Pause {
        target_id: row.try_get("target_id")?,
        direction: name(&row.try_get::<String, _>("direction")?)?,
        reason: row.try_get("reason")?,
        by: row.try_get("by_whom")?,
        since: time(row.try_get("since")?)?,
        until: until.map(time).transpose()?,
    })
}

fn text(row: &SqliteRow, column: &str) -> Result<String, StoreError> {
    Ok(row
        .try_get::<Option<String>, _>(column)?
        .unwrap_or_default())
}

pub(super) fn time(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|_| StoreError::Damaged(format!("{microseconds} is no time")))
}

pub(super) fn unsigned<T: TryFrom<i64>>(value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Damaged(format!("{value} is out of range")))
}

/// Epochs fit: requests with larger ones are refused.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An enum by its stored name.
pub(super) fn name<T: DeserializeOwned>(name: &str) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(name.to_owned()))
        .map_err(|_| StoreError::Damaged(format!("{name:?} is no name that this version knows")))
}
