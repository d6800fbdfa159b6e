//! Pauses: what operators forbid.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    fleet::pause::{Pause, PauseDirection, PauseEnd},
    service::{Service, error::ServiceError, micros},
    text,
};

/// Pauses of names that nothing was decided about; those of the fleet and of its targets are never refused.
const MAX_UNKNOWN_PAUSES: i64 = 10_000;

/// A pause, and the one that it took the place of.
#[derive(Clone, Debug)]
pub struct Paused {
    /// In force now.
    pub pause: Pause,
    /// In force before.
    pub replaced: Option<Pause>,
}

impl Service {
    /// Forbids actions. A target has one pause: pausing again replaces it, and keeps the begin when it forbids the same.
    ///
    /// # Errors
    /// The store, an end that has passed, or too many pauses of names that nothing was decided about.
    pub async fn pause(
        &self,
        target_id: String,
        direction: PauseDirection,
        reason: String,
        end: PauseEnd,
        by: String,
    ) -> Result<Paused, ServiceError> {
        let now = self.now();
        let until = match end {
            PauseEnd::AtResume => None,
            PauseEnd::At(until) => Some(until),
            PauseEnd::After(lasting) => Some(now.saturating_add(lasting).unwrap_or(Timestamp::MAX)),
        };
        if let Some(until) = until
            && until <= now
        {
            return Err(ServiceError::PauseInThePast(
                text::time(until),
                text::time(now),
            ));
        }
        let mut transaction = self.store.write().await?;
        if !transaction.is_known(&target_id).await? {
            transaction.forget_ended_pauses(now).await?;
            if transaction.count_unknown_pauses().await? >= MAX_UNKNOWN_PAUSES {
                return Err(ServiceError::TooMany {
                    what: "pauses of names that nothing was ever decided about",
                    limit: MAX_UNKNOWN_PAUSES.unsigned_abs(),
                    retry_after: Duration::from_secs(3_600),
                });
            }
        }
        let replaced = transaction
            .pauses_in_force([&target_id; 2], now)
            .await?
            .into_iter()
            .find(|pause| pause.target_id == target_id);
        let since = replaced
            .as_ref()
            .filter(|pause| pause.direction == direction)
            .map_or(now, |pause| pause.since);
        let pause = Pause {
            target_id,
            direction,
            reason,
            since,
            until: until.map(micros),
            by,
        };
        transaction.set_pause(&pause).await?;
        transaction.commit().await?;
        self.show_standing().await;
        Ok(Paused { pause, replaced })
    }

    /// The pauses in force of names after `after`, by name.
    ///
    /// # Errors
    /// The store.
    pub async fn pauses(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Pause>, ServiceError> {
        let mut transaction = self.store.read().await?;
        Ok(transaction.pauses_after(after, self.now(), limit).await?)
    }

    /// Takes back the pauses of a target, or with an empty id the fleet's. Says whether there was one.
    ///
    /// # Errors
    /// The store.
    pub async fn resume(&self, target_id: &str) -> Result<bool, ServiceError> {
        let mut transaction = self.store.write().await?;
        let resumed = transaction.resume(target_id, self.now()).await?;
        transaction.commit().await?;
        self.show_standing().await;
        Ok(resumed)
    }
}
