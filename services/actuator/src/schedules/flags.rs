//! A journal of FORMAT 1 with each flag that it had beside the step, in a resize that had not ended: each is finished.
//!
//! `tests/fixtures/b6df26b` was written by the code of that commit, as `recording.rs` does it, and holds the first row with
//! each flag at each step. What is written today has no flags, so it can't be recorded again.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::recorded::{finishes, machines, opened};
use crate::{journal::Store, resize::Outcome};

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
