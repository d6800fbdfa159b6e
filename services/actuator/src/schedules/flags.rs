//! A journal of FORMAT 1 with each flag that it had beside the step, in a resize that had not ended: each is finished.
//!
//! `tests/fixtures/b6df26b` was written by the code of that commit with `record_each_flag`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::{
    faults::Then,
    recorded::{finishes, machines, opened},
    recording::{Interrupted, Machine, Scenario, interrupt, write},
    scene::TARGET,
};
use crate::{
    cloud::{ErrorKind, Operation},
    fake::{Deed, Effect, FakeCloud, Timing},
    journal::{SqlStore, Store},
    resize::Outcome,
};

/// Of the state machine, then of the record around it.
const OF_THE_MACHINE: [&str; 13] = [
    "in_flight",
    "marked",
    "stop_asked",
    "start_accepted",
    "saw_down",
    "saw_pending",
    "as_is",
    "overdue",
    "start_only",
    "no_stop",
    "in_vain",
    "paged",
    "ending",
];
const OF_THE_RECORD: [&str; 4] = ["account", "breadcrumb_is_old", "stop_sent_at", "refused"];

/// Those that are set.
fn flags(record: &Value) -> Vec<&'static str> {
    let is_set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    let machine = OF_THE_MACHINE.into_iter();
    let machine = machine.filter(|name| is_set(&record["machine"][name]));
    let beside = OF_THE_RECORD
        .into_iter()
        .filter(|name| is_set(&record[name]));
    machine.chain(beside).collect()
}

fn scenarios() -> Vec<Scenario> {
    let scenario = |name, prepare: fn(&FakeCloud)| Scenario {
        name,
        prepare,
        no_capacity: &[],
        impaired: &[],
        points: 80,
        asked: |_| {},
        then: None,
    };
    let faults = [
        scenario("plain", |_| {}),
        scenario("no stop has an effect", |fake| {
            fake.inject_calls(Operation::Stop, 1..=3, Effect::DropBefore);
        }),
        scenario("the target is refused for good", |fake| {
            fake.inject_calls(
                Operation::Start,
                1..=1,
                Effect::Fail(ErrorKind::NotForThisInstance),
            );
        }),
        scenario("the stop takes 20 minutes", |fake| {
            fake.set_timing(Timing {
                stop: std::time::Duration::from_secs(1_200),
                ..Timing::default()
            });
        }),
        scenario("the target never boots", |fake| {
            fake.set_boots(TARGET, false);
        }),
        scenario("somebody starts it midway", |fake| {
            fake.inject_calls(Operation::ModifyType, 1..=1, Effect::Somebody(Deed::Start));
        }),
        Scenario {
            impaired: &[TARGET],
            ..scenario("the target fails its checks", |_| {})
        },
    ];
    let restarts = [None, Some(Then::DryRun), Some(Then::Old)];
    let each = faults.into_iter().flat_map(|fault| {
        restarts.map(|then| Scenario {
            then,
            ..fault.clone()
        })
    });
    each.collect()
}

#[tokio::test]
#[ignore = "writes the files that the other test reads: RECORD_TO=FOLDER, with the code of the version to be recorded"]
async fn record_each_flag() {
    let folder = std::env::var("RECORD_TO").unwrap();
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("actuator.db");
    let store = SqlStore::open(&path.display().to_string()).await.unwrap();
    let mut kept: Vec<Machine> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for scenario in scenarios() {
        let firsts = match scenario.then {
            None => 0..1,
            Some(_) => 0..45,
        };
        for first in firsts {
            let lasts = if scenario.then.is_none() { 80 } else { 25 };
            for last in 0..lasts {
                let points = match scenario.then {
                    None => vec![last],
                    Some(_) => vec![first, first + 1 + last],
                };
                let found: Interrupted = interrupt(&scenario, &points, kept.len() + 1).await;
                let machine = &found.machine;
                let where_it_is = (machine.step.clone(), machine.in_flight);
                let news = flags(&serde_json::to_value(&found.record).unwrap())
                    .into_iter()
                    .filter(|flag| seen.insert((*flag, where_it_is.clone())));
                if news.count() > 0 && found.record.machine.outcome().is_none() {
                    write(&store, &found).await;
                    kept.push(found.machine);
                }
                if found.ended {
                    break;
                }
            }
        }
    }
    store.execute("VACUUM").await;
    store.close().await;
    std::fs::remove_file(folder.join("actuator.db.lock")).unwrap();
    let text = serde_json::to_string_pretty(&kept).unwrap();
    std::fs::write(folder.join("machines.json"), text + "\n").unwrap();
    eprintln!("{} rows", kept.len());
}

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/b6df26b");

/// Each row's document, as it was written.
async fn documents(journal: &Path) -> Vec<Value> {
    let options = SqliteConnectOptions::new().filename(journal);
    let mut connection = options.connect().await.unwrap();
    let found = sqlx::query_scalar("SELECT document FROM resizes WHERE format = 1");
    let found: Vec<String> = found.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let read = |text: &String| serde_json::from_str(text).unwrap();
    found.iter().map(read).collect()
}

#[tokio::test]
async fn every_resize_that_b6df26b_left_with_any_of_its_flags_is_finished() {
    let folder = Path::new(FIXTURES);
    let (copy, store) = opened(folder).await;
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for document in documents(&copy.path().join("actuator.db")).await {
        for flag in flags(&document) {
            *rows.entry(flag).or_default() += 1;
        }
    }
    for flag in OF_THE_MACHINE.iter().chain(&OF_THE_RECORD) {
        assert!(rows.contains_key(flag), "{flag} is not recorded");
    }
    let store: Arc<dyn Store> = Arc::new(store);
    let machines = machines(folder);
    let unfinished = store.list(None, true, usize::MAX).await.unwrap();
    assert_eq!(unfinished.len(), machines.len());
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for machine in &machines {
        let outcome = finishes(machine, &store).await.outcome();
        *outcomes
            .entry(outcome.map_or("none", Outcome::name))
            .or_default() += 1;
    }
    eprintln!("{} rows with {rows:?}: {outcomes:?}", machines.len());
    assert!(store.list(None, true, 1).await.unwrap().is_empty());
}
