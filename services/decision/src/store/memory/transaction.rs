//! Changes of the tables.

use std::{
    collections::HashSet,
    ops::{Deref, DerefMut},
};

use async_trait::async_trait;
use jiff::Timestamp;
use sizing::review::Review;
use tokio::sync::OwnedRwLockWriteGuard;

use super::tables::{Row, Tables};
use crate::{
    decide::{guide::Guide, record::Stored, run::Run, verdict::Action},
    fleet::{
        cooldown::Cooldowns,
        direction::Direction,
        lease::{FLEET, Lease},
        outcome::End,
        pause::Pause,
    },
    policy::document::{Policy, Strategy},
    store::{APPLICATIONS_KEPT, Transaction, error::StoreError},
};

/// The tables, for one who may change them: what is not kept is taken back.
pub(super) struct Writing(pub(super) OwnedRwLockWriteGuard<Tables>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

impl Deref for Writing {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.0
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut Tables {
        &mut self.0
    }
}

fn refused<T>(why: &str) -> Result<T, StoreError> {
    Err(StoreError::Statement(why.into()))
}

impl Writing {
    /// Writes a decision after all others; its place.
    fn add(&mut self, stored: &Stored) -> Result<i64, StoreError> {
        let Stored {
            decision,
            input,
            state,
            policy: _,
        } = stored.clone();
        if self.find(&decision.decision_id).is_some()
            || self
                .of_tick(&decision.tick_id, &decision.target_id)
                .is_some()
        {
            return refused("a decision has one id, and is the only one of its tick and target");
        }
        let twin = self.pending().any(|(_, row)| {
            row.decision.target_id == decision.target_id
                || row.decision.instance_id == decision.instance_id
        });
        if decision.pending && twin {
            return refused("a target and an instance have one action under way");
        }
        if !self.policies.contains_key(&decision.policy_version) {
            return refused("the policy of a decision must be remembered first");
        }
        Ok(self.append(Row {
            decision,
            input,
            state,
        }))
    }
}

#[async_trait]
impl Transaction for Writing {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.keep();
        Ok(())
    }

    async fn insert(&mut self, stored: &Stored) -> Result<(), StoreError> {
        self.add(stored).map(|_| ())
    }

    async fn insert_hold(&mut self, stored: &Stored, run: &Run) -> Result<(), StoreError> {
        let place = self.add(stored)?;
        match self.keep_run(run, place) {
            Some(()) => Ok(()),
            None => refused("a run has lost its first hold"),
        }
    }

    async fn end(&mut self, decision_id: &str, end: &End) -> Result<(), StoreError> {
        let Some((place, row)) = self.find(decision_id) else {
            return Ok(());
        };
        if row.decision.end.is_none() {
            let mut row = row.clone();
            row.decision.pending = false;
            row.decision.end = Some(end.clone());
            self.set_row(place, Some(row));
        }
        Ok(())
    }

    async fn delete_old(
        &mut self,
        holds_before: Timestamp,
        actions_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let old = |place: i64, row: &Row| {
            let decision = &row.decision;
            !decision.pending
                && self.ended_so_far(place, row) < holds_before
                && (decision.verdict.action == Action::Hold || decision.decided_at < actions_before)
        };
        let old: Vec<i64> = self
            .rows()
            .filter(|(place, row)| old(*place, row))
            .map(|(place, _)| place)
            .take(limit)
            .collect();
        for place in &old {
            self.remove(*place);
        }
        Ok(old.len() as u64)
    }

    async fn set_cooldowns(
        &mut self,
        target_id: &str,
        cooldowns: &Cooldowns,
    ) -> Result<(), StoreError> {
        let mut kept = self.cooldowns.get(target_id).cloned().unwrap_or_default();
        for direction in Direction::ALL {
            if let Some(end) = cooldowns.get(direction) {
                let mut end = end.clone();
                // Of this process, not of what it remembers.
                end.timer_running = false;
                *kept.get_mut(direction) = Some(end);
            }
        }
        self.set(
            |tables| &mut tables.cooldowns,
            target_id.to_owned(),
            Some(kept),
        );
        Ok(())
    }

    async fn set_review(
        &mut self,
        target_id: &str,
        guide: &Guide,
        review: &Review,
    ) -> Result<(), StoreError> {
        self.set(
            |tables| &mut tables.reviews,
            target_id.to_owned(),
            Some((guide.clone(), review.clone())),
        );
        Ok(())
    }

    async fn delete_old_reviews(
        &mut self,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let decides = |target_id: &str| {
            let newest = self.of_target(target_id).next_back();
            let policy =
                newest.and_then(|(_, row)| self.policies.get(&row.decision.policy_version));
            policy.is_some_and(|policy| policy.strategy == Strategy::Adaptive)
        };
        let old: Vec<String> = self
            .reviews
            .iter()
            .filter(|(target_id, (guide, _))| guide.reviewed_at < before && !decides(target_id))
            .map(|(target_id, _)| target_id.clone())
            .take(limit)
            .collect();
        let deleted = old.len() as u64;
        for target_id in old {
            self.set(|tables| &mut tables.reviews, target_id, None);
        }
        Ok(deleted)
    }

    async fn remember_policy(
        &mut self,
        version: &str,
        policy: &Policy,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.policies.contains_key(version) {
            // No part of the document.
            let policy = Policy {
                source: None,
                ..policy.clone()
            };
            self.set(
                |tables| &mut tables.policies,
                version.to_owned(),
                Some(policy),
            );
        }
        Ok(())
    }

    async fn apply_policy(&mut self, version: &str, now: Timestamp) -> Result<(), StoreError> {
        if !self.policies.contains_key(version) {
            return refused("a policy must be remembered before it is applied");
        }
        let last = self.applications.last_key_value();
        let place = last.map_or(0, |(place, _)| *place) + 1;
        let application = (version.to_owned(), now);
        self.set(|tables| &mut tables.applications, place, Some(application));
        Ok(())
    }

    async fn forget_unused_policies(&mut self) -> Result<(), StoreError> {
        let last = self.applications.last_key_value();
        let last = last.map_or(0, |(place, _)| *place);
        let old: Vec<i64> = self
            .applications
            .range(..=last - APPLICATIONS_KEPT)
            .map(|(place, _)| *place)
            .collect();
        for place in old {
            self.set(|tables| &mut tables.applications, place, None);
        }
        let applied = self.applications.values().map(|(version, _)| version);
        let decided = self.rows().map(|(_, row)| &row.decision.policy_version);
        let used: HashSet<&String> = applied.chain(decided).collect();
        let unused: Vec<String> = self
            .policies
            .keys()
            .filter(|version| !used.contains(version))
            .cloned()
            .collect();
        for version in unused {
            self.set(|tables| &mut tables.policies, version, None);
        }
        Ok(())
    }

    async fn set_pause(&mut self, pause: &Pause) -> Result<(), StoreError> {
        self.set(
            |tables| &mut tables.pauses,
            pause.target_id.clone(),
            Some(pause.clone()),
        );
        Ok(())
    }

    async fn resume(&mut self, target_id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let pause = self.pauses.get(target_id);
        let in_force = pause.is_some_and(|pause| pause.until.is_none_or(|until| until > now));
        self.set(|tables| &mut tables.pauses, target_id.to_owned(), None);
        Ok(in_force)
    }

    async fn set_lease(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let mut lease = lease.clone();
        let before = self.leases.get(&lease.resource);
        lease.epoch = lease.epoch.max(before.map_or(0, |before| before.epoch));
        self.set(
            |tables| &mut tables.leases,
            lease.resource.clone(),
            Some(lease),
        );
        Ok(())
    }

    async fn forget_lease(&mut self, resource: &str) -> Result<(), StoreError> {
        self.set(|tables| &mut tables.leases, resource.to_owned(), None);
        Ok(())
    }

    async fn forget_ended_pauses(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let ended = |pause: &&Pause| pause.until.is_some_and(|until| until <= now);
        let ended: Vec<String> = self
            .pauses
            .values()
            .filter(ended)
            .map(|pause| pause.target_id.clone())
            .collect();
        for target_id in ended {
            self.set(|tables| &mut tables.pauses, target_id, None);
        }
        Ok(())
    }

    async fn forget_unused_leases(&mut self, unused_since: Timestamp) -> Result<(), StoreError> {
        let unused = |lease: &&Lease| lease.resource != FLEET && lease.expires_at < unused_since;
        let unused: Vec<String> = self
            .leases
            .values()
            .filter(unused)
            .map(|lease| lease.resource.clone())
            .collect();
        for resource in unused {
            self.set(|tables| &mut tables.leases, resource, None);
        }
        Ok(())
    }
}
