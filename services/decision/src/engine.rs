//! One method for each thing that the service does: a transaction around the pure parts.

use std::time::Duration;

use common::clock::SharedClock;
use jiff::Timestamp;
use uuid::{NoContext, Uuid};

use crate::{
    cooldown::{Cooldowns, Direction},
    input::{Input, Pause, PauseDirection},
    lease::{self, Lease, LeaseError},
    metrics::Metrics,
    policy::Policy,
    record::{Decision, End, Outcome, OutcomeError},
    stopwatch::Stopwatches,
    store::{Filter, Page, Store, StoreError, Stored, decisions, fleet, policies, targets},
    text, threshold,
    verdict::Action,
};

/// Why something can't be done. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outcome contradicts what is stored.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// The lease is somebody else's.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The caller's lease was lost to a newer holder.
    #[error(
        "lease epoch {given} is older than {highest}, under which target {target_id} was decided already; acquire the lease again"
    )]
    StaleEpoch {
        /// For which target.
        target_id: String,
        /// The caller's.
        given: u64,
        /// The one that counts.
        highest: u64,
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

/// Days that decisions are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Decisions to act.
    pub actions_days: u32,
    /// Decisions to hold.
    pub holds_days: u32,
}

/// The service without its wire.
#[derive(Clone, Debug)]
pub struct Engine {
    store: Store,
    clock: ClockHandle,
    stopwatches: Stopwatches,
    configured: Policy,
    metrics: Metrics,
}

#[derive(Clone)]
struct ClockHandle(SharedClock);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

impl Engine {
    /// An engine over an open store; `configured` decides until a policy is applied.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn new(
        store: Store,
        clock: SharedClock,
        configured: Policy,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let engine = Self {
            store,
            stopwatches: Stopwatches::new(clock.clone()),
            clock: ClockHandle(clock),
            configured,
            metrics,
        };
        engine.restart_timers().await?;
        engine.refresh_gauges().await?;
        Ok(engine)
    }

    /// Wall time, to the microsecond that the store keeps.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.0.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Decides and stores, or returns what was decided for the same tick and target before.
    ///
    /// # Errors
    /// The store, or a lease epoch that is not the newest.
    pub async fn decide(&self, input: Input) -> Result<Decision, EngineError> {
        let now = self.now();
        let mut transaction = self.store.write().await?;
        let connection = &mut *transaction;
        if let Some(decision) =
            decisions::of_tick(connection, &input.tick_id, &input.target_id).await?
        {
            return Ok(decision);
        }
        let highest = targets::highest_epoch(connection, &input.target_id).await?;
        if input.lease_epoch < highest {
            return Err(EngineError::StaleEpoch {
                target_id: input.target_id,
                given: input.lease_epoch,
                highest,
            });
        }
        let PolicyInForce {
            policy, version, ..
        } = self.policy_within(connection).await?;
        let mut state =
            targets::state(connection, &input.target_id, &input.instance_id, now).await?;
        if state.cooldowns.anchor(now) {
            tracing::warn!(
                target_id = input.target_id,
                "the wall clock was set back: the cooldown counts from now"
            );
            targets::set_cooldowns(connection, &input.target_id, &state.cooldowns).await?;
        }
        for direction in Direction::ALL {
            if let Some(end) = state.cooldowns.get_mut(direction) {
                end.timer_running = self.stopwatches.running(&input.target_id, direction);
            }
        }
        let verdict = threshold::decide(&policy, &input, &state, now);
        let decision = Decision {
            decision_id: new_id(now),
            tick_id: input.tick_id.clone(),
            target_id: input.target_id.clone(),
            instance_id: input.instance_id.clone(),
            decided_at: now,
            from_instance_type: input.instance_type.clone(),
            pending: verdict.action != Action::Hold && !input.dry_run,
            verdict,
            dry_run: input.dry_run,
            policy_version: version,
            input_digest: input.digest(),
            lease_epoch: input.lease_epoch,
            end: None,
        };
        policies::remember(connection, &decision.policy_version, &policy, now).await?;
        if input.lease_epoch > highest {
            targets::raise_epoch(connection, &input.target_id, input.lease_epoch).await?;
        }
        let stored = Stored {
            decision,
            input,
            state,
            policy,
        };
        decisions::insert(connection, &stored).await?;
        Store::commit(transaction).await?;
        let decision = stored.decision;
        self.metrics.decided(&decision);
        if decision.pending {
            self.show_standing().await;
        }
        Ok(decision)
    }

    /// Records how an action ended, and starts the cooldown.
    ///
    /// # Errors
    /// The store, an unknown decision, or an outcome that contradicts the one recorded before.
    pub async fn report(
        &self,
        decision_id: &str,
        outcome: Outcome,
        instance_type: String,
        detail: String,
        finished_at: Option<Timestamp>,
    ) -> Result<Decision, EngineError> {
        let now = self.now();
        let mut transaction = self.store.write().await?;
        let connection = &mut *transaction;
        let Some(mut decision) = decisions::get(connection, decision_id).await? else {
            return Err(EngineError::NotFound(decision_id.to_owned()));
        };
        if !decision.accepts(outcome)? {
            return Ok(decision);
        }
        // Neither before the decision nor after now, whatever the reporter's clock says.
        let earliest = decision.decided_at.min(now);
        let end = End {
            outcome,
            instance_type,
            detail,
            at: micros(finished_at.unwrap_or(now)).clamp(earliest, now),
        };
        decisions::end(connection, decision_id, &end).await?;
        let direction = Direction::of(decision.verdict.action).filter(|_| !decision.dry_run);
        let mut started = Cooldowns::default();
        let policy = self.policy_within(connection).await?.policy;
        if let Some(direction) = direction {
            let before = targets::cooldowns(connection, &decision.target_id).await?;
            let after = before.after(direction, outcome, end.at);
            targets::set_cooldowns(connection, &decision.target_id, &after).await?;
            // A timer that runs for the other direction runs on.
            for direction in Direction::ALL {
                if after.get(direction) != before.get(direction) {
                    *started.get_mut(direction) = after.get(direction).cloned();
                }
            }
        }
        Store::commit(transaction).await?;
        self.start_timers(&decision.target_id, &started, &policy, now);
        self.metrics.ended(&decision, outcome);
        decision.pending = false;
        decision.end = Some(end);
        self.show_standing().await;
        Ok(decision)
    }

    /// One decision.
    ///
    /// # Errors
    /// The store, or there is none.
    pub async fn get(&self, decision_id: &str) -> Result<Decision, EngineError> {
        let mut transaction = self.store.read().await?;
        decisions::get(&mut transaction, decision_id)
            .await?
            .ok_or_else(|| EngineError::NotFound(decision_id.to_owned()))
    }

    /// One decision with all that it was made from.
    ///
    /// # Errors
    /// The store, or there is none.
    pub async fn get_stored(&self, decision_id: &str) -> Result<Stored, EngineError> {
        let mut transaction = self.store.read().await?;
        decisions::get_stored(&mut transaction, decision_id)
            .await?
            .ok_or_else(|| EngineError::NotFound(decision_id.to_owned()))
    }

    /// Decisions, newest first.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, filter: &Filter) -> Result<Page, EngineError> {
        let mut transaction = self.store.read().await?;
        Ok(decisions::list(&mut transaction, filter).await?)
    }

    /// The policy that decides now.
    ///
    /// # Errors
    /// The store.
    pub async fn policy(&self) -> Result<PolicyInForce, EngineError> {
        let mut transaction = self.store.read().await?;
        Ok(self.policy_within(&mut transaction).await?)
    }

    async fn policy_within(
        &self,
        connection: &mut sqlx::SqliteConnection,
    ) -> Result<PolicyInForce, StoreError> {
        Ok(match policies::applied(connection).await? {
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

    /// Puts a valid policy in force, across restarts. Returns its version.
    ///
    /// # Errors
    /// The store.
    pub async fn apply_policy(&self, policy: &Policy) -> Result<String, EngineError> {
        let now = self.now();
        let version = policy.version();
        let mut transaction = self.store.write().await?;
        policies::remember(&mut transaction, &version, policy, now).await?;
        policies::apply(&mut transaction, &version, now).await?;
        Store::commit(transaction).await?;
        // They were started for the cooldown of the policy before.
        self.stopwatches.clear();
        Ok(version)
    }

    /// Forbids actions. Pausing again changes reason and end, and keeps the begin.
    ///
    /// # Errors
    /// The store, or an end that has passed.
    pub async fn pause(
        &self,
        target_id: String,
        direction: PauseDirection,
        reason: String,
        until: Option<Timestamp>,
    ) -> Result<Pause, EngineError> {
        let now = self.now();
        if let Some(until) = until
            && until <= now
        {
            return Err(EngineError::PauseInThePast(
                text::time(until),
                text::time(now),
            ));
        }
        let mut transaction = self.store.write().await?;
        let since = fleet::pauses_in_force(&mut transaction, Some(&target_id), now)
            .await?
            .into_iter()
            .find(|pause| pause.target_id == target_id && pause.direction == direction)
            .map_or(now, |pause| pause.since);
        let pause = Pause {
            target_id,
            direction,
            reason,
            since,
            until: until.map(micros),
        };
        fleet::set_pause(&mut transaction, &pause).await?;
        Store::commit(transaction).await?;
        self.show_standing().await;
        Ok(pause)
    }

    /// Takes back the pauses of a target, or with an empty id the fleet's. Says whether there was one.
    ///
    /// # Errors
    /// The store.
    pub async fn resume(&self, target_id: &str) -> Result<bool, EngineError> {
        let mut transaction = self.store.write().await?;
        let resumed = fleet::resume(&mut transaction, target_id, self.now()).await?;
        Store::commit(transaction).await?;
        self.show_standing().await;
        Ok(resumed)
    }

    /// What is known of one target; one that was never seen has no cooldown and no decision.
    ///
    /// # Errors
    /// The store.
    pub async fn target_state(&self, target_id: &str) -> Result<TargetState, EngineError> {
        let now = self.now();
        let mut transaction = self.store.read().await?;
        let connection = &mut *transaction;
        let policy = self.policy_within(connection).await?.policy;
        let cooldowns = targets::cooldowns(connection, target_id).await?;
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
        Ok(TargetState {
            cooldown_up_until: until(Direction::Up),
            cooldown_down_until: until(Direction::Down),
            pauses: fleet::pauses_in_force(connection, Some(target_id), now).await?,
            pending: decisions::list(connection, &of_target(true))
                .await?
                .decisions
                .pop(),
            last: decisions::list(connection, &of_target(false))
                .await?
                .decisions
                .pop(),
            recent_resizes: targets::recent_resizes(connection, target_id).await?,
        })
    }

    /// Makes `holder` the one actor for `resource`.
    ///
    /// # Errors
    /// The store, or somebody else holds it.
    pub async fn acquire_lease(
        &self,
        resource: &str,
        holder: &str,
        ttl_seconds: u32,
    ) -> Result<Lease, EngineError> {
        let now = self.now();
        let mut transaction = self.store.write().await?;
        let mut current = fleet::lease(&mut transaction, resource).await?;
        let set_back = current.as_mut().is_some_and(|lease| lease.anchor(now));
        let acquired = lease::acquire(current.as_ref(), resource, holder, ttl_seconds, now);
        if let Some(lease) = acquired
            .as_ref()
            .ok()
            .or(current.as_ref().filter(|_| set_back))
        {
            fleet::set_lease(&mut transaction, lease).await?;
            Store::commit(transaction).await?;
        }
        Ok(acquired?)
    }

    /// Extends a lease.
    ///
    /// # Errors
    /// The store, or it was lost.
    pub async fn renew_lease(
        &self,
        resource: &str,
        holder: &str,
        epoch: u64,
        ttl_seconds: u32,
    ) -> Result<Lease, EngineError> {
        let mut transaction = self.store.write().await?;
        let current = fleet::lease(&mut transaction, resource).await?;
        let lease = lease::renew(
            current.as_ref(),
            resource,
            holder,
            epoch,
            ttl_seconds,
            self.now(),
        )?;
        fleet::set_lease(&mut transaction, &lease).await?;
        Store::commit(transaction).await?;
        Ok(lease)
    }

    /// Gives a lease back. False when it was not held under that epoch.
    ///
    /// # Errors
    /// The store.
    pub async fn release_lease(
        &self,
        resource: &str,
        holder: &str,
        epoch: u64,
    ) -> Result<bool, EngineError> {
        let mut transaction = self.store.write().await?;
        let current = fleet::lease(&mut transaction, resource).await?;
        let Some(released) = lease::release(current.as_ref(), holder, epoch, self.now()) else {
            return Ok(false);
        };
        fleet::set_lease(&mut transaction, &released).await?;
        Store::commit(transaction).await?;
        Ok(true)
    }

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
        let pending = decisions::count_pending(&mut transaction).await?;
        let pauses = fleet::pauses_in_force(&mut transaction, None, self.now()).await?;
        self.metrics
            .standing(pending, i64::try_from(pauses.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Deletes what is older than the retention; never what is pending, never a cooldown or an epoch. Returns how many
    /// decisions went.
    ///
    /// # Errors
    /// The store.
    pub async fn delete_old(&self, retention: Retention) -> Result<u64, StoreError> {
        const BATCH: u32 = 500;
        // A clock that jumped ahead must not delete the history: nothing is older than it is to the newest decision.
        let newest = {
            let mut transaction = self.store.read().await?;
            decisions::newest(&mut transaction).await?
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
            let mut transaction = self.store.write().await?;
            let batch = decisions::delete_old(&mut transaction, holds, actions, BATCH).await?;
            Store::commit(transaction).await?;
            deleted += batch;
            if batch < BATCH.into() {
                return Ok(deleted);
            }
        }
    }

    /// After a write that is committed: gauges that can't be read are no reason to call it failed.
    async fn show_standing(&self) {
        if let Err(error) = self.refresh_gauges().await {
            tracing::debug!(%error, "gauges keep their values");
        }
    }

    fn start_timers(
        &self,
        target_id: &str,
        cooldowns: &Cooldowns,
        policy: &Policy,
        now: Timestamp,
    ) {
        for direction in Direction::ALL {
            if let Some(end) = cooldowns.get(direction) {
                let remaining = end.remaining(policy.cooldown_seconds, now);
                self.stopwatches.start(target_id, direction, remaining);
            }
        }
    }

    /// For the cooldowns that a process before this one began.
    async fn restart_timers(&self) -> Result<(), StoreError> {
        const LONGEST_WAIT: Duration = Duration::from_secs(8 * 86_400);
        let now = self.now();
        let mut transaction = self.store.read().await?;
        let policy = self.policy_within(&mut transaction).await?.policy;
        let since = now.saturating_sub(LONGEST_WAIT).unwrap_or(Timestamp::MIN);
        for target_id in targets::ended_since(&mut transaction, since).await? {
            let cooldowns = targets::cooldowns(&mut transaction, &target_id).await?;
            self.start_timers(&target_id, &cooldowns, &policy, now);
        }
        Ok(())
    }
}

/// UUID, version 7: sorts by `now`.
fn new_id(now: Timestamp) -> String {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds)).to_string()
}

fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
