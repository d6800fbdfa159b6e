//! Crashes, faults and lost answers in every order: the real executor and journal over the fake cloud.
//!
//! A schedule is a fault, and the journal lines before or after which the process ends. After each crash another process
//! takes over what the store has. Time is virtual.

mod faults;
mod flags;
mod recorded;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use common::clock::{ManualClock, SharedClock};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::faults::{Fault, Then};
use crate::{
    cloud::{ErrorKind, InstanceState, Operation},
    config::Config,
    executor::Executor,
    fake::{Effect, FakeCloud},
    journal::{
        Admission, Journal, Kind, Line, Rails, Record, Refusal, Refused, Request, SqlStore, Store,
        StoreError, memory::MemoryStore,
    },
    metrics::Metrics,
    rails::Recent,
    resize::{Breadcrumb, Outcome, Resize},
    seal::Seal,
};

const ID: &str = "i-0123456789abcdef0";
const FROM: &str = "t3.small";
const TARGET: &str = "t3.medium";
/// Between a crash and the next process.
const OUTAGE: Duration = Duration::from_secs(20);
/// A schedule that needs more journal lines doesn't end.
const LINES_AT_MOST: u64 = 2_000;

/// Ends the process before and after chosen writes: point 0 is before the first, 1 after it, and so on.
#[derive(Debug)]
struct CrashingStore {
    inner: Mutex<Arc<dyn Store>>,
    points: AtomicU32,
    crash_at: Vec<u32>,
    crashed: Notify,
}

impl CrashingStore {
    fn new(inner: Arc<dyn Store>, crash_at: &[u32]) -> Self {
        Self {
            inner: Mutex::new(inner),
            points: AtomicU32::new(0),
            crash_at: crash_at.to_vec(),
            crashed: Notify::new(),
        }
    }

    fn inner(&self) -> Arc<dyn Store> {
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

/// One resize in a cloud of its own.
struct Stage {
    clock: SharedClock,
    fake: FakeCloud,
    inner: Arc<dyn Store>,
    store: Arc<CrashingStore>,
}

/// How a schedule went.
struct Ending {
    record: Record,
    lines: Vec<Line>,
    crashes: u32,
    /// Stops until the first crash, where nothing may be stopped after it.
    stops_before: Option<usize>,
}

impl Stage {
    fn new(inner: Arc<dyn Store>, crash_at: &[u32]) -> Self {
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
    fn process(&self) -> (Arc<Journal>, Executor) {
        self.process_in(false)
    }

    fn process_in(&self, dry_run: bool) -> (Arc<Journal>, Executor) {
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
            Metrics::register(&mut Registry::default()),
            CancellationToken::new().into(),
            Seal::with(&"0123456789abcdef0123456789abcdef".into()),
        );
        (journal, executor)
    }

    fn request() -> Record {
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
    async fn run(&self, then: Then) -> Result<Ending, String> {
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

    /// What must be true of every schedule.
    async fn judge(&self, fault: &Fault, ending: &Ending) -> Result<(), String> {
        let Ending {
            record,
            lines,
            crashes,
            stops_before,
        } = ending;
        let fake = &self.fake;
        let outcome = record.outcome().ok_or("it has not ended")?;
        // What was begun comes to its end.
        self.clock.sleep(Duration::from_secs(600)).await;
        let (state, runs_on) = (
            fake.state(ID).ok_or("no instance")?,
            fake.instance_type(ID).unwrap_or_default(),
        );
        let up = state == InstanceState::Running;
        let as_it_was = up && runs_on == FROM && fake.resizes(ID) == 0;
        let good = match outcome {
            Outcome::Gone => state.is_gone(),
            _ if state.is_gone() => fault.terminates,
            // A user who stops it when we have let go of it gets what he wants.
            _ if !up && fault.a_user_stops => true,
            Outcome::Succeeded => up && runs_on == TARGET,
            Outcome::RolledBack => up && runs_on == FROM,
            Outcome::FellBack => up && runs_on != TARGET && runs_on != FROM,
            Outcome::Refused => as_it_was,
            Outcome::DryRun => false,
        };
        if !good {
            return Err(format!("{outcome:?} and {state} on {runs_on}"));
        }
        // A crash costs a try, and can so cost the new type; it costs time, and can so come too late for a roll back.
        let tried_less =
            crashes > &0 && matches!(outcome, Outcome::RolledBack | Outcome::Succeeded);
        if !fault.outcomes.is_empty() && !fault.outcomes.contains(&outcome) && !tried_less {
            return Err(format!("{outcome:?} is not among {:?}", fault.outcomes));
        }
        let stops = fake.count(Operation::Stop);
        if stops > stops_before.unwrap_or(fault.stops) {
            return Err(format!("{stops} stops"));
        }
        // A start may come before it, where a stop may have been carried out.
        let starts = match crashes {
            0 => fake.count(Operation::Start),
            _ => 0,
        };
        if outcome == Outcome::Refused && fake.count(Operation::ModifyType) + starts > 0 {
            return Err("changed after a refusal".to_owned());
        }
        if fault.stops == 0 && fake.mutations() > 0 {
            return Err(format!("{} calls that change something", fake.mutations()));
        }
        let tagged = fake.tags(ID).contains_key(Breadcrumb::TAG);
        if tagged && !fault.tag_may_stay && !state.is_gone() {
            return Err("the tag stays".to_owned());
        }
        match fault.then {
            // Only what came after the crash is there.
            Then::Degraded if crashes > &0 => Ok(()),
            _ => self.judge_journal(fault, record, lines),
        }
    }

    fn judge_journal(&self, fault: &Fault, record: &Record, lines: &[Line]) -> Result<(), String> {
        for (index, line) in lines.iter().enumerate() {
            if line.seq != index as u64 + 1 {
                return Err(format!("line {} is missing", index + 1));
            }
        }
        if lines.len() as u64 != record.lines {
            return Err(format!("{} lines of {}", lines.len(), record.lines));
        }
        for (operation, steps) in [
            // Renewed before what follows an accepted start.
            (Operation::SetTag, &["mark", "stop", "modify", "start"][..]),
            (Operation::Stop, &["stop"]),
            (Operation::ModifyType, &["modify"]),
            (Operation::Start, &["start", "confirm"]),
            (Operation::RemoveTag, &["unmark"]),
        ] {
            let intents = lines
                .iter()
                .filter(|line| line.kind == Kind::Intent && steps.contains(&line.step.as_str()))
                .count();
            let calls = self.fake.count(operation);
            if calls > intents && !fault.journal_fails {
                return Err(format!("{calls} calls of {operation:?}, {intents} intents"));
            }
        }
        Ok(())
    }
}

/// Plays one schedule; returns how many crash points it had, and how many of the crashes happened.
async fn play(
    fault: &Fault,
    crash_at: &[u32],
    inner: Arc<dyn Store>,
) -> Result<(u32, u32), String> {
    let stage = Stage::new(inner, crash_at);
    (fault.prepare)(&stage.fake);
    let named = |error: String| format!("{}, crashes at {crash_at:?}: {error}", fault.name);
    let ending = stage.run(fault.then).await.map_err(named)?;
    stage.judge(fault, &ending).await.map_err(|error| {
        let story: Vec<String> = ending
            .lines
            .iter()
            .map(|line| format!("\n  {:?} {}: {}", line.kind, line.step, line.detail))
            .collect();
        named(format!("{error}{}", story.concat()))
    })?;
    Ok((stage.store.points.load(Ordering::Relaxed), ending.crashes))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Plays `schedules` on all cores; returns how many there were.
fn all(faults: &[Fault], crashes: impl Fn(&Fault) -> Vec<Vec<u32>> + Sync) -> usize {
    let next = AtomicU32::new(0);
    let count = AtomicU32::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = runtime();
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    for crash_at in crashes(fault) {
                        let store = Arc::new(MemoryStore::default());
                        if let Err(failure) = runtime.block_on(play(fault, &crash_at, store)) {
                            failures.lock().unwrap().push(failure);
                            break;
                        }
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    count.into_inner() as usize
}

/// How many crash points a fault has when nothing crashes.
fn points(fault: &Fault) -> u32 {
    let store = Arc::new(MemoryStore::default());
    let played = runtime().block_on(play(fault, &[], store));
    played.map_or(0, |(points, _)| points)
}

/// None, and one at each point.
fn with_each_crash(fault: &Fault) -> Vec<Vec<u32>> {
    let crashes = (0..points(fault)).map(|point| vec![point]);
    std::iter::once(Vec::new()).chain(crashes).collect()
}

#[test]
fn every_crash_before_and_after_every_line_with_every_fault_ends_running_or_gone() {
    let start = Instant::now();
    let faults = faults::all();
    let single = all(&faults, with_each_crash);
    // A crash in the first process, and another in the second, soon and late.
    let few: Vec<Fault> = faults::all()
        .into_iter()
        .filter(|fault| fault.twice)
        .collect();
    let double = all(&few, |fault| {
        let points = points(fault);
        (0..points)
            .flat_map(|first| [1, 2, 3, 5, 9].map(|distance| vec![first, first + distance]))
            .collect()
    });
    eprintln!(
        "{} schedules: {single} with a crash or none of {} faults, {double} with two crashes of {} faults; {:?}",
        single + double,
        faults.len(),
        few.len(),
        start.elapsed()
    );
    assert!(single + double > 10_000, "{single} + {double}");
}

#[test]
fn every_crash_with_a_fault_and_a_lost_call_ends_running_or_gone() {
    let start = Instant::now();
    let faults = faults::with_lost_calls();
    let count = all(&faults, with_each_crash);
    eprintln!(
        "{count} schedules with a crash or none of {} faults that a lost call comes on top of; {:?}",
        faults.len(),
        start.elapsed()
    );
    assert!(count > 8_000, "{count}");
}

/// One crash and two, with each fault, and something else after the first.
fn each_crash_and_then(then: Then) {
    let start = Instant::now();
    let faults: Vec<Fault> = faults::all().iter().map(|fault| fault.then(then)).collect();
    let single = all(&faults, |fault| {
        (0..points(fault)).map(|point| vec![point]).collect()
    });
    let few: Vec<Fault> = faults.into_iter().filter(|fault| fault.twice).collect();
    let double = all(&few, |fault| {
        (0..points(fault))
            .flat_map(|first| [1, 2, 3, 5, 9].map(|distance| vec![first, first + distance]))
            .collect()
    });
    eprintln!(
        "{} schedules of a crash, then {then:?}: {single} with one crash, {double} with another; {:?}",
        single + double,
        start.elapsed()
    );
    assert!(single + double > 5_000, "{single} + {double}");
}

#[test]
fn every_crash_before_dry_run_ends_running_or_gone() {
    each_crash_and_then(Then::DryRun);
}

#[test]
fn every_crash_with_a_journal_that_is_not_to_be_used_ends_running_or_gone() {
    each_crash_and_then(Then::Degraded);
}

#[test]
fn every_crash_and_days_without_a_process_ends_running_or_gone() {
    each_crash_and_then(Then::Old);
}

#[test]
fn on_sqlite_every_crash_of_a_resize_without_a_fault_ends_as_in_memory() {
    let none = faults::none();
    let points = points(&none);
    assert!(points >= 30, "{points}");
    let runtime = runtime();
    for point in 0..points {
        runtime.block_on(async {
            let store = SqlStore::open(":memory:").await.unwrap();
            let (_, crashes) = play(&none, &[point], Arc::new(store)).await.unwrap();
            assert_eq!(crashes, 1, "at {point}");
        });
    }
}

#[test]
fn a_journal_that_fails_forbids_the_stop_and_never_the_start() {
    let runtime = runtime();
    let mut stopped = 0;
    for good_writes in 0..30 {
        runtime.block_on(async {
            let memory = MemoryStore::default();
            let stage = Stage::new(Arc::new(memory.clone()), &[]);
            memory.set_full_after(good_writes);
            let (journal, executor) = stage.process();
            let Ok(Admission::New(record)) = journal.admit(Stage::request(), None).await else {
                assert_eq!(good_writes, 0);
                return;
            };
            executor.run(record, None).await;
            let record = journal.get("r1").await.unwrap().unwrap();
            let outcome = record.outcome().unwrap();
            stage.clock.sleep(Duration::from_secs(600)).await;
            assert_eq!(stage.fake.state(ID), Some(InstanceState::Running));
            let stops = stage.fake.count(Operation::Stop);
            let expected = match stops {
                0 => Outcome::Refused,
                _ => Outcome::Succeeded,
            };
            assert_eq!(outcome, expected, "after {good_writes} writes");
            stopped += stops;
            // Back again: nothing is lost.
            memory.set_room(true);
            journal.flush().await.unwrap();
            let stored = memory.get("r1").await.unwrap().unwrap();
            assert_eq!(stored.outcome(), Some(expected));
            assert_eq!(memory.lines("r1").await.unwrap().len() as u64, stored.lines);
        });
    }
    assert!((10..30).contains(&stopped), "{stopped}");
}

fn kinds() -> impl Strategy<Value = ErrorKind> {
    prop::sample::select(vec![
        ErrorKind::InsufficientCapacity,
        ErrorKind::Unsupported,
        ErrorKind::NotForThisInstance,
        ErrorKind::LimitExceeded,
        ErrorKind::Throttled,
        ErrorKind::Unauthorized,
        ErrorKind::CredentialsExpired,
        ErrorKind::NotFound,
        ErrorKind::WrongState,
        ErrorKind::TypeMismatch,
        ErrorKind::LostReply,
        ErrorKind::Internal,
        ErrorKind::Invalid,
    ])
}

fn effects() -> impl Strategy<Value = Effect> {
    prop_oneof![
        4 => kinds().prop_map(Effect::Fail),
        2 => Just(Effect::DropBefore),
        2 => Just(Effect::DropAfter),
        1 => (1_u64..120).prop_map(|seconds| Effect::Delay(Duration::from_secs(seconds))),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    prop::sample::select(vec![
        Operation::SetTag,
        Operation::Stop,
        Operation::ModifyType,
        Operation::Start,
        Operation::RemoveTag,
        Operation::SendScript,
        Operation::DescribeInstance,
        Operation::Status,
        Operation::PollCommand,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_faults_and_crashes_end_running(
        effects in prop::collection::vec((operations(), 1_u32..12, effects()), 0..12),
        crash_at in prop::collection::vec(0_u32..80, 0..6),
        lag in 0_u64..50,
        no_room in prop::collection::vec(prop::sample::select(vec![FROM, TARGET]), 0..2),
    ) {
        let fault = Fault { stops: 12, tag_may_stay: true, ..faults::none().with_any_outcome() };
        let stage = Stage::new(Arc::new(MemoryStore::default()), &crash_at);
        for (operation, call, effect) in effects {
            stage.fake.inject_calls(operation, call..=call, effect);
        }
        stage.fake.set_lag(Duration::from_secs(lag));
        for name in no_room {
            stage.fake.set_capacity(name, false);
        }
        runtime().block_on(async {
            let ending = stage.run(Then::TheSame).await.map_err(TestCaseError::fail)?;
            stage.judge(&fault, &ending).await.map_err(TestCaseError::fail)
        })?;
    }
}
