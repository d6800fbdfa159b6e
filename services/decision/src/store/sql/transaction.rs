//! Changes of the database.

use async_trait::async_trait;
use jiff::Timestamp;
use sizing::review::Review;
use sqlx::Row as _;

use crate::{
    decide::{guide::Guide, record::Stored, run::Run},
    fleet::{
        cooldown::Cooldowns,
        direction::Direction,
        lease::{FLEET, Lease},
        outcome::End,
        pause::Pause,
    },
    policy::document::{Policy, Strategy},
    store::{
        APPLICATIONS_KEPT, Transaction,
        error::StoreError,
        sql::{connection::Connection, documents, packing, rows},
    },
};

impl Connection {
    /// Writes a decision after all others; its place.
    async fn append(&mut self, stored: &Stored) -> Result<i64, StoreError> {
        let decision = &stored.decision;
        let done = sqlx::query(
            "INSERT INTO decisions (decision_id, tick_id, target_id, instance_id, decided_at, action, from_instance_type,
                 verdict, dry_run, policy_version, input_digest, lease_epoch, input, state, packed, pending)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', ?8, ?9, ?10, ?11, '', '', ?12, ?13)",
        )
        .bind(&decision.decision_id)
        .bind(&decision.tick_id)
        .bind(&decision.target_id)
        .bind(&decision.instance_id)
        .bind(decision.decided_at.as_microsecond())
        .bind(decision.verdict.action.name())
        .bind(&decision.from_instance_type)
        .bind(decision.dry_run)
        .bind(&decision.policy_version)
        .bind(&decision.input_digest)
        .bind(rows::signed(decision.lease_epoch))
        .bind(packing::pack(stored)?)
        .bind(decision.pending)
        .execute(&mut *self.0)
        .await?;
        Ok(done.last_insert_rowid())
    }
}

#[async_trait]
impl Transaction for Connection {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self.0).await?;
        Ok(())
    }

    async fn insert(&mut self, stored: &Stored) -> Result<(), StoreError> {
        self.append(stored).await.map(|_| ())
    }

    async fn insert_hold(&mut self, stored: &Stored, run: &Run) -> Result<(), StoreError> {
        let place = self.append(stored).await?;
        self.keep_run(run, &stored.decision.target_id, place).await
    }
    async fn end(&mut self, decision_id: &str, end: &End) -> Result<(), StoreError> {
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
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn delete_old(
        &mut self,
        holds_before: Timestamp,
        actions_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM decisions WHERE sequence IN (
                 SELECT sequence FROM decisions
                 WHERE pending = 0 AND decided_at < ?1 AND (action = 'hold' OR decided_at < ?2)
                   AND NOT EXISTS (
                       SELECT 1 FROM runs JOIN decisions AS last ON last.sequence = newest
                       WHERE first = decisions.sequence AND last.decided_at >= ?1)
                 LIMIT ?3)",
        )
        .bind(holds_before.as_microsecond())
        .bind(actions_before.as_microsecond())
        .bind(limit)
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected())
    }

    async fn set_cooldowns(
        &mut self,
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
            .execute(&mut *self.0)
            .await?;
        }
        Ok(())
    }

    async fn set_review(
        &mut self,
        target_id: &str,
        guide: &Guide,
        review: &Review,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO reviews (target_id, reviewed_at, guide, review) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (target_id) DO UPDATE SET reviewed_at = excluded.reviewed_at, guide = excluded.guide,
                 review = excluded.review",
        )
        .bind(target_id)
        .bind(guide.reviewed_at.as_microsecond())
        .bind(documents::write(guide)?)
        .bind(documents::write(review)?)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn delete_old_reviews(
        &mut self,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM reviews WHERE target_id IN (
                 SELECT target_id FROM reviews
                 WHERE reviewed_at < ?1 AND NOT EXISTS (
                     SELECT 1 FROM decisions JOIN policies ON policies.version = decisions.policy_version
                     WHERE sequence = (SELECT max(sequence) FROM decisions AS newest
                                       WHERE newest.target_id = reviews.target_id)
                       AND json_extract(document, '$.strategy') = ?2)
                 LIMIT ?3)",
        )
        .bind(before.as_microsecond())
        .bind(Strategy::Adaptive.name())
        .bind(limit)
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected())
    }

    async fn remember_policy(
        &mut self,
        version: &str,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO policies (version, document, first_used) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .bind(version)
        .bind(documents::write(policy)?)
        .bind(now.as_microsecond())
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn apply_policy(&mut self, version: &str, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO policy_applications (version, applied_at) VALUES (?1, ?2)")
            .bind(version)
            .bind(now.as_microsecond())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn forget_unused_policies(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM policy_applications
             WHERE sequence <= (SELECT max(sequence) FROM policy_applications) - ?1",
        )
        .bind(APPLICATIONS_KEPT)
        .execute(&mut *self.0)
        .await?;
        sqlx::query(
            "DELETE FROM policies
             WHERE NOT EXISTS (SELECT 1 FROM decisions WHERE policy_version = version)
               AND NOT EXISTS (SELECT 1 FROM policy_applications AS kept WHERE kept.version = policies.version)",
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn set_pause(&mut self, pause: &Pause) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM pauses WHERE target_id = ?1")
            .bind(&pause.target_id)
            .execute(&mut *self.0)
            .await?;
        sqlx::query(
            "INSERT INTO pauses (target_id, direction, reason, since, until, by_whom) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(&pause.target_id)
        .bind(<&str>::from(pause.direction))
        .bind(&pause.reason)
        .bind(pause.since.as_microsecond())
        .bind(pause.until.map(Timestamp::as_microsecond))
        .bind(&pause.by)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn resume(&mut self, target_id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let in_force = sqlx::query(
            "SELECT count(*) FROM pauses WHERE target_id = ?1 AND (until IS NULL OR until > ?2)",
        )
        .bind(target_id)
        .bind(now.as_microsecond())
        .fetch_one(&mut *self.0)
        .await?;
        sqlx::query("DELETE FROM pauses WHERE target_id = ?1")
            .bind(target_id)
            .execute(&mut *self.0)
            .await?;
        Ok(in_force.try_get::<i64, _>(0)? > 0)
    }

    async fn set_lease(&mut self, lease: &Lease) -> Result<(), StoreError> {
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
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn forget_lease(&mut self, resource: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM leases WHERE resource = ?1")
            .bind(resource)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn forget_ended_pauses(&mut self, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM pauses WHERE until <= ?1")
            .bind(now.as_microsecond())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn forget_unused_leases(&mut self, unused_since: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM leases WHERE resource <> ?1 AND expires_at < ?2")
            .bind(FLEET)
            .bind(unused_since.as_microsecond())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
