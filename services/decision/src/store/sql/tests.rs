use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::{
    decide::{record::Decision, verdict::Action},
    service::{
        error::ServiceError,
        tests::{Bench, START, start},
    },
};

/// A service over a database in a new folder.
struct Disk {
    _folder: TempDir,
    store: SqlStore,
    bench: Bench,
}

async fn disk() -> Disk {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/decision.db");
    let store = SqlStore::open(&path, start()).await.unwrap();
    Disk {
        _folder: folder,
        bench: Bench::over(Arc::new(store.clone())).await,
        store,
    }
}

impl Disk {
    async fn pragma(&self, statement: &'static str) -> i64 {
        let row = sqlx::query(statement)
            .fetch_optional(self.store.writer())
            .await
            .unwrap();
        row.map_or(0, |row| row.try_get(0).unwrap_or(0))
    }
}

fn kind(result: Result<Decision, ServiceError>) -> &'static str {
    match result {
        Err(ServiceError::Store(error)) => error.name(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_committed_is_on_the_disk() {
    let disk = disk().await;
    let mode: String = sqlx::query("PRAGMA journal_mode")
        .fetch_one(disk.store.writer())
        .await
        .unwrap()
        .get(0);
    assert_eq!(mode, "wal");
    // 2 is FULL: the log is synced at each commit.
    assert_eq!(disk.pragma("PRAGMA synchronous").await, 2);
    assert_eq!(disk.pragma("PRAGMA foreign_keys").await, 1);
}

#[tokio::test]
async fn fault_46_a_full_disk_takes_no_action_and_recovers() {
    let disk = disk().await;
    let pages = disk.pragma("PRAGMA page_count").await;
    assert!(pages > 0);
    // SQLite treats its own limit as it treats a disk without room: SQLITE_FULL.
    disk.pragma("PRAGMA max_page_count = 1").await;
    let mut ticks = 0;
    let failed = loop {
        let result = disk.bench.decide(&format!("tick-{ticks}"), 50.0).await;
        if result.is_err() {
            break kind(result);
        }
        ticks += 1;
        assert!(ticks < 1_000, "the limit does not hold");
    };
    assert_eq!(failed, "unwritable");
    assert_eq!(kind(disk.bench.decide("tick-up", 90.0).await), "unwritable");
    assert!(
        disk.bench
            .all()
            .await
            .iter()
            .all(|decision| decision.verdict.action == Action::Hold)
    );
    disk.pragma("PRAGMA max_page_count = 1000000").await;
    assert!(disk.bench.decide("tick-up", 90.0).await.unwrap().pending);
}

#[tokio::test]
async fn fault_46_a_read_only_database_takes_no_action() {
    let disk = disk().await;
    disk.pragma("PRAGMA query_only = 1").await;
    assert_eq!(kind(disk.bench.decide("tick-1", 90.0).await), "unwritable");
    assert!(disk.bench.all().await.is_empty());
    disk.pragma("PRAGMA query_only = 0").await;
    assert!(disk.bench.decide("tick-1", 90.0).await.unwrap().pending);
}

#[tokio::test]
async fn the_actuators_journal_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("actuator.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut journal = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE resizes (resize_id TEXT)")
        .execute(&mut journal)
        .await
        .unwrap();
    journal.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let now = start();
    let error = SqlStore::open(&path, now).await.unwrap_err().to_string();
    assert!(
        error.contains("actuator's journal") && error.contains("decision.database"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_database_itself_allows_one_pending_action() {
    let disk = disk().await;
    disk.bench.decide("tick-1", 90.0).await.unwrap();
    disk.bench.decide("tick-2", 50.0).await.unwrap();
    for twin in [
        "UPDATE decisions SET pending = 1, action = 'scale_up' WHERE tick_id = 'tick-2'",
        "UPDATE decisions SET pending = 1, action = 'scale_up', target_id = 'web-2' WHERE tick_id = 'tick-2'",
        "UPDATE decisions SET pending = 1, instance_id = 'i-2', target_id = 'web-2' WHERE tick_id = 'tick-2'",
    ] {
        let error = sqlx::query(twin)
            .execute(disk.store.writer())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("constraint failed"), "{error}");
    }
}

#[tokio::test]
async fn pauses_of_an_earlier_version_become_one_that_forbids_no_less() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decision.db");
    let migrations = folder.path().join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    std::fs::write(
        migrations.join("0001_decisions.sql"),
        include_str!("../../../migrations/0001_decisions.sql"),
    )
    .unwrap();
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let pool = pool(1).connect_with(options).await.unwrap();
    let earlier = Migrator::new(migrations.as_path()).await.unwrap();
    earlier.run(&pool).await.unwrap();
    let end = START * 1_000_000 + 9;
    for (target, direction, reason, since, until) in [
        ("", "both", "release", 5, None),
        ("web", "up", "freeze", 7, Some(end)),
        ("web", "down", "", 6, Some(end + 1)),
        ("api", "down", "night", 3, Some(end)),
        ("db", "both", "dump", 2, Some(end)),
        ("db", "up", "and more", 1, None),
    ] {
        sqlx::query("INSERT INTO pauses (target_id, direction, reason, since, until) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(target)
            .bind(direction)
            .bind(reason)
            .bind(since)
            .bind(until)
            .execute(&pool)
            .await
            .unwrap();
    }
    pool.close().await;
    let now = start();
    let store = SqlStore::open(&path, now).await.unwrap();
    let mut transaction = store.read().await.unwrap();
    let found = transaction.pauses_after(None, now, 100).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|pause| {
            (
                pause.target_id.as_str(),
                pause.direction,
                pause.reason.as_str(),
                pause.since.as_microsecond(),
                pause.until.map(Timestamp::as_microsecond),
            )
        })
        .collect();
    use crate::fleet::pause::PauseDirection::{Both, Down};
    assert_eq!(
        found,
        [
            ("", Both, "release", 5, None),
            ("api", Down, "night", 3, Some(end)),
            ("db", Both, "dump; and more", 1, None),
            ("web", Both, "freeze", 6, Some(end + 1)),
        ]
    );
}

#[tokio::test]
async fn only_its_owner_may_read_the_database_and_what_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decision.db");
    let now = start();
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
    let all = ["decision.db", "decision.db-shm", "decision.db-wal"]
        .map(|name| (name.to_owned(), 0o600))
        .to_vec();
    let store = SqlStore::open(&path, now).await.unwrap();
    assert_eq!(modes(), all);
    store.close().await;

    // One from before, with logs that a crash left behind.
    let store = SqlStore::open(&path, now).await.unwrap();
    for (name, _) in &all {
        let wide = fs::Permissions::from_mode(0o664);
        fs::set_permissions(folder.path().join(name), wide).unwrap();
    }
    let second = SqlStore::open(&path, now).await.unwrap();
    assert_eq!(modes(), all);
    second.close().await;
    store.close().await;

    // What is not ours is left as it is.
    let foreign = folder.path().join("notes.txt");
    fs::write(&foreign, "somebody's notes, which are no database").unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(SqlStore::open(&foreign, now).await.is_err());
    let mode = fs::metadata(&foreign).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}
