//! Runs in the database.

use jiff::Timestamp;
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{
    decide::{
        record::Decision,
        run::{Run, Tail, tail_of},
    },
    store::{
        HOLDS_KEPT_WHOLE, RUNS_SEARCHED,
        error::StoreError,
        sql::{
            connection::Connection,
            documents,
            rows::{self, decision_columns},
        },
    },
};

/// The columns of [`run`], for every query that reads one.
macro_rules! run_columns {
    () => {
        "tail, extremes, moments"
    };
}

impl Connection {
    /// A decision that is kept whole.
    pub(super) async fn whole(
        &mut self,
        decision_id: &str,
    ) -> Result<Option<Decision>, StoreError> {
        let row = sqlx::query(concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decisions WHERE decision_id = ?1"
        ))
        .bind(decision_id)
        .fetch_optional(&mut *self.0)
        .await?;
        row.as_ref().map(rows::decision).transpose()
    }

    /// The run with the hold of an id.
    pub(super) async fn run_with(
        &mut self,
        decision_id: &str,
    ) -> Result<Option<(Run, Decision)>, StoreError> {
        let Some(tail) = tail_of(decision_id) else {
            return Ok(None);
        };
        let found = sqlx::query(concat!(
            "SELECT ",
            run_columns!(),
            " FROM runs WHERE tail = ?1"
        ))
        .bind(tail.as_slice())
        .fetch_all(&mut *self.0)
        .await?;
        for row in &found {
            let run = run(row)?;
            if run.at_id(decision_id).is_some() {
                return self.with_newest(run).await;
            }
        }
        Ok(None)
    }

    /// The run that a target's newest decision is in.
    pub(super) async fn run_under_way(
        &mut self,
        target_id: &str,
    ) -> Result<Option<(Run, Decision)>, StoreError> {
        let row = sqlx::query(concat!(
            "SELECT ",
            run_columns!(),
            ", ",
            decision_columns!(),
            " FROM decisions JOIN runs ON newest = sequence
             WHERE sequence = (SELECT max(sequence) FROM decisions WHERE target_id = ?1)"
        ))
        .bind(target_id)
        .fetch_optional(&mut *self.0)
        .await?;
        let both = row.map(|row| Ok((run(&row)?, rows::decision(&row)?)));
        both.transpose()
    }

    /// The hold of a tick that is not kept whole.
    pub(super) async fn merged_of_tick(
        &mut self,
        tick_id: &str,
        target_id: &str,
    ) -> Result<Option<Decision>, StoreError> {
        let found = sqlx::query(concat!(
            "SELECT ",
            run_columns!(),
            " FROM runs WHERE target = ?1 AND holds > ?2 ORDER BY newest DESC LIMIT ?3"
        ))
        .bind(target_id)
        .bind(HOLDS_KEPT_WHOLE as i64)
        .bind(RUNS_SEARCHED)
        .fetch_all(&mut *self.0)
        .await?;
        for row in &found {
            let run = run(row)?;
            let Some(id) = run.of_tick(tick_id) else {
                continue;
            };
            let found = self.with_newest(run).await?;
            let merged = found.and_then(|(run, newest)| run.merged(&id, &newest));
            return Ok(merged.map(|merged| Decision {
                tick_id: tick_id.to_owned(),
                ..merged
            }));
        }
        Ok(None)
    }

    /// The id of the decision about a target that was the newest at a time.
    pub(super) async fn newest_id_at(
        &mut self,
        target_id: &str,
        at: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(concat!(
            "SELECT decision_id, ",
            run_columns!(),
            " FROM decisions LEFT JOIN runs ON first = sequence
             WHERE target_id = ?1 AND decided_at <= ?2 ORDER BY sequence DESC LIMIT 1"
        ))
        .bind(target_id)
        .bind(at.as_microsecond())
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let within = match row.try_get::<Option<Vec<u8>>, _>("tail")? {
            Some(_) => run(&row)?.at(at),
            None => None,
        };
        match within {
            Some(id) => Ok(Some(id)),
            None => Ok(Some(row.try_get("decision_id")?)),
        }
    }

    /// Writes a run of which the newest hold has a place in the table of decisions.
    pub(super) async fn keep_run(
        &mut self,
        run: &Run,
        target_id: &str,
        newest: i64,
    ) -> Result<(), StoreError> {
        let place = sqlx::query(
            "SELECT sequence, newest FROM decisions LEFT JOIN runs ON first = sequence WHERE decision_id = ?1",
        )
        .bind(run.first_id())
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(place) = place else {
            return Err(StoreError::Damaged(
                "a run has lost its first hold".to_owned(),
            ));
        };
        let first: i64 = place.try_get("sequence")?;
        let before: Option<i64> = place.try_get("newest")?;
        sqlx::query(
            "INSERT INTO runs (first, newest, target, tail, holds, extremes, moments) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (first) DO UPDATE SET newest = excluded.newest, holds = excluded.holds,
                 extremes = excluded.extremes, moments = excluded.moments",
        )
        .bind(first)
        .bind(newest)
        .bind(target_id)
        .bind(run.tail.as_slice())
        .bind(run.count() as i64)
        .bind(documents::write(&run.extremes)?)
        .bind(run.packed())
        .execute(&mut *self.0)
        .await?;
        if let Some(before) = before.filter(|before| *before != first) {
            sqlx::query("DELETE FROM decisions WHERE sequence = ?1")
                .bind(before)
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }

    async fn with_newest(&mut self, run: Run) -> Result<Option<(Run, Decision)>, StoreError> {
        let newest = self.whole(&run.newest_id()).await?;
        Ok(newest.map(|newest| (run, newest)))
    }
}

fn run(row: &SqliteRow) -> Result<Run, StoreError> {
    let damaged = || StoreError::Damaged("a run of holds can't be read".to_owned());
    let tail: Vec<u8> = row.try_get("tail")?;
    let tail = Tail::try_from(tail).map_err(|_| damaged())?;
    let extremes = documents::read(&row.try_get::<String, _>("extremes")?)?;
    let moments: Vec<u8> = row.try_get("moments")?;
    Run::unpacked(tail, extremes, &moments).ok_or_else(damaged)
}
