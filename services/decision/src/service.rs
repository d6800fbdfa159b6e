//! One method for each thing that the service does: a transaction around the pure parts.

mod actions;
mod leases;
pub mod metrics;
mod stopwatch;
mod upkeep;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::clock::SharedClock;
use jiff::Timestamp;

use crate::{
    decide::record::{Decision, OutcomeError, Stored},
    fleet::{
        direction::Direction,
        lease::{self, LeaseError},
        pause::{Pause, PauseDirection, PauseEnd},
        quota::Quota,
    },
    policy::document::Policy,
    service::{metrics::Metrics, stopwatch::Stopwatches},
    store::{Filter, Page, SharedStore, View, error::StoreError},
    text,
};

/// Why something can't be done. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outcome contradicts what is stored.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// The lease is somebody else's.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The caller's lease was lost, or is not one of this store.
    #[error(
        "lease epoch {given} is not the one that is held, {held}, so nothing is decided about {target_id}; acquire the lease again"
    )]
    StaleEpoch {
        /// For which target.
        target_id: String,
        /// The caller's.
        given: u64,
        /// The one that counts; 0 while nobody holds the lease.
        held: u64,
    },
    /// No clock can have given it out.
    #[error(
        "{given} is the time in milliseconds of a moment more than {} minutes ahead of this machine's clock; acquire the lease \
         again", lease::TOLERANCE.as_secs() / 60
    )]
    FutureEpoch {
        /// The caller's.
        given: u64,
    },
    /// The configuration sets the policy.
    #[error(
        "the configuration sets the policy, so another one is not applied: change its section `policy`, or set `policy.source: \
         store` there and apply again"
    )]
    PolicyOfTheFile,
    /// A bound that no normal work meets.
    #[error(
        "there are {limit} {what} already, and no more are taken; those that are not needed go by themselves"
    )]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
        /// When it may look different.
        retry_after: Duration,
    },
    /// More decisions than a minute may have.
    #[error(
        "{limit} decisions of this caller within a minute are the most that are stored; see decision.decisions_per_minute"
    )]
    TooFast {
        /// How many.
        limit: u32,
        /// When the minute is over.
        retry_after: Duration,
    },
    /// No such decision; it may have been deleted for its age.
    #[error("there is no decision {0}; it may be older than the retention")]
    NotFound(String),
    /// It would end before it begins.
    #[error("{0} is not after now, {1}")]
    PauseInThePast(String, String),
}

/// The policy that decides now.
#[derive(Clone, Debug)]
pub struct PolicyInForce {
    /// The policy.
    pub policy: Policy,
    /// Its version.
    pub version: String,
    /// When ApplyPolicy put it in force; `None` when it is the configuration's.
    pub applied_at: Option<Timestamp>,
}

/// Policies that are kept.
const MAX_POLICIES: i64 = 10_000;
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

/// What is known of one target.
#[derive(Clone, Debug)]
pub struct TargetState {
    /// When each direction is free, for those that are not.
    pub cooldown_up_until: Option<Timestamp>,
    /// The same for scaling down.
    pub cooldown_down_until: Option<Timestamp>,
    /// Pauses in force, of this target and of the fleet.
    pub pauses: Vec<Pause>,
    /// The action that has not ended.
    pub pending: Option<Decision>,
    /// The newest decision.
    pub last: Option<Decision>,
    /// Ends of the last resizes, newest first, at most 10.
    pub recent_resizes: Vec<Timestamp>,
}

/// The service without its wire.
#[derive(Clone, Debug)]
pub struct Service {
    store: SharedStore,
    clock: ClockHandle,
    stopwatches: Stopwatches,
    configured: Policy,
    /// The configuration's policy decides, whatever was applied.
    pinned: bool,
    quota: Arc<Mutex<Quota>>,
    metrics: Metrics,
}

/// What a service is told besides the policy.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Nothing may be applied over the configuration's policy.
    pub pinned: bool,
    /// Decisions that whoever holds the lease may have stored in a minute.
    pub decisions_per_minute: u32,
}

/// Days that decisions are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Decisions to act.
    pub actions_days: u32,
    /// Decisions to hold.
    pub holds_days: u32,
}

#[derive(Clone)]
struct ClockHandle(SharedClock);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

impl Service {
    /// A service over an open store; `configured` decides until a policy is applied.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn new(
        store: SharedStore,
        clock: SharedClock,
        configured: Policy,
        rules: Rules,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let service = Self {
            store,
            stopwatches: Stopwatches::new(clock.clone()),
            clock: ClockHandle(clock),
            configured,
            pinned: rules.pinned,
            quota: Arc::new(Mutex::new(Quota::new(rules.decisions_per_minute))),
            metrics,
        };
        service.restart_timers().await?;
        service.refresh_gauges().await?;
        Ok(service)
    }

    /// Wall time, to the microsecond that the store keeps.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.0.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// One decision.
    ///
    /// # Errors
    /// The store, or there is none.
    pub async fn get(&self, decision_id: &str) -> Result<Decision, ServiceError> {
        let mut transaction = self.store.read().await?;
        transaction
            .decision(decision_id)
            .await?
            .ok_or_else(|| ServiceError::NotFound(decision_id.to_owned()))
    }

    /// One decision with all that it was made from.
    ///
    /// # Errors
    /// The store, or there is none.
    pub async fn get_stored(&self, decision_id: &str) -> Result<Stored, ServiceError> {
        let mut transaction = self.store.read().await?;
        transaction
            .stored(decision_id)
            .await?
            .ok_or_else(|| ServiceError::NotFound(decision_id.to_owned()))
    }

    /// Decisions, newest first.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, filter: &Filter) -> Result<Page, ServiceError> {
        let mut transaction = self.store.read().await?;
        Ok(transaction.decisions(filter).await?)
    }

    /// The policy that decides now.
    ///
    /// # Errors
    /// The store.
    pub async fn policy(&self) -> Result<PolicyInForce, ServiceError> {
        let mut transaction = self.store.read().await?;
        Ok(self.policy_within(&mut *transaction).await?)
    }

    async fn policy_within(&self, view: &mut dyn View) -> Result<PolicyInForce, StoreError> {
        let applied = match self.pinned {
            true => None,
            false => view.applied_policy().await?,
        };
        Ok(match applied {
            Some(applied) => PolicyInForce {
                policy: applied.policy,
                version: applied.version,
                applied_at: Some(applied.at),
            },
            None => PolicyInForce {
                version: self.configured.version(),
                policy: self.configured.clone(),
                applied_at: None,
            },
        })
    }

    /// When a policy was applied that the configuration's hides.
    ///
    /// # Errors
    /// The store.
    pub async fn hidden_policy(&self) -> Result<Option<Timestamp>, ServiceError> {
        if !self.pinned {
            return Ok(None);
        }
        let mut transaction = self.store.read().await?;
        let applied = transaction.applied_policy().await?;
        Ok(applied.map(|applied| applied.at))
    }

    /// Puts a valid policy in force, across restarts. Returns its version.
    ///
    /// # Errors
    /// The store; or the configuration sets the policy.
    pub async fn apply_policy(&self, policy: &Policy) -> Result<String, ServiceError> {
        if self.pinned {
            return Err(ServiceError::PolicyOfTheFile);
        }
        let now = self.now();
        let version = policy.version();
        let mut transaction = self.store.write().await?;
        if transaction.count_policies().await? >= MAX_POLICIES {
            transaction.forget_unused_policies().await?;
            if transaction.count_policies().await? >= MAX_POLICIES {
                return Err(ServiceError::TooMany {
                    what: "policies that decisions refer to",
                    limit: MAX_POLICIES.unsigned_abs(),
                    retry_after: Duration::from_secs(3_600),
                });
            }
        }
        transaction.remember_policy(&version, policy, now).await?;
        transaction.apply_policy(&version, now).await?;
        transaction.commit().await?;
        // They were started for the cooldown of the policy before.
        self.stopwatches.clear();
        Ok(version)
    }

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

    /// What is known of one target; one that was never seen has no cooldown and no decision.
    ///
    /// # Errors
    /// The store.
    pub async fn target_state(&self, target_id: &str) -> Result<TargetState, ServiceError> {
        let now = self.now();
        let mut transaction = self.store.read().await?;
        let policy = self.policy_within(&mut *transaction).await?.policy;
        let cooldowns = transaction.cooldowns(target_id).await?;
        let until = |direction| {
            let end = cooldowns.get(direction)?;
            let remaining = end.remaining(policy.cooldown_seconds, now);
            // From now: `ended_at` may lie ahead of a clock that was set back.
            (!remaining.is_zero()).then(|| now.saturating_add(remaining).unwrap_or(Timestamp::MAX))
        };
        let of_target = |pending_only| Filter {
            target_id: Some(target_id.to_owned()),
            pending_only,
            limit: 1,
            ..Filter::default()
        };
        let last = transaction
            .decisions(&of_target(false))
            .await?
            .decisions
            .pop();
        let instance_id = last.as_ref().map_or(target_id, |last| &last.instance_id);
        Ok(TargetState {
            cooldown_up_until: until(Direction::Up),
            cooldown_down_until: until(Direction::Down),
            pauses: transaction
                .pauses_in_force([target_id, instance_id], now)
                .await?,
            pending: transaction
                .decisions(&of_target(true))
                .await?
                .decisions
                .pop(),
            last,
            recent_resizes: transaction.recent_resizes(target_id).await?,
        })
    }
}

fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
