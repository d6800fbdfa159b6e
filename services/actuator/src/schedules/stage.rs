//! One resize in a cloud of its own, through as many processes as it takes.

use std::sync::Arc;

use common::clock::{ManualClock, SharedClock};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::{
    crashing::CrashingStore,
    faults::Then,
    scene::{FROM, ID, TARGET},
};
use crate::{
    cloud::Operation,
    config::Config,
    executor::Executor,
    fake::FakeCloud,
    journal::{Admission, Journal, Line, Record, Request, Store, memory::MemoryStore},
    metrics::Metrics,
    resize::Resize,
    seal::Seal,
};

/// A schedule that needs more journal lines doesn't end.
const LINES_AT_MOST: u64 = 2_000;

/// One resize in a cloud of its own.
pub struct Stage {
    pub clock: SharedClock,
    pub fake: FakeCloud,
    pub inner: Arc<dyn Store>,
    pub store: Arc<CrashingStore>,
}

/// How a schedule went.
pub struct Ending {
    pub record: Record,
    pub lines: Vec<Line>,
    pub crashes: u32,
    /// Stops until the first crash, where nothing may be stopped after it.
    pub stops_before: Option<usize>,
}

impl Stage {
    pub fn new(inner: Arc<dyn Store>, crash_at: &[u32]) -> Self {
        let start = "2026-03-01T12:00:00Z".parse().unwrap();
        let clock: SharedClock = Arc::new(ManualClock::leaping(start));
        let fake = FakeCloud::new(Arc::clone(&clock));
        fake.add_instance(ID, FROM);
        let store = Arc::new(CrashingStore::new(Arc::clone(&inner), crash_at));
        Self {
            clock,
            fake,
            inner,
            store,
        }
    }

    /// What a process is made of; nothing of it outlives a crash.
    pub fn process(&self) -> (Arc<Journal>, Executor) {
        self.process_in(false)
    }

    pub fn process_in(&self, dry_run: bool) -> (Arc<Journal>, Executor) {
        let config = Arc::new(Config {
            dry_run,
            ..Config::default()
        });
        let journal = Arc::new(Journal::new(Arc::clone(&self.store) as Arc<dyn Store>));
        let executor = Executor::new(
            Arc::new(self.fake.clone()),
            Arc::clone(&self.clock),
            config,
            Arc::clone(&journal),
            Metrics::register(&mut Registry::default(), Arc::clone(&self.clock)),
            CancellationToken::new().into(),
            Seal::with(&"0123456789abcdef0123456789abcdef".into()),
        );
        (journal, executor)
    }

    pub fn request() -> Record {
        let request = Request {
            resize_id: "r1".to_owned(),
            instance_id: ID.to_owned(),
            target: TARGET.to_owned(),
            expected: FROM.to_owned(),
            lease_epoch: 1,
            dry_run: false,
            reason: "schedule".to_owned(),
        };
        let machine = Resize::new(FROM, TARGET, true, Config::default().limits());
        let start = "2026-03-01T12:00:00Z".parse().unwrap();
        Record::new(request, false, machine, start)
    }

    /// The next process after a crash. What a journal that is not to be used holds is copied into memory, each time anew.
    async fn next_process(&self, then: Then) -> (Arc<Journal>, Executor) {
        if then == Then::Degraded {
            let memory = MemoryStore::default();
            for record in self.inner.list(None, true, 10).await.unwrap() {
                assert!(memory.admit(&record, None).await.unwrap().is_ok());
            }
            *self.store.inner.lock().unwrap() = Arc::new(memory);
        }
        let (journal, executor) = self.process_in(then == Then::DryRun);
        if then == Then::Degraded {
            journal.degrade("it is damaged");
        }
        (journal, executor)
    }

    /// From the request to the end, through as many processes as it takes.
    pub async fn run(&self, then: Then) -> Result<Ending, String> {
        let mut crashes = 0;
        let mut stops_before = None;
        let (mut journal, mut executor) = self.process();
        let mut record = match journal.admit(Self::request(), None).await {
            Ok(Admission::New(record)) => record,
            other => return Err(format!("not taken on: {other:?}")),
        };
        loop {
            tokio::select! {
                biased;
                () = self.store.crashed.notified() => {}
                () = executor.run(record, None) => break,
                () = self.runs_away() => return Err("it does not end".to_owned()),
            }
            crashes += 1;
            if then != Then::TheSame {
                stops_before.get_or_insert(self.fake.count(Operation::Stop));
            }
            if then == Then::DryRun {
                // No other type is tried: it comes up when there is room for the one it has.
                for name in [FROM, TARGET] {
                    self.fake.set_capacity(name, true);
                    self.fake.set_boots(name, true);
                }
            }
            self.clock.sleep(then.outage()).await;
            (journal, executor) = self.next_process(then).await;
            let mut unfinished = journal
                .unfinished()
                .await
                .map_err(|error| error.to_string())?;
            if unfinished.len() > 1 {
                return Err(format!("{} active resizes", unfinished.len()));
            }
            match unfinished.pop() {
                Some(found) => record = found,
                None => break,
            }
            executor.prepare(&mut record);
        }
        // What a full disk kept waiting.
        journal.flush().await.map_err(|error| error.to_string())?;
        let store = self.store.inner();
        let record = store.get("r1").await.map_err(|error| error.to_string())?;
        let record = match record {
            // It had ended before the crash.
            None => self
                .inner
                .get("r1")
                .await
                .map_err(|error| error.to_string())?,
            found => found,
        };
        Ok(Ending {
            record: record.ok_or("forgotten")?,
            lines: store.lines("r1").await.map_err(|error| error.to_string())?,
            crashes,
            stops_before,
        })
    }

    async fn runs_away(&self) {
        loop {
            let lines = self.store.inner().get("r1").await.ok().flatten();
            if lines.is_some_and(|record| record.lines > LINES_AT_MOST) {
                return;
            }
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        }
    }
}
