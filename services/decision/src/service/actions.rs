//! Deciding, and hearing how it ended.

use std::{net::IpAddr, sync::PoisonError};

use jiff::Timestamp;

use crate::{
    decide::{
        input::{Input, State},
        record::{self, Decision, Stored},
        run::{self, Run},
        verdict::Action,
        walk,
    },
    fleet::{
        cooldown::Cooldowns,
        direction::Direction,
        lease::{self, FLEET, Lease},
        outcome::{End, Outcome},
        quota::Caller,
        resizes::{self, REMEMBERED},
    },
    policy::document::Strategy,
    service::{Service, error::ServiceError, micros, policies::PolicyInForce},
    store::{Transaction, error::StoreError},
};

/// A decision in a transaction that is not committed yet.
pub(super) enum Decided {
    /// It was there: of the same tick and target.
    Before(Box<Decision>),
    /// It is new.
    Now {
        stored: Box<Stored>,
        /// Cooldowns that begin with it.
        started: Cooldowns,
    },
}

impl Service {
    /// Decides within a transaction; it counts once that is committed.
    ///
    /// # Errors
    /// As [`Service::decide`]; nothing was written then, unless it is the store's.
    pub(super) async fn decide_within(
        &self,
        transaction: &mut dyn Transaction,
        mut input: Input,
        caller: Option<IpAddr>,
    ) -> Result<Decided, ServiceError> {
        // As precise as an id, which is all that is left of some.
        let now = run::time(self.now().as_millisecond());
        if let Some(decision) = transaction
            .decision_of_tick(&input.tick_id, &input.target_id)
            .await?
        {
            return Ok(Decided::Before(Box::new(decision)));
        }
        let lease = transaction.lease(FLEET).await?;
        Self::check_epoch(
            &input.target_id,
            input.lease_epoch,
            input.dry_run,
            lease.as_ref(),
            now,
        )?;
        self.take_from_quota(Caller {
            address: caller,
            holds_the_lease: input.lease_epoch != 0,
        })?;
        let PolicyInForce {
            policy, version, ..
        } = self.policy_within(transaction).await?;
        let (target_id, instance_id) = (input.target_id.as_str(), input.instance_id.as_str());
        let mut state = State {
            pending: transaction.pending_action(target_id, instance_id).await?,
            pauses: transaction
                .pauses_in_force([target_id, instance_id], now)
                .await?,
            cooldowns: transaction.cooldowns(target_id).await?,
            resizes: match policy.counts_resizes() {
                true => {
                    let last = transaction.resizes(target_id, REMEMBERED).await?;
                    resizes::that_count(last, now)
                }
                false => Vec::new(),
            },
            guide: match policy.strategy {
                Strategy::Adaptive => transaction.guide(target_id).await?,
                Strategy::Threshold | Strategy::Headroom => None,
            },
        };
        if state.cooldowns.anchor(now) {
            tracing::warn!(
                target_id = input.target_id,
                "the wall clock was set back: the cooldown counts from now"
            );
            transaction
                .set_cooldowns(&input.target_id, &state.cooldowns)
                .await?;
        }
        // Of what the caller knew: what is noted here comes from the store.
        let input_digest = input.digest();
        let resized_from = match &state.pending {
            Some(_) => None,
            None => resized_from(transaction, &input).await?,
        };
        if let Some(from) = &resized_from {
            let note = format!(
                "{from} became {} by other hands than this program's; the cooldown begins",
                input.instance_type
            );
            tracing::info!(target_id = input.target_id, "{note}");
            input.notes.push(note);
            state.cooldowns = state.cooldowns.after_rest(now);
            transaction
                .set_cooldowns(&input.target_id, &state.cooldowns)
                .await?;
        }
        let started = match resized_from {
            Some(_) => state.cooldowns.clone(),
            None => Cooldowns::default(),
        };
        for direction in Direction::ALL {
            if let Some(end) = state.cooldowns.get_mut(direction) {
                end.timer_running = self.stopwatches.running(&input.target_id, direction);
            }
        }
        let verdict = walk::decide(&policy, &input, &state, now);
        let decision = Decision {
            decision_id: self.clock.new_id(),
            tick_id: input.tick_id.clone(),
            target_id: input.target_id.clone(),
            instance_id: input.instance_id.clone(),
            decided_at: now,
            from_instance_type: input.instance_type.clone(),
            pending: verdict.action != Action::Hold && !input.dry_run,
            verdict,
            dry_run: input.dry_run,
            policy_version: version,
            input_digest,
            lease_epoch: input.lease_epoch,
            end: None,
        };
        transaction
            .remember_policy(&decision.policy_version, &policy, now)
            .await?;
        let mut stored = Stored {
            decision,
            input,
            state,
            policy,
        };
        let under_way = match stored.decision.verdict.action {
            Action::Hold => transaction.open_run(&stored.decision.target_id).await?,
            Action::ScaleUp | Action::ScaleDown => None,
        };
        let run = match under_way {
            Some((run, newest)) if run.admits(&newest, &stored.decision) => {
                Some(run.joined(&mut stored))
            }
            _ => Run::begin(&mut stored),
        };
        match run {
            Some(run) => transaction.insert_hold(&stored, &run).await?,
            None => transaction.insert(&stored).await?,
        }
        Ok(Decided::Now {
            stored: Box::new(stored),
            started,
        })
    }

    /// What follows once it is committed.
    pub(super) async fn decided(&self, decided: Decided) -> Decision {
        let (stored, started) = match decided {
            Decided::Before(decision) => return *decision,
            Decided::Now { stored, started } => (stored, started),
        };
        let decision = stored.decision;
        self.start_timers(
            &decision.target_id,
            &started,
            &stored.policy,
            decision.decided_at,
        );
        self.metrics.decided(&decision);
        if decision.pending {
            self.show_standing().await;
        }
        decision
    }

    /// Only the one actor decides: its epoch is the one that this store gave out last.
    pub(super) fn check_epoch(
        target_id: &str,
        given: u64,
        dry_run: bool,
        lease: Option<&Lease>,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        if lease::is_ahead(given, now) {
            return Err(ServiceError::FutureEpoch { given });
        }
        let may = match given {
            0 => dry_run || !lease.is_some_and(|lease| lease.live(now)),
            given => lease.is_some_and(|lease| lease.is_held_under(given)),
        };
        if may {
            return Ok(());
        }
        let held = lease.filter(|lease| !lease.holder.is_empty());
        Err(ServiceError::StaleEpoch {
            target_id: target_id.to_owned(),
            given,
            held: held.map_or(0, |lease| lease.epoch),
        })
    }

    fn take_from_quota(&self, caller: Caller) -> Result<(), ServiceError> {
        let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota
            .take(caller, self.now())
            .map_err(|retry_after| ServiceError::TooFast {
                limit: quota.limit(caller),
                retry_after,
            })
    }

    /// Records how an action ended, and starts the cooldown. What was refused for good counts as no failure.
    ///
    /// # Errors
    /// The store, an unknown decision, or an outcome that contradicts the one recorded before.
    pub async fn report(
        &self,
        decision_id: &str,
        (outcome, refused_for_good): (Outcome, bool),
        instance_type: String,
        detail: String,
        finished_at: Option<Timestamp>,
    ) -> Result<Decision, ServiceError> {
        let now = self.now();
        let mut transaction = self.store.write().await?;
        let Some(mut decision) = transaction.decision(decision_id).await? else {
            return Err(ServiceError::NotFound(decision_id.to_owned()));
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
        transaction.end(decision_id, &end).await?;
        let direction = decision
            .verdict
            .action
            .direction()
            .filter(|_| !decision.dry_run);
        let mut started = Cooldowns::default();
        let policy = self.policy_within(&mut *transaction).await?.policy;
        if let Some(direction) = direction {
            let before = transaction.cooldowns(&decision.target_id).await?;
            let after = match refused_for_good && outcome.touched_the_machine() {
                true => before.after_rest(end.at),
                false => before.after(direction, outcome, end.at),
            };
            transaction
                .set_cooldowns(&decision.target_id, &after)
                .await?;
            // A timer that runs for the other direction runs on.
            for direction in Direction::ALL {
                if after.get(direction) != before.get(direction) {
                    *started.get_mut(direction) = after.get(direction).cloned();
                }
            }
        }
        transaction.commit().await?;
        self.start_timers(&decision.target_id, &started, &policy, now);
        self.metrics.ended(&decision, outcome);
        decision.pending = false;
        decision.end = Some(end);
        self.show_standing().await;
        Ok(decision)
    }
}

/// The type that the machine had before somebody else resized it.
async fn resized_from(
    transaction: &mut dyn Transaction,
    input: &Input,
) -> Result<Option<String>, StoreError> {
    if input.instance_type.is_empty() {
        return Ok(None);
    }
    let Some(seen_last) = transaction.seen_last(&input.target_id).await? else {
        return Ok(None);
    };
    let ended = transaction
        .ended_since(&input.target_id, seen_last.decided_at)
        .await?;
    Ok(record::resized_by_others(&seen_last, &ended, input))
}
