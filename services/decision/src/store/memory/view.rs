//! Questions to the tables.

use std::ops::Deref;

use async_trait::async_trait;
use jiff::Timestamp;
use sizing::review::Review;

use super::tables::{Row, Tables};
use crate::{
    decide::{
        guide::Guide,
        input::PendingAction,
        record::{Decision, Stored},
        run::Run,
        verdict::Action,
    },
    fleet::{
        cooldown::Cooldowns,
        direction::Direction,
        lease::{FLEET, Lease},
        pause::Pause,
        resizes::Resize,
    },
    policy::document::Strategy,
    store::{Applied, Filter, Page, View, error::StoreError},
};

fn in_force(pause: &Pause, now: Timestamp) -> bool {
    pause.until.is_none_or(|until| until > now)
}

/// The resize that a decision led to.
fn resize(decision: &Decision) -> Option<Resize> {
    let end = decision.end.as_ref()?;
    end.outcome.touched_the_machine().then_some(Resize {
        direction: decision.verdict.action.direction()?,
        began_at: decision.decided_at,
        ended_at: end.at,
        outcome: end.outcome,
    })
}

/// A place in a table as a count.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whoever holds the tables may ask them.
#[async_trait]
impl<G: Deref<Target = Tables> + Send> View for G {
    async fn decision(&mut self, decision_id: &str) -> Result<Option<Decision>, StoreError> {
        if let Some((_, row)) = self.find(decision_id) {
            return Ok(Some(row.decision.clone()));
        }
        let run = self.run_with(decision_id);
        Ok(run.and_then(|(run, newest)| run.merged(decision_id, newest)))
    }

    async fn decision_of_tick(
        &mut self,
        tick_id: &str,
        target_id: &str,
    ) -> Result<Option<Decision>, StoreError> {
        let whole = self.of_tick(tick_id, target_id);
        let whole = whole.map(|row| row.decision.clone());
        Ok(whole.or_else(|| self.merged_of_tick(tick_id, target_id)))
    }

    async fn stored(&mut self, decision_id: &str) -> Result<Option<Stored>, StoreError> {
        let Some((_, row)) = self.find(decision_id) else {
            return Ok(None);
        };
        let version = &row.decision.policy_version;
        let Some(policy) = self.policies.get(version) else {
            return Err(StoreError::Statement(
                format!("there is no policy {version}").into(),
            ));
        };
        let Row {
            decision,
            input,
            state,
        } = row.clone();
        Ok(Some(Stored {
            decision,
            input,
            state,
            policy: policy.clone(),
        }))
    }

    async fn run_of(&mut self, decision_id: &str) -> Result<Option<(Run, Decision)>, StoreError> {
        let found = self.run_with(decision_id);
        Ok(found.map(|(run, newest)| (run.clone(), newest.clone())))
    }

    async fn open_run(&mut self, target_id: &str) -> Result<Option<(Run, Decision)>, StoreError> {
        let found = self.run_under_way(target_id);
        Ok(found.map(|(run, newest)| (run.clone(), newest.clone())))
    }

    async fn id_at(
        &mut self,
        target_id: &str,
        at: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        Ok(self.newest_id_at(target_id, at))
    }

    async fn decisions(&mut self, filter: &Filter) -> Result<Page, StoreError> {
        let before = filter.before.unwrap_or(i64::MAX);
        let candidates: Box<dyn Iterator<Item = (i64, &Row)> + Send> =
            match (&filter.target_id, filter.pending_only) {
                (_, true) => Box::new(self.pending().rev()),
                (Some(target_id), false) => Box::new(self.of_target(target_id).rev()),
                (None, false) => Box::new(self.before(before)),
            };
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let mut found: Vec<(i64, Decision)> = candidates
            .map(|(place, row)| (place, &row.decision))
            .filter(|(place, decision)| {
                let target = filter.target_id.as_ref();
                *place < before
                    && target.is_none_or(|target_id| decision.target_id == *target_id)
                    && !(filter.actions_only && decision.verdict.action == Action::Hold)
            })
            // One more than asked for says whether there is another page.
            .take(limit.saturating_add(1))
            .map(|(place, decision)| (place, decision.clone()))
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(Page {
            next: found.last().filter(|_| more).map(|(place, _)| *place),
            decisions: found.into_iter().map(|(_, decision)| decision).collect(),
        })
    }

    async fn seen_last(&mut self, target_id: &str) -> Result<Option<Decision>, StoreError> {
        let mut newest = self
            .of_target(target_id)
            .rev()
            .map(|(_, row)| &row.decision);
        let seen = newest.find(|decision| !decision.from_instance_type.is_empty());
        Ok(seen.cloned())
    }

    async fn ended_since(
        &mut self,
        target_id: &str,
        since: Timestamp,
    ) -> Result<Vec<Decision>, StoreError> {
        let ended_at = |decision: &Decision| decision.end.as_ref().map(|end| end.at);
        let mut found: Vec<Decision> = self
            .of_target(target_id)
            .map(|(_, row)| &row.decision)
            .filter(|decision| ended_at(decision).is_some_and(|at| at >= since))
            .cloned()
            .collect();
        found.sort_by_key(|decision| std::cmp::Reverse(ended_at(decision)));
        Ok(found)
    }

    async fn pending_action(
        &mut self,
        target_id: &str,
        instance_id: &str,
    ) -> Result<Option<PendingAction>, StoreError> {
        let of_both = |decision: &&Decision| {
            decision.target_id == target_id || decision.instance_id == instance_id
        };
        let found = self
            .pending()
            .map(|(_, row)| &row.decision)
            .filter(of_both)
            .min_by_key(|decision| decision.target_id != target_id);
        Ok(found.map(|decision| PendingAction {
            decision_id: decision.decision_id.clone(),
            target_id: decision.target_id.clone(),
            action: decision.verdict.action,
            from_instance_type: decision.from_instance_type.clone(),
            to_instance_type: decision.verdict.to_instance_type.clone(),
            decided_at: decision.decided_at,
        }))
    }

    async fn count_pending(&mut self) -> Result<i64, StoreError> {
        Ok(count(self.pending().count()))
    }

    async fn newest_decision_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let newest = self.before(i64::MAX).next();
        Ok(newest.map(|(_, row)| row.decision.decided_at))
    }

    async fn resizes(&mut self, target_id: &str, limit: u32) -> Result<Vec<Resize>, StoreError> {
        let newest = self.of_target(target_id).rev();
        let resizes = newest.filter_map(|(_, row)| resize(&row.decision));
        Ok(resizes.take(limit as usize).collect())
    }

    async fn cooldowns(&mut self, target_id: &str) -> Result<Cooldowns, StoreError> {
        Ok(self.cooldowns.get(target_id).cloned().unwrap_or_default())
    }

    async fn guide(&mut self, target_id: &str) -> Result<Option<Guide>, StoreError> {
        let found = self.reviews.get(target_id);
        Ok(found.map(|(guide, _)| guide.clone()))
    }

    async fn review(&mut self, target_id: &str) -> Result<Option<Review>, StoreError> {
        let found = self.reviews.get(target_id);
        Ok(found.map(|(_, review)| review.clone()))
    }

    async fn targets_rested_since(&mut self, since: Timestamp) -> Result<Vec<String>, StoreError> {
        let rested = |cooldowns: &Cooldowns| {
            let mut ends = Direction::ALL.into_iter();
            ends.any(|direction| {
                let end = cooldowns.get(direction);
                end.is_some_and(|end| end.ended_at > since)
            })
        };
        let found = self.cooldowns.iter();
        let found = found.filter(|(_, cooldowns)| rested(cooldowns));
        Ok(found.map(|(target_id, _)| target_id.clone()).collect())
    }

    async fn default_strategy(&mut self) -> Result<Strategy, StoreError> {
        // It was never in use before.
        Ok(Strategy::default())
    }

    async fn applied_policy(&mut self) -> Result<Option<Applied>, StoreError> {
        let newest = self.applications.last_key_value();
        Ok(newest.and_then(|(_, (version, at))| {
            Some(Applied {
                version: version.clone(),
                policy: self.policies.get(version)?.clone(),
                at: *at,
            })
        }))
    }

    async fn count_policies(&mut self) -> Result<i64, StoreError> {
        Ok(count(self.policies.len()))
    }

    async fn pauses_in_force(
        &mut self,
        names: [&str; 2],
        now: Timestamp,
    ) -> Result<Vec<Pause>, StoreError> {
        let pauses = self.pauses.values();
        let found = pauses.filter(|pause| {
            let name = pause.target_id.as_str();
            (name.is_empty() || names.contains(&name)) && in_force(pause, now)
        });
        Ok(found.cloned().collect())
    }

    async fn pauses_after(
        &mut self,
        after: Option<&str>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Pause>, StoreError> {
        let pauses = self.pauses.values();
        let found = pauses.filter(|pause| {
            after.is_none_or(|after| pause.target_id.as_str() > after) && in_force(pause, now)
        });
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(found.take(limit).cloned().collect())
    }

    async fn count_pauses(&mut self, now: Timestamp) -> Result<i64, StoreError> {
        let pauses = self.pauses.values();
        Ok(count(pauses.filter(|pause| in_force(pause, now)).count()))
    }

    async fn is_known(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(name.is_empty()
            || self.of_target(name).next().is_some()
            || self.cooldowns.contains_key(name)
            || self.pauses.contains_key(name))
    }

    async fn lease(&mut self, resource: &str) -> Result<Option<Lease>, StoreError> {
        Ok(self.leases.get(resource).cloned())
    }

    async fn count_unknown_pauses(&mut self) -> Result<i64, StoreError> {
        let names = self.pauses.keys();
        let unknown =
            names.filter(|name| !name.is_empty() && self.of_target(name).next().is_none());
        Ok(count(unknown.count()))
    }

    async fn count_leases(&mut self) -> Result<i64, StoreError> {
        let resources = self.leases.keys();
        Ok(count(resources.filter(|name| *name != FLEET).count()))
    }
}
