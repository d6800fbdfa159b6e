//! Questions to the database.

use async_trait::async_trait;
use jiff::Timestamp;
use sizing::review::Review;
use sqlx::Row as _;

use crate::{
    decide::{
        guide::Guide,
        input::PendingAction,
        record::{Decision, Stored},
        run::Run,
    },
    fleet::{
        cooldown::{Cooldowns, LastEnd},
        direction::Direction,
        lease::{FLEET, Lease},
        pause::Pause,
        resizes::Resize,
    },
    policy::document::Strategy,
    store::{
        Applied, Filter, Page, View,
        error::StoreError,
        sql::{
            connection::Connection,
            documents,
            rows::{self, decision_columns},
        },
    },
};

#[async_trait]
impl View for Connection {
    async fn decision(&mut self, decision_id: &str) -> Result<Option<Decision>, StoreError> {
        if let Some(whole) = self.whole(decision_id).await? {
            return Ok(Some(whole));
        }
        let run = self.run_with(decision_id).await?;
        Ok(run.and_then(|(run, newest)| run.merged(decision_id, &newest)))
    }

    async fn decision_of_tick(
        &mut self,
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
        .fetch_optional(&mut *self.0)
        .await?;
        match row {
            Some(row) => Ok(Some(rows::decision(&row)?)),
            None => self.merged_of_tick(tick_id, target_id).await,
        }
    }

    async fn stored(&mut self, decision_id: &str) -> Result<Option<Stored>, StoreError> {
        let Some(decision) = self.whole(decision_id).await? else {
            return Ok(None);
        };
        let row = sqlx::query(
            "SELECT packed, input, state, document
             FROM decisions JOIN policies ON policies.version = decisions.policy_version
             WHERE decision_id = ?1",
        )
        .bind(decision_id)
        .fetch_one(&mut *self.0)
        .await?;
        let (input, state) = rows::made_from(&row)?;
        Ok(Some(Stored {
            decision,
            input,
            state,
            policy: documents::read(&row.try_get::<String, _>("document")?)?,
        }))
    }

    async fn run_of(&mut self, decision_id: &str) -> Result<Option<(Run, Decision)>, StoreError> {
        self.run_with(decision_id).await
    }

    async fn open_run(&mut self, target_id: &str) -> Result<Option<(Run, Decision)>, StoreError> {
        self.run_under_way(target_id).await
    }

    async fn id_at(
        &mut self,
        target_id: &str,
        at: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        self.newest_id_at(target_id, at).await
    }

    async fn decisions(&mut self, filter: &Filter) -> Result<Page, StoreError> {
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
            .fetch_all(&mut *self.0)
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

    async fn seen_last(&mut self, target_id: &str) -> Result<Option<Decision>, StoreError> {
        let row = sqlx::query(concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decisions WHERE target_id = ?1 AND from_instance_type <> '' ORDER BY sequence DESC LIMIT 1"
        ))
        .bind(target_id)
        .fetch_optional(&mut *self.0)
        .await?;
        row.as_ref().map(rows::decision).transpose()
    }

    async fn ended_since(
        &mut self,
        target_id: &str,
        since: Timestamp,
    ) -> Result<Vec<Decision>, StoreError> {
        let found = sqlx::query(concat!(
            "SELECT ",
            decision_columns!(),
            " FROM decisions WHERE target_id = ?1 AND outcome_at >= ?2 ORDER BY outcome_at DESC"
        ))
        .bind(target_id)
        .bind(since.as_microsecond())
        .fetch_all(&mut *self.0)
        .await?;
        found.iter().map(rows::decision).collect()
    }

    async fn pending_action(
        &mut self,
        target_id: &str,
        instance_id: &str,
    ) -> Result<Option<PendingAction>, StoreError> {
        let row = sqlx::query(
            "SELECT decision_id, target_id, from_instance_type, verdict, packed, decided_at FROM decisions
             WHERE pending = 1 AND (target_id = ?1 OR instance_id = ?2)
             ORDER BY target_id = ?1 DESC, sequence LIMIT 1",
        )
        .bind(target_id)
        .bind(instance_id)
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let verdict = rows::verdict(&row)?;
        Ok(Some(PendingAction {
            decision_id: row.try_get("decision_id")?,
            target_id: row.try_get("target_id")?,
            action: verdict.action,
            from_instance_type: row.try_get("from_instance_type")?,
            to_instance_type: verdict.to_instance_type,
            decided_at: rows::time(row.try_get("decided_at")?)?,
        }))
    }

    async fn count_pending(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM decisions WHERE pending = 1")
            .fetch_one(&mut *self.0)
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn newest_decision_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT decided_at FROM decisions ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(&mut *self.0)
            .await?;
        match row {
            Some(row) => Ok(Some(rows::time(row.try_get(0)?)?)),
            None => Ok(None),
        }
    }

    async fn resizes(&mut self, target_id: &str, limit: u32) -> Result<Vec<Resize>, StoreError> {
        let found = sqlx::query(
            "SELECT action, decided_at, outcome_at, outcome FROM decisions
             WHERE target_id = ?1 AND action <> 'hold' AND outcome IN ('succeeded', 'rolled_back', 'fell_back')
             ORDER BY sequence DESC LIMIT ?2",
        )
        .bind(target_id)
        .bind(limit)
        .fetch_all(&mut *self.0)
        .await?;
        found
            .iter()
            .filter_map(|row| rows::resize(row).transpose())
            .collect()
    }

    async fn cooldowns(&mut self, target_id: &str) -> Result<Cooldowns, StoreError> {
        let found =
            sqlx::query("SELECT direction, ended_at, failures FROM cooldowns WHERE target_id = ?1")
                .bind(target_id)
                .fetch_all(&mut *self.0)
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

    async fn guide(&mut self, target_id: &str) -> Result<Option<Guide>, StoreError> {
        let row = sqlx::query("SELECT guide FROM reviews WHERE target_id = ?1")
            .bind(target_id)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| documents::read(&row.try_get::<String, _>(0)?))
            .transpose()
    }

    async fn review(&mut self, target_id: &str) -> Result<Option<Review>, StoreError> {
        let row = sqlx::query("SELECT review FROM reviews WHERE target_id = ?1")
            .bind(target_id)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| documents::read(&row.try_get::<String, _>(0)?))
            .transpose()
    }

    async fn targets_rested_since(&mut self, since: Timestamp) -> Result<Vec<String>, StoreError> {
        let found = sqlx::query("SELECT DISTINCT target_id FROM cooldowns WHERE ended_at > ?1")
            .bind(since.as_microsecond())
            .fetch_all(&mut *self.0)
            .await?;
        found.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn default_strategy(&mut self) -> Result<Strategy, StoreError> {
        let row = sqlx::query("SELECT strategy FROM defaults")
            .fetch_optional(&mut *self.0)
            .await?;
        match row {
            Some(row) => rows::name(&row.try_get::<String, _>(0)?),
            None => Ok(Strategy::default()),
        }
    }

    async fn applied_policy(&mut self) -> Result<Option<Applied>, StoreError> {
        let row = sqlx::query(
            "SELECT version, document, applied_at FROM policy_applications JOIN policies USING (version)
             ORDER BY sequence DESC LIMIT 1",
        )
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Applied {
            version: row.try_get("version")?,
            policy: documents::read(&row.try_get::<String, _>("document")?)?,
            at: rows::time(row.try_get("applied_at")?)?,
        }))
    }

    async fn count_policies(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM policies")
            .fetch_one(&mut *self.0)
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn pauses_in_force(
        &mut self,
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
        .fetch_all(&mut *self.0)
        .await?;
        found.iter().map(rows::pause).collect()
    }

    async fn pauses_after(
        &mut self,
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
        .fetch_all(&mut *self.0)
        .await?;
        found.iter().map(rows::pause).collect()
    }

    async fn count_pauses(&mut self, now: Timestamp) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM pauses WHERE until IS NULL OR until > ?1")
            .bind(now.as_microsecond())
            .fetch_one(&mut *self.0)
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn is_known(&mut self, name: &str) -> Result<bool, StoreError> {
        if name.is_empty() {
            return Ok(true);
        }
        let row = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM decisions WHERE target_id = ?1)
                 OR EXISTS (SELECT 1 FROM cooldowns WHERE target_id = ?1)
                 OR EXISTS (SELECT 1 FROM pauses WHERE target_id = ?1)",
        )
        .bind(name)
        .fetch_one(&mut *self.0)
        .await?;
        Ok(row.try_get(0)?)
    }

    async fn lease(&mut self, resource: &str) -> Result<Option<Lease>, StoreError> {
        let row = sqlx::query(
            "SELECT resource, holder, epoch, expires_at, ttl_seconds FROM leases WHERE resource = ?1",
        )
        .bind(resource)
        .fetch_optional(&mut *self.0)
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

    async fn count_unknown_pauses(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) FROM pauses WHERE target_id <> ''
                 AND NOT EXISTS (SELECT 1 FROM decisions WHERE decisions.target_id = pauses.target_id)",
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(row.try_get(0)?)
    }

    async fn count_leases(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM leases WHERE resource <> ?1")
            .bind(FLEET)
            .fetch_one(&mut *self.0)
            .await?;
        Ok(row.try_get(0)?)
    }
}
