//! Journals that are not what they were: what is read of them, and that nothing is written there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    admission::Admission,
    contract::{admitted, at, end, ids, path, record},
    error::OpenError,
    live::Journal,
    memory::MemoryStore,
    record::Kind,
    sql::SqlStore,
    store::Store as _,
};
use crate::resize::Step;

/// Everything in a folder, but for the lock.
fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_none_or(|it| it != "lock"))
        .map(|path| (path.clone(), std::fs::read(path).ok()))
        .collect()
}

/// A journal of a hundred resizes, of which the first and the last ten have not ended, after `damage`: what of those is
/// still read.
async fn salvaged(what: &str, damage: impl AsyncFnOnce(&str)) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let database = path(&folder, "journal.db");
    let store = SqlStore::open(&database).await.unwrap();
    for number in 0..100 {
        let record = admitted(&store, &format!("r{number}"), &format!("i-{number}")).await;
        if (10..90).contains(&number) {
            end(&store, record, number).await;
        }
    }
    store.close().await;
    drop(store);
    damage(&database).await;
    let before = content(folder.path());
    let error = SqlStore::open(&database).await.unwrap_err();
    assert!(matches!(error, OpenError::Unusable(_)), "{error:?}");
    assert!(error.to_string().contains(what), "{error}");
    let (store, salvaged) = SqlStore::stand_in(&database).await.unwrap();
    let active = ids(&store, None, true).await.len();
    let unfinished = salvaged.records.iter();
    let unfinished = unfinished.filter(|record| record.finished_at.is_none());
    assert_eq!(unfinished.count(), active);
    // It is held, and was not touched.
    let second = SqlStore::open(&database).await;
    assert!(matches!(second, Err(OpenError::Held(_))), "{second:?}");
    assert_eq!(content(folder.path()), before, "{what}");
    (active, salvaged.unreadable)
}

fn bytes(database: &str) -> Vec<u8> {
    std::fs::read(database).unwrap()
}

async fn altered(database: &str, statement: &str) {
    let store = SqlStore::bare(&format!("sqlite:{database}")).await.unwrap();
    store.execute(statement).await;
    store.close().await;
}

#[tokio::test]
async fn what_is_readable_of_a_damaged_file_is_read_and_nothing_is_written_there() {
    let garbage = salvaged("damaged", async |database| {
        let garbage = vec![0xa5; bytes(database).len()];
        std::fs::write(database, garbage).unwrap();
    });
    assert_eq!(garbage.await, (0, 0));
    for percent in [1, 20, 50, 80, 99] {
        let (active, _) = salvaged("damaged", async |database| {
            let bytes = bytes(database);
            std::fs::write(database, &bytes[..bytes.len() * percent / 100]).unwrap();
        })
        .await;
        // Of a file that lacks its end what is before it.
        let least = if percent >= 50 { 5 } else { 0 };
        assert!(active >= least, "{active} at {percent} %");
    }
    // A page in the middle of the rows.
    let (active, _) = salvaged("damaged", async |database| {
        let mut bytes = bytes(database);
        let needle = b"\"resize_id\":\"r50\"";
        let mut windows = bytes.windows(needle.len());
        let page = windows.position(|window| window == needle).unwrap() / 4096;
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
        std::fs::write(database, bytes).unwrap();
    })
    .await;
    assert!(active >= 18, "{active}");
    for (what, statement, expected) in [
        ("user_version", "PRAGMA user_version = 3", (20, 0)),
        (
            "the decision service's",
            "CREATE TABLE cooldowns (target_id TEXT)",
            (20, 0),
        ),
        (
            "schema 99",
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99, 'later', TRUE, x'00', 0)",
            (20, 0),
        ),
        (
            "half made",
            "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 1",
            (20, 0),
        ),
        (
            "not this program's",
            "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
            (20, 0),
        ),
        ("lease epoch", "DELETE FROM fences", (20, 0)),
        (
            "1 of its unfinished resizes",
            "UPDATE resizes SET document = '{' WHERE resize_id = 'r3'",
            (19, 1),
        ),
        (
            "1 of its unfinished resizes",
            "UPDATE resizes SET document = x'ff00' WHERE resize_id = 'r3'",
            (19, 1),
        ),
        (
            "1 of its unfinished resizes",
            "UPDATE resizes SET document = replace(document, '\"preflight\"', '\"teleport\"') WHERE resize_id = 'r95'",
            (19, 1),
        ),
        (
            "2 of its unfinished resizes",
            "UPDATE resizes SET format = 99 WHERE resize_id IN ('r0', 'r99')",
            (18, 2),
        ),
    ] {
        let found = salvaged(what, async |database| altered(database, statement).await);
        assert_eq!(found.await, expected, "{what}");
    }
    let directory = salvaged("directory", async |database| {
        std::fs::remove_file(database).unwrap();
        std::fs::create_dir(database).unwrap();
    });
    assert_eq!(directory.await, (0, 0));
    // Somebody else's database is not made ours.
    let other = salvaged("another program's", async |database| {
        std::fs::remove_file(database).unwrap();
        altered(&format!("{database}?mode=rwc"), "CREATE TABLE a (b TEXT)").await;
    });
    assert_eq!(other.await, (0, 0));
}

/// A kill leaves the newest rows in the log: they are read from a copy, and the log stays as it is.
#[tokio::test]
async fn the_log_beside_a_damaged_file_is_read_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let database = path(&folder, "journal.db");
    let store = SqlStore::open(&database).await.unwrap();
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    admitted(&store, "a", "i-1").await;
    admitted(&store, "b", "i-2").await;
    store
        .execute("UPDATE resizes SET format = 99 WHERE resize_id = 'b'")
        .await;
    let killed = path(&folder, "killed.db");
    for suffix in ["", "-wal"] {
        let from = format!("{database}{suffix}");
        std::fs::copy(from, format!("{killed}{suffix}")).unwrap();
    }
    let before = content(folder.path());
    let error = SqlStore::open(&killed).await.unwrap_err().to_string();
    assert!(error.contains("1 of its unfinished"), "{error}");
    let (found, salvaged) = SqlStore::stand_in(&killed).await.unwrap();
    assert_eq!(ids(&found, None, true).await, ["a"]);
    assert_eq!(salvaged.unreadable, 1);
    assert_eq!(content(folder.path()), before);
    // SQLite would throw a log away whose file is empty.
    std::fs::write(&killed, "").unwrap();
    drop(found);
    let error = SqlStore::open(&killed).await.unwrap_err().to_string();
    assert!(error.contains("-wal file is not"), "{error}");
    assert!(std::fs::metadata(format!("{killed}-wal")).unwrap().len() > 0);
}

/// Once it can't be used, nothing is taken on or stopped; what brings a machine back is, and is written all the same.
#[tokio::test]
async fn a_degraded_journal_takes_up_and_never_on() {
    let memory = MemoryStore::default();
    let journal = Journal::new(Arc::new(memory.clone()));
    let mut first = record("a", "i-1", "t2.medium", 0);
    journal.admit(first.clone(), None).await.unwrap();
    journal.degrade("it was eaten");
    journal.degrade("twice");
    let refusal = journal
        .admit(record("b", "i-2", "t2.medium", 0), None)
        .await;
    assert_eq!(refusal.unwrap_err().to_string(), "it was eaten");
    let taken = journal.take_up(record("b", "i-2", "t2.medium", 0)).await;
    assert!(matches!(taken, Ok(Admission::New(_))), "{taken:?}");
    let line = first.line(Kind::Intent, Step::Stop, "stopping it", at(1));
    assert!(journal.write(&first, line, true).await.is_err());
    let line = first.line(Kind::Intent, Step::Start, "starting it", at(2));
    journal.write(&first, line, false).await.unwrap();
    assert_eq!(memory.lines("a").await.unwrap().len(), 2);
}
