//! Journals of an older version, taken at every step of a resize: kept under `tests/fixtures`, and finished by this one.
//!
//! `tests/fixtures/08c3a3d` was written by the code of that commit with `record_a_journal_of_this_version`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use common::clock::{ManualClock, SharedClock};
use jiff::Timestamp;

use super::{
    crashing::CrashingStore,
    recording::{ANY, Machine},
    scene::{FROM, OUTAGE, TARGET},
    stage::Stage,
};
use crate::{
    cloud::{InstanceState, Operation},
    fake::{Deed, FakeCloud},
    journal::{Record, SqlStore, Store},
    resize::{Breadcrumb, Outcome},
};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/08c3a3d");

pub fn machines(folder: &Path) -> Vec<Machine> {
    let text = std::fs::read_to_string(folder.join("machines.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A copy that may be written: the folder, which goes at the end, and the store in it.
pub async fn opened(folder: &Path) -> (tempfile::TempDir, SqlStore) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["actuator.db", "actuator.db-wal"] {
        if folder.join(name).exists() {
            std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
    }
    let path = copy.path().join("actuator.db");
    let store = SqlStore::open(&path.display().to_string()).await.unwrap();
    (copy, store)
}

/// The cloud as it was left, once it is `now` there.
async fn cloud(machine: &Machine, now: Timestamp) -> (SharedClock, FakeCloud) {
    let before = now - jiff::SignedDuration::from_secs(100);
    let clock: SharedClock = Arc::new(ManualClock::leaping(before));
    let fake = FakeCloud::new(Arc::clone(&clock));
    let id = &machine.instance_id;
    fake.add_instance(id, &machine.instance_type);
    if let Some(tag) = &machine.tag {
        use crate::cloud::Machines as _;
        fake.set_tag(id, Breadcrumb::TAG, tag).await.unwrap();
    }
    match machine.state {
        InstanceState::Running => clock.sleep(Duration::from_secs(100)).await,
        InstanceState::Stopping => {
            clock.sleep(Duration::from_secs(90)).await;
            fake.somebody(id, Deed::Stop);
            clock.sleep(Duration::from_secs(10)).await;
        }
        InstanceState::Stopped => {
            fake.somebody(id, Deed::Stop);
            clock.sleep(Duration::from_secs(100)).await;
        }
        InstanceState::Pending => {
            fake.somebody(id, Deed::Stop);
            clock.sleep(Duration::from_secs(90)).await;
            fake.somebody(id, Deed::Start);
            clock.sleep(Duration::from_secs(10)).await;
        }
        InstanceState::ShuttingDown | InstanceState::Terminated => {
            fake.somebody(id, Deed::Terminate);
            clock.sleep(Duration::from_secs(100)).await;
        }
    }
    assert_eq!(fake.state(id), Some(machine.state), "{machine:?}");
    for name in &machine.no_capacity {
        // Where there is none at all, there will be some.
        fake.set_capacity(name, machine.no_capacity.len() == ANY.len());
    }
    for name in &machine.impaired {
        fake.set_healthy(name, false);
    }
    (clock, fake)
}

pub async fn finishes(machine: &Machine, store: &Arc<dyn Store>) -> Record {
    let left = store.get(&machine.resize_id).await.unwrap().unwrap();
    let lines = store.lines(&machine.resize_id).await.unwrap();
    let last = lines.last().map_or(left.created_at, |line| line.at);
    let (clock, fake) = cloud(machine, last).await;
    let stage = Stage {
        clock: Arc::clone(&clock),
        fake: fake.clone(),
        inner: Arc::clone(store),
        store: Arc::new(CrashingStore::new(Arc::clone(store), &[])),
    };
    clock.sleep(OUTAGE).await;
    let (journal, executor) = stage.process();
    let mut found = journal.unfinished().await.unwrap();
    found.retain(|record| record.request.resize_id == machine.resize_id);
    if let Some(mut record) = found.pop() {
        executor.prepare(&mut record);
        executor.run(record, None).await;
    }
    clock.sleep(Duration::from_secs(600)).await;
    let record = store.get(&machine.resize_id).await.unwrap().unwrap();
    let outcome = record.outcome().unwrap();
    let id = &machine.instance_id;
    let (state, runs_on) = (fake.state(id).unwrap(), fake.instance_type(id).unwrap());
    let up = state == InstanceState::Running;
    let good = match outcome {
        Outcome::Gone => state.is_gone(),
        Outcome::Succeeded => up && runs_on == TARGET,
        Outcome::RolledBack => up && runs_on == FROM,
        Outcome::FellBack => up && runs_on != TARGET && runs_on != FROM,
        Outcome::Refused | Outcome::DryRun => {
            let down_by_a_user = machine.scenario == "a user stops it before we do";
            fake.resizes(id) == 0 && (up || down_by_a_user) && fake.count(Operation::Stop) == 0
        }
    };
    assert!(good, "{machine:?}: {outcome:?} and {state} on {runs_on}");
    assert!(
        !fake.tags(id).contains_key(Breadcrumb::TAG) || state.is_gone(),
        "{machine:?}: the tag stays"
    );
    record
}

#[tokio::test]
async fn every_row_that_08c3a3d_left_at_any_step_is_finished() {
    let folder = Path::new(FIXTURES);
    let (_copy, store) = opened(folder).await;
    let store: Arc<dyn Store> = Arc::new(store);
    let machines = machines(folder);
    let rows = store.list(None, false, usize::MAX).await.unwrap();
    assert_eq!(rows.len(), machines.len());
    let steps: BTreeSet<_> = machines
        .iter()
        .map(|machine| (machine.step.as_str(), machine.in_flight))
        .collect();
    for step in [
        "preflight",
        "recheck",
        "wait_stopped",
        "read_back",
        "wait_running",
        "status_checks",
        "succeeded",
        "rolled_back",
        "fell_back",
        "gone",
        "refused",
        "dry_run",
    ] {
        assert!(steps.contains(&(step, false)), "{step} is not recorded");
    }
    for step in [
        "mark",
        "stop",
        "modify",
        "start",
        "monitoring",
        "confirm",
        "unmark",
    ] {
        for in_flight in [false, true] {
            assert!(steps.contains(&(step, in_flight)), "{step} {in_flight}");
        }
    }
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for machine in &machines {
        let record = finishes(machine, &store).await;
        *outcomes
            .entry(record.outcome().unwrap().name())
            .or_default() += 1;
    }
    eprintln!("{} rows: {outcomes:?}", machines.len());
    assert!(store.list(None, true, 1).await.unwrap().is_empty());
    for outcome in ["succeeded", "rolled_back", "fell_back", "refused"] {
        assert!(outcomes[outcome] >= 10, "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_journal_that_08c3a3d_left_by_a_kill_is_finished_from_its_log() {
    let folder = &Path::new(FIXTURES).join("killed");
    let (_copy, store) = opened(folder).await;
    let store: Arc<dyn Store> = Arc::new(store);
    let [machine] = &machines(folder)[..] else {
        panic!("one machine");
    };
    let record = finishes(machine, &store).await;
    assert_eq!(record.outcome(), Some(Outcome::Succeeded));
}
