//! Crashes, faults and lost answers in every order: the real executor and journal over the fake cloud.
//!
//! A schedule is a fault, and the journal lines before or after which the process ends. After each crash another process
//! takes over what the store has. Time is virtual.

mod crashing;
mod faults;
mod flags;
mod play;
mod recorded;
mod recording;
mod scene;
mod stage;
mod verdict;

use std::{sync::Arc, time::Duration};

use common::clock::machine;
use proptest::prelude::*;

use self::{
    faults::{Fault, Then},
    play::{all, play, points, runtime, with_each_crash},
    scene::{FROM, ID, TARGET},
    stage::Stage,
};
use crate::{
    cloud::{ErrorKind, InstanceState, Operation},
    fake::Effect,
    journal::{Admission, SqlStore, Store as _, memory::MemoryStore},
    resize::Outcome,
};

#[test]
fn every_crash_before_and_after_every_line_with_every_fault_ends_running_or_gone() {
    let begin = machine().monotonic();
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
        machine().since(begin)
    );
    assert!(single + double > 10_000, "{single} + {double}");
}

#[test]
fn every_crash_with_a_fault_and_a_lost_call_ends_running_or_gone() {
    let begin = machine().monotonic();
    let faults = faults::with_lost_calls();
    let count = all(&faults, with_each_crash);
    eprintln!(
        "{count} schedules with a crash or none of {} faults that a lost call comes on top of; {:?}",
        faults.len(),
        machine().since(begin)
    );
    assert!(count > 8_000, "{count}");
}

/// One crash and two, with each fault, and something else after the first.
fn each_crash_and_then(then: Then) {
    let begin = machine().monotonic();
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
        machine().since(begin)
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
