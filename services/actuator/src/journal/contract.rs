//! What every store of resizes must do: one list of scenarios, run on each.

use std::{sync::Arc, time::Duration};

use common::clock::machine;
use jiff::Timestamp;
use tempfile::TempDir;
use testkit::{postgres::Postgres, wait};

use super::{
    admission::{Admission, Refusal},
    error::{OpenError, StoreError},
    live::Journal,
    memory::MemoryStore,
    record::{Kind, Record, Request},
    refused::Refused,
    sql::SqlStore,
    store::{Rails, Store},
};
use crate::{
    rails::{KillSwitch, Objection, Recent},
    resize::{Event, Limits, Outcome, Resize, Step},
};

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn record(resize_id: &str, instance_id: &str, target: &str, epoch: u64) -> Record {
    let request = Request {
        resize_id: resize_id.to_owned(),
        instance_id: instance_id.to_owned(),
        target: target.to_owned(),
        expected: "t2.small".to_owned(),
        lease_epoch: epoch,
        dry_run: false,
        reason: "a 'quoted' reason; -- ümläut".to_owned(),
    };
    let machine = Resize::new("t2.small", target, true, Limits::default());
    Record::new(request, false, machine, at(0))
}

async fn admit(store: &dyn Store, record: &Record) -> Result<Admission, Refusal> {
    store.admit(record, None).await.unwrap()
}

pub(super) async fn admitted(store: &dyn Store, resize_id: &str, instance_id: &str) -> Record {
    let record = record(resize_id, instance_id, "t2.medium", 0);
    let admission = admit(store, &record).await;
    assert!(matches!(admission, Ok(Admission::New(_))), "{admission:?}");
    record
}

pub(super) async fn end(store: &dyn Store, mut record: Record, second: i64) {
    let event = Event::Refused {
        reason: "no".to_owned(),
    };
    record.machine.apply(event, Duration::ZERO).unwrap();
    record.finished_at = Some(at(second));
    store.write(&record, &[]).await.unwrap();
}

pub(super) async fn ids(
    store: &dyn Store,
    instance_id: Option<&str>,
    active_only: bool,
) -> Vec<String> {
    let records = store.list(instance_id, active_only, 100).await.unwrap();
    records
        .into_iter()
        .map(|record| record.request.resize_id)
        .collect()
}

/// One id, one content; one instance, one active resize; one epoch, the highest.
async fn admission(store: &dyn Store) {
    let first = record("a", "i-1", "t2.medium", 3);
    assert!(matches!(admit(store, &first).await, Ok(Admission::New(_))));
    match admit(store, &first).await {
        Ok(Admission::Known(known)) => assert_eq!(known, first),
        other => panic!("{other:?}"),
    }
    for (other, expected) in [
        (record("a", "i-1", "t2.large", 3), "another content"),
        (
            record("b", "i-1", "t2.medium", 3),
            "resize a of instance i-1",
        ),
        (
            record("b", "i-2", "t2.medium", 2),
            "epoch 2 is stale, 3 has been seen",
        ),
    ] {
        let refusal = admit(store, &other).await.unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}");
    }
    // A person has no lease.
    let by_hand = record("c", "i-2", "t2.medium", 0);
    assert!(admit(store, &by_hand).await.is_ok());
    // Neither a refused one nor a dry run shuts anybody out.
    assert!(
        admit(store, &record("d", "i-1", "t2.medium", 9))
            .await
            .is_err()
    );
    let dry = |resize_id: &str, instance_id: &str, epoch| Record {
        dry_run: true,
        ..record(resize_id, instance_id, "t2.medium", epoch)
    };
    let rehearsal = dry("dry", "i-4", 9);
    assert!(admit(store, &rehearsal).await.is_ok());
    // Also one that a crash left unfinished. A resize keeps them off.
    let second = dry("dry-2", "i-4", 0);
    assert!(admit(store, &second).await.is_ok());
    let real = record("real", "i-4", "t2.medium", 0);
    assert!(admit(store, &real).await.is_ok());
    let third = admit(store, &dry("dry-3", "i-4", 0)).await;
    let refusal = third.unwrap_err().to_string();
    assert!(refusal.contains("resize real of instance i-4"), "{refusal}");
    end(store, second, 45).await;
    end(store, real, 46).await;
    assert_eq!(store.fence().await.unwrap(), 3);
    end(store, rehearsal, 50).await;
    let stale = admit(store, &record("e", "i-3", "t2.medium", 2)).await;
    assert!(matches!(
        stale,
        Err(Refusal::StaleEpoch {
            given: 2,
            highest: 3
        })
    ));
    end(store, first, 60).await;
    assert!(
        admit(store, &record("b", "i-1", "t2.medium", 9))
            .await
            .is_ok()
    );
    assert_eq!(store.fence().await.unwrap(), 9);
    assert_eq!(ids(store, None, true).await, ["b", "c"]);
    assert_eq!(ids(store, Some("i-1"), false).await, ["b", "a"]);
    assert_eq!(ids(store, Some("i-1"), true).await, ["b"]);
}

/// A fence that lies ahead of the clock shuts nobody out for ever; a stale one still does.
async fn fencing(store: &dyn Store) {
    let now = at(0).as_millisecond().unsigned_abs();
    let year = 365 * 86_400_000;
    for (number, (epoch, passes, fence)) in [
        (now + year, true, now + year),
        (now - 5, true, now - 5),
        (now - 6, false, now - 5),
        (now + 60_000, true, now + 60_000),
        (now, false, now + 60_000),
        (u64::MAX, true, i64::MAX.unsigned_abs()),
        (now, true, now),
    ]
    .into_iter()
    .enumerate()
    {
        let id = number.to_string();
        let admission = admit(store, &record(&id, &format!("i-{id}"), "t2.medium", epoch)).await;
        assert_eq!(admission.is_ok(), passes, "{epoch}: {admission:?}");
        let found = store.fence().await.unwrap();
        // As much of it as the column holds.
        assert_eq!(found.min(i64::MAX.unsigned_abs()), fence, "{epoch}");
    }
}

/// What was written reads back to the letter, lines in their order, each once.
async fn writing(store: &dyn Store) {
    let mut record = admitted(store, "a", "i-1").await;
    record.begin_step("preflight", "checking".to_owned(), at(1));
    record.end_step(false, Some("22 checks pass".to_owned()), at(2));
    let event = Event::Passed {
        fallbacks: vec!["t2.large".to_owned()],
        account: "123456789012".to_owned(),
    };
    record.machine.apply(event, Duration::ZERO).unwrap();
    record.machine.intend(at(3));
    let lines = [
        record.line(Kind::Intent, Step::Mark, "tagging it", at(3)),
        record.line(Kind::Result, Step::Mark, "accepted", at(4)),
    ];
    store.write(&record, &lines[..1]).await.unwrap();
    // Written late: the first again, and the second.
    store.write(&record, &lines).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap(), record);
    assert_eq!(store.lines("a").await.unwrap(), lines);
    assert_eq!(store.get("b").await.unwrap(), None);
    assert_eq!(store.lines("b").await.unwrap(), []);
}

/// Budgets count what was no dry run; old ends are forgotten, what runs never.
async fn memory(store: &dyn Store) {
    let first = admitted(store, "first", "i-1").await;
    end(store, first, 100).await;
    let mut dry = record("dry", "i-1", "t2.medium", 0);
    dry.dry_run = true;
    admit(store, &dry).await.unwrap();
    end(store, dry, 200).await;
    let mut later = record("later", "i-1", "t2.medium", 0);
    later.created_at = at(300);
    admit(store, &later).await.unwrap();
    let recent = store.recent(at(0)).await.unwrap();
    let outcomes: Vec<_> = recent.iter().map(|recent| recent.outcome).collect();
    assert_eq!(outcomes, [Some(Outcome::Refused), None]);
    assert_eq!(recent[0].finished_at, Some(at(100)));
    assert_eq!(store.recent(at(300)).await.unwrap().len(), 1);
    assert_eq!(store.recent(at(301)).await.unwrap(), []);

    assert_eq!(store.forget(at(150)).await.unwrap(), 1);
    assert_eq!(store.forget(at(9_000)).await.unwrap(), 1);
    assert_eq!(ids(store, None, false).await, ["later"]);
}

fn no() -> Option<Objection> {
    Some(Objection {
        rail: "fleet_budget",
        is_by_hand: false,
        reason: "enough for today".to_owned(),
        until: None,
    })
}

/// What speaks against a resize is judged over the history that it would be added to, and leaves nothing behind.
async fn rails(store: &dyn Store) {
    let seen = std::sync::Mutex::new(Vec::new());
    let judge = |recent: &[Recent], _: Option<&str>| {
        let ids: Vec<&str> = recent.iter().map(|one| one.instance_id.as_str()).collect();
        seen.lock().unwrap().push(ids.len());
        ids.contains(&"i-1").then(no).flatten()
    };
    let rails = Rails {
        since: at(0),
        judge: &judge,
    };
    let first = record("a", "i-1", "t2.medium", 3);
    let admit = async |record: &Record| store.admit(record, Some(&rails)).await.unwrap();
    assert!(matches!(admit(&first).await, Ok(Admission::New(_))));
    let second = record("b", "i-2", "t2.medium", 7);
    for _ in 0..2 {
        let refusal = admit(&second).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Objection(_)), "{refusal:?}");
        assert_eq!(refusal.to_string(), "enough for today");
    }
    assert_eq!(store.get("b").await.unwrap(), None);
    // Nor has it shown its epoch; and what is known is not judged again.
    assert!(matches!(admit(&first).await, Ok(Admission::Known(_))));
    let by_epoch = record("c", "i-3", "t2.medium", 4);
    assert!(store.admit(&by_epoch, None).await.unwrap().is_ok());
    assert_eq!(*seen.lock().unwrap(), [0, 1, 1]);
}

/// Refusals for good are kept one for each instance and type, and forgotten by either.
async fn refusals(store: &dyn Store) {
    let refused = |instance: &str, target: &str, words: &str, second| {
        let instance = crate::fake::catalogue::instance(instance, "t2.small");
        let target = crate::fake::catalogue::find(target).unwrap();
        Refused::new(&instance, &target, words.to_owned(), at(second))
    };
    let kept = async || -> Vec<String> {
        let all = store.refused().await.unwrap();
        all.into_iter().map(|one| one.words).collect()
    };
    for one in [
        refused("i-1", "t2.large", "a", 0),
        refused("i-1", "t2.medium", "b'; --", 1),
        refused("i-2", "t2.large", "c", 2),
        refused("i-1", "t2.large", "d", 3),
    ] {
        store.note_refused(&one).await.unwrap();
    }
    assert_eq!(kept().await, ["b'; --", "c", "d"]);
    assert_eq!(
        store
            .forget_refused(Some("i-1"), Some("t2.nano"))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .forget_refused(Some("i-1"), Some("t2.large"))
            .await
            .unwrap(),
        1
    );
    assert_eq!(kept().await, ["b'; --", "c"]);
    assert_eq!(
        store.forget_refused(None, Some("t2.large")).await.unwrap(),
        1
    );
    assert_eq!(store.forget_refused(None, None).await.unwrap(), 1);
    assert_eq!(kept().await, Vec::<String>::new());
}

/// So many stores on one database, or one store so many times: of all that ask at once one passes a budget of one.
async fn race(stores: Vec<Arc<dyn Store>>) {
    let asked = stores.into_iter().enumerate().map(|(number, store)| {
        tokio::spawn(async move {
            let judge =
                |recent: &[Recent], _: Option<&str>| (!recent.is_empty()).then(no).flatten();
            let rails = Rails {
                since: at(0),
                judge: &judge,
            };
            let instance = format!("i-{number}");
            let record = record(&format!("r{number}"), &instance, "t2.medium", 0);
            store.admit(&record, Some(&rails)).await.unwrap()
        })
    });
    let asked: Vec<_> = asked.collect();
    let mut taken = 0;
    for asked in asked {
        match asked.await.unwrap() {
            Ok(_) => taken += 1,
            Err(refusal) => assert!(matches!(refusal, Refusal::Objection(_)), "{refusal:?}"),
        }
    }
    assert_eq!(taken, 1);
}

/// What persons decided, where a database keeps it: seen by the next admission.
async fn decisions(store: &dyn Store) {
    assert!(store.keeps_decisions());
    assert_eq!(store.decisions().await.unwrap(), None);
    for document in ["{\"kill_switch\": null}", "'; DROP TABLE decisions; --"] {
        store.decide(document).await.unwrap();
        assert_eq!(store.decisions().await.unwrap().as_deref(), Some(document));
        let judge =
            |_: &[Recent], found: Option<&str>| (found == Some(document)).then(no).flatten();
        let rails = Rails {
            since: at(0),
            judge: &judge,
        };
        let record = record("a", "i-1", "t2.medium", 0);
        let refusal = store.admit(&record, Some(&rails)).await.unwrap();
        assert!(matches!(refusal, Err(Refusal::Objection(_))), "{refusal:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory() {
    rails(&MemoryStore::default()).await;
    race(vec![Arc::new(MemoryStore::default()) as Arc<dyn Store>; 16]).await;
    decisions(&MemoryStore::default()).await;
    refusals(&MemoryStore::default()).await;
    admission(&MemoryStore::default()).await;
    fencing(&MemoryStore::default()).await;
    writing(&MemoryStore::default()).await;
    memory(&MemoryStore::default()).await;
}

pub(super) fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| SqlStore::open(&path(&folder, name)).await.unwrap();
    admission(&open("new/folder/a.db").await).await;
    fencing(&open("new/folder/fence.db").await).await;
    writing(&open("b.db").await).await;
    memory(&open("c.db").await).await;
    memory(&SqlStore::open(":memory:").await.unwrap()).await;
    rails(&open("d.db").await).await;
    refusals(&open("g.db").await).await;
    race(vec![Arc::new(open("e.db").await) as Arc<dyn Store>; 16]).await;
    // Whoever else writes the file, whatever locks say.
    let others = open("f.db").await;
    let mut several: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..4 {
        let url = format!("sqlite:{}", path(&folder, "f.db"));
        several.push(Arc::new(SqlStore::bare(&url).await.unwrap()));
    }
    race(several).await;
    assert!(!others.keeps_decisions());
    assert_eq!(others.decisions().await.unwrap(), None);
}

#[tokio::test]
async fn sqlite_is_synchronous_and_held_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let database = path(&folder, "journal.db");
    let store = SqlStore::open(&database).await.unwrap();
    assert_eq!(store.pragma("journal_mode").await, "wal");
    assert_eq!(store.pragma("synchronous").await, "2");
    let record = admitted(&store, "a", "i-1").await;
    let second = SqlStore::open(&database).await;
    assert!(matches!(second, Err(OpenError::Held(_))), "{second:?}");
    store.close().await;
    drop(store);
    let again = SqlStore::open(&database).await.unwrap();
    assert_eq!(again.get("a").await.unwrap(), Some(record));
}

#[tokio::test]
async fn a_damaged_or_newer_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = path(&folder, "journal.db");
    std::fs::write(&database, "this is no database, whatever its name says").unwrap();
    let error = SqlStore::open(&database).await.unwrap_err().to_string();
    assert!(
        error.contains("damaged") && error.contains("tag"),
        "{error}"
    );
    let kept = std::fs::read_to_string(&database).unwrap();
    assert!(kept.starts_with("this is no database"));

    let database = path(&folder, "newer.db");
    let store = SqlStore::open(&database).await.unwrap();
    admitted(&store, "a", "i-1").await;
    store.execute("UPDATE resizes SET format = 99").await;
    store.close().await;
    drop(store);
    let error = SqlStore::open(&database).await.unwrap_err().to_string();
    assert!(error.contains("newer version"), "{error}");

    let error = SqlStore::open("/proc/nowhere/journal.db").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("actuator.database"), "{error}");
}

#[tokio::test]
async fn a_full_disk_costs_nothing_that_was_written_and_is_caught_up_with() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::open(&path(&folder, "journal.db")).await.unwrap();
    let store = Arc::new(store);
    let journal = Journal::new(Arc::clone(&store) as Arc<dyn Store>);
    let mut record = record("a", "i-1", "t2.medium", 0);
    journal.admit(record.clone(), None).await.unwrap();
    // As full as a disk: not a page more.
    let pages = store.pragma("page_count").await;
    store
        .execute(&format!("PRAGMA max_page_count = {pages}"))
        .await;
    let long = "x".repeat(20_000);
    let line = record.line(Kind::Intent, Step::Mark, &long, at(1));
    let full = journal.write(&record, line, true).await;
    assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
    // Not even tried when nobody needs it at once.
    let line = record.line(Kind::Result, Step::Mark, "accepted", at(2));
    assert!(journal.write(&record, line, false).await.is_err());
    assert_eq!(store.lines("a").await.unwrap(), []);
    assert!(journal.flush().await.is_err());
    assert_eq!(journal.get("a").await.unwrap().unwrap().lines, 2);

    store.execute("PRAGMA max_page_count = 1000000").await;
    journal.flush().await.unwrap();
    assert_eq!(store.lines("a").await.unwrap().len(), 2);
    assert_eq!(store.get("a").await.unwrap().unwrap().lines, 2);
}

/// A store in a new database, once the server answers.
async fn store_on(server: &Postgres, database: &str) -> (SqlStore, String) {
    let first = wait::answer(
        async || SqlStore::bare(&server.url("postgres")).await,
        Result::is_ok,
    );
    let first = first.await.unwrap();
    first.execute(&format!("CREATE DATABASE {database}")).await;
    let url = server.url(database);
    (SqlStore::open(&url).await.unwrap(), url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgresql() {
    let server = Postgres::start();
    admission(&store_on(&server, "a").await.0).await;
    fencing(&store_on(&server, "fence").await.0).await;
    writing(&store_on(&server, "b").await.0).await;
    rails(&store_on(&server, "d").await.0).await;
    decisions(&store_on(&server, "e").await.0).await;
    refusals(&store_on(&server, "h").await.0).await;
    // The lock of one process is not what keeps the budget: several connections race.
    let (_store, url) = store_on(&server, "f").await;
    let mut several: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..8 {
        several.push(Arc::new(SqlStore::bare(&url).await.unwrap()));
    }
    race(several).await;
    a_guard_on(&server).await;
    let (store, url) = store_on(&server, "c").await;
    memory(&store).await;
    // One process at a time, and the next one takes over.
    let second = SqlStore::open(&url).await;
    assert!(matches!(second, Err(OpenError::Held(_))), "{second:?}");
    assert!(store.is_ours().await);
    store
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .await;
    assert!(!store.is_ours().await);
    assert!(SqlStore::open(&url).await.is_ok());
    // A row that can't be understood: the others are read, under the lock.
    let (store, url) = store_on(&server, "odd").await;
    admitted(&store, "a", "i-1").await;
    admitted(&store, "b", "i-2").await;
    store
        .execute("UPDATE resizes SET document = '{' WHERE resize_id = 'a'")
        .await;
    store.close().await;
    drop(store);
    let found = loop {
        match SqlStore::open(&url).await {
            // The server has not seen yet that the first one hung up.
            Err(OpenError::Held(_)) => {}
            other => assert!(matches!(other, Err(OpenError::Unusable(_))), "{other:?}"),
        }
        match SqlStore::stand_in(&url).await {
            Err(OpenError::Held(_)) => machine().sleep(Duration::from_millis(20)).await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(ids(&found.0, None, true).await, ["b"]);
    assert_eq!(found.1.unreadable, 1);
    let second = SqlStore::stand_in(&url).await;
    assert!(matches!(second, Err(OpenError::Held(_))), "{second:?}");
    let nowhere = SqlStore::open("postgres://autoscaler@127.0.0.1:1/none").await;
    assert!(
        matches!(nowhere, Err(OpenError::Unreachable(_))),
        "{nowhere:?}"
    );
}

/// A guard whose journal keeps what persons decided, and a file beside it.
async fn a_guard_on(server: &Postgres) {
    let (store, url) = store_on(server, "g").await;
    let folder = tempfile::tempdir().unwrap();
    let config = crate::Config {
        database: path(&folder, "actuator.db"),
        ..crate::Config::default()
    };
    let file = config.safety_file().unwrap();
    let journal = Arc::new(Journal::new(Arc::new(store) as Arc<dyn Store>));
    let guard = crate::guard::Guard::new(&config, Arc::clone(&journal));
    let on = |reason: &str| {
        Some(KillSwitch {
            reason: reason.to_owned(),
            since: Some(at(0)),
        })
    };
    let reason = async || guard.kill_switch().await.map(|switch| switch.reason);
    assert_eq!(reason().await, None);
    guard.set_kill_switch(on("incident 7")).await.unwrap();
    assert!(!file.exists());
    assert_eq!(reason().await.as_deref(), Some("incident 7"));
    let refused = guard.admit(record("a", "i-1", "t2.medium", 0), at(0)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("incident 7"), "{refused}");
    // The breaker's closing leaves it on.
    guard.close_breaker(at(5)).await.unwrap();
    assert_eq!(reason().await.as_deref(), Some("incident 7"));
    guard.set_kill_switch(None).await.unwrap();
    assert_eq!(reason().await, None);

    // By hand, in the file: off takes it away there, too.
    std::fs::write(&file, r#"{"kill_switch": {"reason": "by hand"}}"#).unwrap();
    assert_eq!(reason().await.as_deref(), Some("by hand"));
    guard.set_kill_switch(None).await.unwrap();
    assert_eq!(reason().await, None);

    // By hand, in the database, and damaged.
    let other = SqlStore::bare(&url).await.unwrap();
    other.execute("UPDATE decisions SET document = '{'").await;
    assert!(reason().await.unwrap().contains("damaged"));
    guard.set_kill_switch(None).await.unwrap();
    assert_eq!(reason().await, None);

    // A database that can't be asked is one that says "on"; it can still be turned on for the time after.
    other.execute("DROP TABLE decisions").await;
    assert!(reason().await.unwrap().contains("can't be asked"));
    assert!(guard.set_kill_switch(None).await.is_err());
    guard.set_kill_switch(on("incident 8")).await.unwrap();
    other
        .execute("CREATE TABLE decisions (id BIGINT PRIMARY KEY, document TEXT NOT NULL)")
        .await;
    assert_eq!(reason().await.as_deref(), Some("incident 8"));
    guard.set_kill_switch(None).await.unwrap();
    assert_eq!(reason().await, None);
}

#[tokio::test]
async fn only_its_owner_may_read_the_journal_and_what_lies_beside_it() {
    use std::{fs, os::unix::fs::PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    let database = path(&folder, "journal.db");
    let modes = || -> Vec<(String, u32)> {
        let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        let mut modes: Vec<_> = files
            .map(|file| {
                let mode = file.metadata().unwrap().permissions().mode();
                (file.file_name().into_string().unwrap(), mode & 0o777)
            })
            .collect();
        modes.sort();
        modes
    };
    let widen = |name: &str| {
        let wide = fs::Permissions::from_mode(0o644);
        fs::set_permissions(folder.path().join(name), wide).unwrap();
    };
    let all = [
        "journal.db",
        "journal.db-shm",
        "journal.db-wal",
        "journal.db.lock",
    ];
    let expected: Vec<_> = all.map(|name| (name.to_owned(), 0o600)).to_vec();
    let store = SqlStore::open(&database).await.unwrap();
    admitted(&store, "a", "i-1").await;
    assert_eq!(modes(), expected);
    store.close().await;
    drop(store);

    // Of an older version.
    widen("journal.db");
    widen("journal.db.lock");
    let store = SqlStore::open(&database).await.unwrap();
    admitted(&store, "b", "i-2").await;
    assert_eq!(modes(), expected);
    store.close().await;
    drop(store);

    // What can't be used is left as it is.
    fs::write(&database, "somebody's notes, which are no database").unwrap();
    widen("journal.db");
    assert!(SqlStore::open(&database).await.is_err());
    assert!(modes().contains(&("journal.db".to_owned(), 0o644)));
}
