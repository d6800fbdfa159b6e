//! What nobody calls for: gauges, deletion of old decisions, the timers of cooldowns.

use std::time::Duration;

use common::text::chain;
use jiff::Timestamp;

use crate::{
    fleet::{cooldown::Cooldowns, direction::Direction},
    policy::document::Policy,
    service::{Retention, Service},
    store::error::StoreError,
};

impl Service {
    /// Counts an attempt that the store refused.
    pub fn count_failure(&self, error: &StoreError) {
        self.metrics.store_failed(error.name());
    }

    /// Sets the gauges; pauses end without a call.
    ///
    /// # Errors
    /// The store.
    pub async fn refresh_gauges(&self) -> Result<(), StoreError> {
        let mut transaction = self.store.read().await?;
        let pending = transaction.count_pending().await?;
        let pauses = transaction.count_pauses(self.now()).await?;
        self.metrics.standing(pending, pauses);
        Ok(())
    }

    /// Deletes what is older than the retention; never what is pending, never a cooldown, an epoch or a review that still
    /// decides. Returns how many decisions and reviews went.
    ///
    /// # Errors
    /// The store.
    pub async fn delete_old(&self, retention: Retention) -> Result<u64, StoreError> {
        const BATCH: u32 = 500;
        // A clock that jumped ahead must not delete the history: nothing is older than it is to the newest decision.
        let newest = {
            let mut transaction = self.store.read().await?;
            transaction.newest_decision_at().await?
        };
        let Some(newest) = newest else { return Ok(0) };
        let reference = newest.min(self.now());
        let before = |days: u32| {
            reference
                .saturating_sub(Duration::from_secs(u64::from(days) * 86_400))
                .unwrap_or(Timestamp::MIN)
        };
        let (holds, actions) = (before(retention.holds_days), before(retention.actions_days));
        let mut deleted = 0;
        loop {
            // A transaction each, so that nobody waits for long.
            let mut transaction = self.store.write().await?;
            let decisions = transaction.delete_old(holds, actions, BATCH).await?;
            transaction.commit().await?;
            let mut transaction = self.store.write().await?;
            let reviews = transaction.delete_old_reviews(actions, BATCH).await?;
            transaction.commit().await?;
            deleted += decisions + reviews;
            if decisions.max(reviews) < BATCH.into() {
                let mut transaction = self.store.write().await?;
                transaction.forget_unused_policies().await?;
                transaction.commit().await?;
                return Ok(deleted);
            }
        }
    }

    /// After a write that is committed: gauges that can't be read are no reason to call it failed.
    pub(super) async fn show_standing(&self) {
        if let Err(error) = self.refresh_gauges().await {
            tracing::debug!(error = %chain(&error), "gauges keep their values");
        }
    }

    pub(super) fn start_timers(
        &self,
        target_id: &str,
        cooldowns: &Cooldowns,
        policy: &Policy,
        now: Timestamp,
    ) {
        for direction in Direction::ALL {
            if let Some(end) = cooldowns.get(direction) {
                let remaining = end.remaining(policy.cooldown_seconds_of(direction), now);
                self.stopwatches.start(target_id, direction, remaining);
            }
        }
    }

    /// For the cooldowns that a process before this one began.
    pub(super) async fn restart_timers(&self) -> Result<(), StoreError> {
        const LONGEST_WAIT: Duration = Duration::from_secs(8 * 86_400);
        let now = self.now();
        let mut transaction = self.store.read().await?;
        let policy = self.policy_within(&mut *transaction).await?.policy;
        let since = now.saturating_sub(LONGEST_WAIT).unwrap_or(Timestamp::MIN);
        for target_id in transaction.targets_rested_since(since).await? {
            let cooldowns = transaction.cooldowns(&target_id).await?;
            self.start_timers(&target_id, &cooldowns, &policy, now);
        }
        Ok(())
    }
}
