//! A store without a disk, as fast as simulations and thousands of schedules need, and one that can be made to fail.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    admission::{Admission, Refusal},
    error::StoreError,
    fence,
    record::{Line, Record},
    refused::Refused,
    store::{Rails, Store},
};
use crate::rails::Recent;

/// Clones share one content.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
    /// Writes that still succeed.
    room: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Content {
    /// In the order in which they were taken on.
    resizes: Vec<Record>,
    lines: BTreeMap<(String, u64), Line>,
    epoch: u64,
    decisions: Option<String>,
    refused: Vec<Refused>,
}

impl Content {
    fn recent(&self, since: Timestamp) -> Vec<Recent> {
        self.resizes
            .iter()
            .filter(|record| !record.dry_run && record.created_at >= since)
            .map(Record::recent)
            .collect()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        let store = Self {
            content: Arc::default(),
            room: Arc::default(),
        };
        store.set_room(true);
        store
    }
}

impl MemoryStore {
    /// After so many more writes it can't be written.
    pub fn set_full_after(&self, writes: u64) {
        self.room.store(writes, Ordering::Relaxed);
    }

    /// From now on it can be written, or can't.
    pub fn set_room(&self, room: bool) {
        self.set_full_after(if room { u64::MAX } else { 0 });
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Every change is made in one piece, so what a panicking holder left is whole.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> Result<(), StoreError> {
        let left = self.room.load(Ordering::Relaxed);
        if left == 0 {
            return Err(StoreError::Unavailable("the disk is full".to_owned()));
        }
        self.room.store(left.saturating_sub(1), Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn admit(
        &self,
        record: &Record,
        rails: Option<&Rails<'_>>,
    ) -> Result<Result<Admission, Refusal>, StoreError> {
        self.room()?;
        let request = &record.request;
        let mut content = self.content();
        let same = |known: &&Record| known.request.resize_id == request.resize_id;
        if let Some(known) = content.resizes.iter().find(same) {
            return Ok(Admission::of_known(known.clone(), request));
        }
        if request.lease_epoch != 0
            && fence::is_stale(request.lease_epoch, content.epoch, record.created_at)
        {
            return Ok(Err(Refusal::StaleEpoch {
                given: request.lease_epoch,
                highest: content.epoch,
            }));
        }
        if let Some(rails) = rails {
            let recent = content.recent(rails.since);
            if let Some(objection) = (rails.judge)(&recent, content.decisions.as_deref()) {
                return Ok(Err(Refusal::Objection(objection)));
            }
        }
        let busy = |known: &&Record| {
            known.request.instance_id == request.instance_id
                && known.finished_at.is_none()
                && !known.dry_run
        };
        if let Some(active) = content.resizes.iter().find(busy) {
            return Ok(Err(Refusal::Busy {
                instance_id: request.instance_id.clone(),
                active: active.request.resize_id.clone(),
            }));
        }
        if record.moves_the_fence() {
            content.epoch = request.lease_epoch;
        }
        content.resizes.push(record.clone());
        Ok(Ok(Admission::New(record.clone())))
    }

    async fn write(&self, record: &Record, lines: &[Line]) -> Result<(), StoreError> {
        self.room()?;
        let resize_id = &record.request.resize_id;
        let mut content = self.content();
        if let Some(known) = content
            .resizes
            .iter_mut()
            .find(|known| known.request.resize_id == *resize_id)
        {
            *known = record.clone();
        }
        for line in lines {
            content
                .lines
                .entry((resize_id.clone(), line.seq))
                .or_insert_with(|| line.clone());
        }
        Ok(())
    }

    async fn get(&self, resize_id: &str) -> Result<Option<Record>, StoreError> {
        let content = self.content();
        let mut found = content.resizes.iter();
        Ok(found
            .find(|record| record.request.resize_id == resize_id)
            .cloned())
    }

    async fn list(
        &self,
        instance_id: Option<&str>,
        active_only: bool,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let content = self.content();
        Ok(content
            .resizes
            .iter()
            .rev()
            .filter(|record| instance_id.is_none_or(|id| record.request.instance_id == id))
            .filter(|record| !(active_only && record.finished_at.is_some()))
            .take(limit)
            .cloned()
            .collect())
    }

    #[cfg(test)]
    async fn lines(&self, resize_id: &str) -> Result<Vec<Line>, StoreError> {
        let content = self.content();
        Ok(content
            .lines
            .iter()
            .filter(|((id, _), _)| id == resize_id)
            .map(|(_, line)| line.clone())
            .collect())
    }

    async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError> {
        Ok(self.content().recent(since))
    }

    async fn decisions(&self) -> Result<Option<String>, StoreError> {
        match self.room.load(Ordering::Relaxed) {
            0 => Err(StoreError::Unavailable("it is away".to_owned())),
            _ => Ok(self.content().decisions.clone()),
        }
    }

    fn keeps_decisions(&self) -> bool {
        true
    }

    async fn decide(&self, document: &str) -> Result<(), StoreError> {
        self.room()?;
        self.content().decisions = Some(document.to_owned());
        Ok(())
    }

    async fn fence(&self) -> Result<u64, StoreError> {
        Ok(self.content().epoch)
    }

    async fn note_refused(&self, refused: &Refused) -> Result<(), StoreError> {
        self.room()?;
        let mut content = self.content();
        content.refused.retain(|known| {
            (&known.instance_id, &known.target) != (&refused.instance_id, &refused.target)
        });
        content.refused.push(refused.clone());
        Ok(())
    }

    async fn refused(&self) -> Result<Vec<Refused>, StoreError> {
        Ok(self.content().refused.clone())
    }

    async fn forget_refused(
        &self,
        instance_id: Option<&str>,
        target: Option<&str>,
    ) -> Result<u64, StoreError> {
        self.room()?;
        let mut content = self.content();
        let before = content.refused.len();
        content.refused.retain(|known| {
            instance_id.is_some_and(|id| known.instance_id != id)
                || target.is_some_and(|target| known.target != target)
        });
        Ok((before - content.refused.len()) as u64)
    }

    async fn forget(&self, ended_before: Timestamp) -> Result<u64, StoreError> {
        self.room()?;
        let mut content = self.content();
        let before = content.resizes.len();
        let old = |record: &Record| record.finished_at.is_some_and(|at| at < ended_before);
        content.resizes.retain(|record| !old(record));
        Ok((before - content.resizes.len()) as u64)
    }
}
