//! The journal: the resizes that are under way, over the store that keeps all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::clock::machine;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use super::{
    admission::{Admission, Refusal},
    error::StoreError,
    fence,
    record::{Line, Record, Request},
    refused::{Refused, spreads},
    store::{Rails, Store},
};
use crate::rails::Recent;

/// A write that takes longer has failed.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// Lines of one resize that wait for the store at most; older ones are let go, the state is not.
const LINES_WAITING: usize = 2_000;

/// All resizes.
#[derive(Debug)]
pub struct Journal {
    store: Arc<dyn Store>,
    live: Mutex<HashMap<String, Live>>,
    /// Held while the store is written, so that no older state comes after a newer one.
    writing: tokio::sync::Mutex<()>,
    failing: AtomicBool,
    fence_resets: Counter,
    /// Why nothing new is taken on or stopped, for as long as this process lives.
    degraded: watch::Sender<Option<Arc<str>>>,
}

/// A resize that has not ended, or whose end is not written yet.
#[derive(Debug)]
struct Live {
    sender: watch::Sender<Arc<Record>>,
    /// Not in the store yet.
    waiting: Vec<Line>,
    /// The store has an older state.
    dirty: bool,
}

impl Live {
    fn new(record: Record) -> Self {
        Self {
            sender: watch::Sender::new(Arc::new(record)),
            waiting: Vec::new(),
            dirty: false,
        }
    }
}

impl Journal {
    /// Over a store that nobody else writes.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            live: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            failing: AtomicBool::new(false),
            fence_resets: Counter::default(),
            degraded: watch::Sender::new(None),
        }
    }

    /// From now on nothing new is taken on, and nothing that runs is stopped: what is down is brought up, and that is
    /// all. The first reason stays.
    pub fn degrade(&self, why: impl Into<Arc<str>>) {
        self.degraded.send_if_modified(|degraded| {
            let first = degraded.is_none();
            if first {
                *degraded = Some(why.into());
            }
            first
        });
    }

    /// Why nothing new is taken on, if nothing is.
    pub fn degraded(&self) -> Option<Arc<str>> {
        self.degraded.borrow().clone()
    }

    /// The same, to wait for.
    pub fn degradation(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.degraded.subscribe()
    }

    /// Before a stop, and before what will lead to one.
    ///
    /// # Errors
    /// The journal is not to be used for it.
    pub async fn check(&self) -> Result<(), StoreError> {
        if let Some(why) = self.degraded() {
            return Err(StoreError::Degraded(why.to_string()));
        }
        match within(async { Ok(self.store.displaced().await) }).await? {
            None => Ok(()),
            Some(what) => {
                self.degrade(what.as_str());
                Err(StoreError::Degraded(what))
            }
        }
    }

    /// Counts fences that were reset in `counter`.
    pub fn counting_fence_resets(mut self, counter: Counter) -> Self {
        self.fence_resets = counter;
        self
    }

    /// Every resize that has not ended, as the last process left it. To be called once, at the start.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn unfinished(&self) -> Result<Vec<Record>, StoreError> {
        let records = self.store.list(None, true, usize::MAX).await?;
        let mut live = self.live();
        for record in &records {
            let entry = Live::new(record.clone());
            live.insert(record.request.resize_id.clone(), entry);
        }
        Ok(records)
    }

    /// The resize of that request, if it was taken on before.
    ///
    /// # Errors
    /// The id is taken by a request of other content; or the store can't be read.
    pub async fn known(&self, request: &Request) -> Result<Option<Record>, Refusal> {
        match self.get(&request.resize_id).await? {
            None => Ok(None),
            Some(known) => match Admission::of_known(known, request)? {
                Admission::New(record) | Admission::Known(record) => Ok(Some(record)),
            },
        }
    }

    /// Takes a resize on, unless something speaks against it; see [`Store::admit`].
    ///
    /// # Errors
    /// Says what.
    pub async fn admit(
        &self,
        record: Record,
        rails: Option<&Rails<'_>>,
    ) -> Result<Admission, Refusal> {
        self.check().await?;
        self.take_on(record, rails).await
    }

    /// Takes on what brings a machine back: also while nothing else is taken on.
    ///
    /// # Errors
    /// Says what speaks against it.
    pub async fn take_up(&self, record: Record) -> Result<Admission, Refusal> {
        self.take_on(record, None).await
    }

    async fn take_on(
        &self,
        record: Record,
        rails: Option<&Rails<'_>>,
    ) -> Result<Admission, Refusal> {
        let _writing = self.writing.lock().await;
        let fence = within(self.store.fence()).await?;
        let admission = within(self.store.admit(&record, rails)).await??;
        if let Admission::New(record) = &admission {
            if record.moves_the_fence() && fence::is_ahead(fence, record.created_at) {
                self.fence_resets.inc();
                tracing::error!(
                    fence,
                    epoch = record.request.lease_epoch,
                    "the highest lease epoch seen lay ahead of this machine's clock and was reset: a clock was ahead, or \
                     somebody asked with an epoch of their own making"
                );
            }
            let resize_id = record.request.resize_id.clone();
            self.live().insert(resize_id, Live::new(record.clone()));
        }
        Ok(admission)
    }

    /// Shows those who watch how it stands.
    pub fn publish(&self, record: &Record) {
        if let Some(live) = self.live().get(&record.request.resize_id) {
            live.sender.send_replace(Arc::new(record.clone()));
        }
    }

    /// Writes down how it stands, and a line. Unless it is `needed`, a store that is known to fail is not waited for;
    /// [`Journal::flush`] catches up.
    ///
    /// # Errors
    /// It isn't on the disk. It is remembered, shown, and written later.
    pub async fn write(&self, record: &Record, line: Line, needed: bool) -> Result<(), StoreError> {
        let resize_id = &record.request.resize_id;
        if let Some(live) = self.live().get_mut(resize_id) {
            live.waiting.push(line);
            if live.waiting.len() > LINES_WAITING {
                live.waiting.remove(0);
            }
            live.dirty = true;
            live.sender.send_replace(Arc::new(record.clone()));
        }
        if needed {
            self.check().await?;
        }
        if self.failing.load(Ordering::Relaxed) && !needed {
            return Err(StoreError::Unavailable("it failed before".to_owned()));
        }
        self.write_back(resize_id).await
    }

    /// Writes what could not be written before.
    ///
    /// # Errors
    /// Something still can't.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let dirty: Vec<String> = self
            .live()
            .iter()
            .filter(|(_, live)| live.dirty)
            .map(|(resize_id, _)| resize_id.clone())
            .collect();
        for resize_id in dirty {
            self.write_back(&resize_id).await?;
        }
        Ok(())
    }

    async fn write_back(&self, resize_id: &str) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let Some((record, lines)) = self
            .live()
            .get(resize_id)
            .filter(|live| live.dirty)
            .map(|live| (Arc::clone(&live.sender.borrow()), live.waiting.clone()))
        else {
            return Ok(());
        };
        let written = within(self.store.write(&record, &lines)).await;
        let was_failing = self.failing.swap(written.is_err(), Ordering::Relaxed);
        match &written {
            Ok(()) => {
                if was_failing {
                    tracing::info!("the resize journal can be written again");
                }
                let last = lines.last().map_or(0, |line| line.seq);
                let mut live = self.live();
                if let Some(entry) = live.get_mut(resize_id) {
                    entry.waiting.retain(|line| line.seq > last);
                    entry.dirty = !entry.waiting.is_empty();
                    if record.finished_at.is_some() {
                        // Whoever watches has the last state; the others read the store.
                        live.remove(resize_id);
                    }
                }
            }
            Err(error) if !was_failing => tracing::error!(
                %error,
                "no instance is stopped until the journal can be written; those that are down are started from memory"
            ),
            Err(_) => {}
        }
        written
    }

    /// One resize.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn get(&self, resize_id: &str) -> Result<Option<Record>, StoreError> {
        match self.live_record(resize_id) {
            Some(record) => Ok(Some(Record::clone(&record))),
            None => within(self.store.get(resize_id)).await,
        }
    }

    /// One resize and all that becomes of it.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn watch(
        &self,
        resize_id: &str,
    ) -> Result<Option<watch::Receiver<Arc<Record>>>, StoreError> {
        if let Some(live) = self.live().get(resize_id) {
            return Ok(Some(live.sender.subscribe()));
        }
        // It has ended: a receiver keeps its last value when the sender is gone.
        let ended = within(self.store.get(resize_id)).await?;
        Ok(ended.map(|record| watch::channel(Arc::new(record)).1))
    }

    /// Resizes, newest first: of one instance or of all, those that have not ended or all.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn list(
        &self,
        instance_id: Option<&str>,
        active_only: bool,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let stored = within(self.store.list(instance_id, active_only, limit)).await?;
        let newest = |record: Record| {
            let live = self.live_record(&record.request.resize_id);
            live.map_or(record, |live| Record::clone(&live))
        };
        Ok(stored
            .into_iter()
            .map(newest)
            .filter(|record| !(active_only && record.finished_at.is_some()))
            .collect())
    }

    /// Resizes that were no dry run, taken on at or after `since`; active ones too.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError> {
        within(self.store.recent(since)).await
    }

    /// The highest lease epoch under which something was taken on; 0 before the first.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn fence(&self) -> Result<u64, StoreError> {
        within(self.store.fence()).await
    }

    /// Remembers a type that EC2 refused for good. True when a person should look: from now on it holds for all
    /// machines that are alike.
    ///
    /// # Errors
    /// The store can't be read or written.
    pub async fn note_refused(&self, refused: &Refused) -> Result<bool, StoreError> {
        let _writing = self.writing.lock().await;
        let before = within(self.store.refused()).await?;
        within(self.store.note_refused(refused)).await?;
        Ok(spreads(&before, refused))
    }

    /// Every type that is remembered as refused for good.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn refused(&self) -> Result<Vec<Refused>, StoreError> {
        within(self.store.refused()).await
    }

    /// Forgets refusals; see [`Store::forget_refused`].
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn forget_refused(
        &self,
        instance_id: Option<&str>,
        target: Option<&str>,
    ) -> Result<u64, StoreError> {
        let _writing = self.writing.lock().await;
        within(self.store.forget_refused(instance_id, target)).await
    }

    /// What persons decided, and whether the store is where that is kept.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn decisions(&self) -> Result<Option<String>, StoreError> {
        if !self.store.keeps_decisions() {
            return Ok(None);
        }
        within(self.store.decisions()).await
    }

    /// Keeps what persons decided; false when a file has to, because the store is one itself.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn decide(&self, document: &str) -> Result<bool, StoreError> {
        if !self.store.keeps_decisions() {
            return Ok(false);
        }
        within(self.store.decide(document)).await?;
        Ok(true)
    }

    /// Forgets resizes that ended before; returns how many.
    ///
    /// # Errors
    /// The store can't be written.
    pub async fn forget(&self, ended_before: Timestamp) -> Result<u64, StoreError> {
        let _writing = self.writing.lock().await;
        within(self.store.forget(ended_before)).await
    }

    /// Every resize under way whose machine may be down.
    pub fn down(&self) -> Vec<Arc<Record>> {
        self.live()
            .values()
            .map(|live| Arc::clone(&live.sender.borrow()))
            .filter(|record| record.finished_at.is_none() && record.machine.stop_asked())
            .collect()
    }

    fn live_record(&self, resize_id: &str) -> Option<Arc<Record>> {
        self.live()
            .get(resize_id)
            .map(|live| Arc::clone(&live.sender.borrow()))
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        // Every change is made in one piece, so what a panicking holder left is whole.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A disk doesn't know a simulation's clock.
async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match machine().timeout(WRITE_LIMIT, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Unavailable(format!(
            "no answer within {} s",
            WRITE_LIMIT.as_secs()
        ))),
    }
}
