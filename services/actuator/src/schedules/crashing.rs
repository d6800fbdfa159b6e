//! A store at which the process ends.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::{
    journal::{Admission, Line, Rails, Record, Refusal, Refused, Store, StoreError},
    rails::Recent,
};

/// Ends the process before and after chosen writes: point 0 is before the first, 1 after it, and so on.
#[derive(Debug)]
pub struct CrashingStore {
    pub inner: Mutex<Arc<dyn Store>>,
    pub points: AtomicU32,
    pub crash_at: Vec<u32>,
    pub crashed: Notify,
}

impl CrashingStore {
    pub fn new(inner: Arc<dyn Store>, crash_at: &[u32]) -> Self {
        Self {
            inner: Mutex::new(inner),
            points: AtomicU32::new(0),
            crash_at: crash_at.to_vec(),
            crashed: Notify::new(),
        }
    }

    pub fn inner(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.lock().unwrap())
    }

    async fn point(&self) {
        let point = self.points.fetch_add(1, Ordering::Relaxed);
        if self.crash_at.contains(&point) {
            self.crashed.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Store for CrashingStore {
    async fn admit(
        &self,
        record: &Record,
        rails: Option<&Rails<'_>>,
    ) -> Result<Result<Admission, Refusal>, StoreError> {
        self.inner().admit(record, rails).await
    }

    async fn write(&self, record: &Record, lines: &[Line]) -> Result<(), StoreError> {
        self.point().await;
        let written = self.inner().write(record, lines).await;
        self.point().await;
        written
    }

    async fn get(&self, resize_id: &str) -> Result<Option<Record>, StoreError> {
        self.inner().get(resize_id).await
    }

    async fn list(
        &self,
        instance_id: Option<&str>,
        active_only: bool,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner().list(instance_id, active_only, limit).await
    }

    async fn lines(&self, resize_id: &str) -> Result<Vec<Line>, StoreError> {
        self.inner().lines(resize_id).await
    }

    async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError> {
        self.inner().recent(since).await
    }

    async fn fence(&self) -> Result<u64, StoreError> {
        self.inner().fence().await
    }

    async fn decisions(&self) -> Result<Option<String>, StoreError> {
        self.inner().decisions().await
    }

    fn keeps_decisions(&self) -> bool {
        self.inner().keeps_decisions()
    }

    async fn decide(&self, document: &str) -> Result<(), StoreError> {
        self.inner().decide(document).await
    }

    async fn note_refused(&self, refused: &Refused) -> Result<(), StoreError> {
        self.inner().note_refused(refused).await
    }

    async fn refused(&self) -> Result<Vec<Refused>, StoreError> {
        self.inner().refused().await
    }

    async fn forget_refused(
        &self,
        instance_id: Option<&str>,
        target: Option<&str>,
    ) -> Result<u64, StoreError> {
        self.inner().forget_refused(instance_id, target).await
    }

    async fn forget(&self, ended_before: Timestamp) -> Result<u64, StoreError> {
        self.inner().forget(ended_before).await
    }
}
