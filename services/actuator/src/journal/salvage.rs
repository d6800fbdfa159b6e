//! What is wrong with a journal's file, and what can be read of it all the same.
//!
//! Invariant: neither the file nor its folder is changed. SQLite folds a log into its file as soon as it opens it, so it is
//! shown the file as one that never changes, or, where the log counts, a copy of both.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, Metadata},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tokio_stream::StreamExt as _;

use common::text::chain;

use super::{document, record::Record};

/// Resizes that have ended and are shown of a journal that can't be used, the newest.
const ENDED_AT_MOST: usize = 1_000;
/// What SQLite writes beside a file: what it says is newer than the file.
const LOGS: [&str; 2] = ["-wal", "-journal"];

/// A journal's file as it was found.
#[derive(Debug, Eq, PartialEq)]
pub enum Found {
    /// There is none, or an empty one.
    Nothing,
    Sound,
    /// It is not to be used: why, in a few words.
    Wrong(String),
}

/// What could be read.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Those that have not ended, and the newest that have; oldest first.
    pub records: Vec<Record>,
    /// Rows that can't be understood.
    pub unreadable: usize,
}

/// Looks a journal over.
pub async fn examine(database: &Path, migrations: &Migrator) -> Found {
    match kind(database) {
        Ok(true) => {}
        Ok(false) => return Found::Nothing,
        Err(wrong) => return Found::Wrong(wrong.to_string()),
    }
    let looked = async {
        let view = View::of(database).await;
        let mut connection = view.connect().await?;
        let wrong = wrong(&mut connection, migrations).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(wrong)
    };
    match looked.await {
        Ok(None) => Found::Sound,
        Ok(Some(wrong)) => Found::Wrong(wrong),
        Err(error) => Found::Wrong(chain(&error)),
    }
}

/// Reads what is readable, row by row and from both ends: damage in the middle hides only itself.
pub async fn read(database: &Path) -> Salvaged {
    let mut rows = Rows::default();
    if !fs::metadata(database).is_ok_and(|file| file.is_file()) {
        return Salvaged::default();
    }
    let view = View::of(database).await;
    let Ok(mut connection) = view.connect().await else {
        return Salvaged::default();
    };
    // A file that is shorter than it says is read as far as it goes.
    let _ = sqlx::raw_sql("PRAGMA writable_schema = ON")
        .execute(&mut connection)
        .await;
    for statement in [
        "SELECT rowid, instance_id, format, finished_at, document FROM resizes ORDER BY rowid DESC",
        "SELECT rowid, instance_id, format, finished_at, document FROM resizes ORDER BY rowid",
        "SELECT rowid, instance_id, format, finished_at, document
         FROM resizes INDEXED BY one_active_resize_per_instance WHERE finished_at IS NULL AND dry_run = 0",
    ] {
        let mut found = sqlx::query(statement).fetch(&mut connection);
        while let Some(Ok(row)) = found.next().await {
            rows.take(&row);
        }
    }
    rows.salvaged()
}

/// One table, read several times.
#[derive(Default)]
struct Rows {
    read: BTreeMap<i64, Record>,
    ended: usize,
    unreadable: BTreeSet<i64>,
}

impl Rows {
    fn take(&mut self, row: &SqliteRow) {
        let Ok(number) = row.try_get::<i64, _>("rowid") else {
            return;
        };
        if self.read.contains_key(&number) {
            return;
        }
        match understood(row) {
            Some(record) if record.finished_at.is_none() => {
                self.read.insert(number, record);
            }
            Some(record) if self.ended < ENDED_AT_MOST => {
                self.ended += 1;
                self.read.insert(number, record);
            }
            Some(_) => {}
            None => {
                self.unreadable.insert(number);
            }
        }
    }

    fn salvaged(self) -> Salvaged {
        Salvaged {
            records: self.read.into_values().collect(),
            unreadable: self.unreadable.len(),
        }
    }
}

/// The resize of a row, unless it is damaged or of a newer version.
fn understood(row: &SqliteRow) -> Option<Record> {
    let format: i64 = row.try_get("format").ok()?;
    let instance_id: String = row.try_get("instance_id").ok()?;
    let text: String = row.try_get("document").ok()?;
    let record = document::read(format, &text).ok()?;
    (record.request.instance_id == instance_id).then_some(record)
}

/// False for a file that does not end where a page does. Its log may have the rest of it.
fn is_whole(database: &Path, length: u64) -> bool {
    let mut header = [0; 18];
    let read = fs::File::open(database).and_then(|mut file| file.read_exact(&mut header));
    // https://www.sqlite.org/fileformat.html: the size of a page, 1 for 65,536
    let page = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        page => page,
    };
    match read {
        Ok(()) if header.starts_with(b"SQLite format 3\0") => {
            page > 0 && length.is_multiple_of(page)
        }
        // No database at all: SQLite says so itself.
        Ok(()) => true,
        Err(_) => false,
    }
}

/// Why a file can't be the journal's.
#[derive(Debug, thiserror::Error)]
enum NoDatabase {
    #[error("it is a directory")]
    Directory,
    #[error("it is no regular file")]
    Irregular,
    #[error("it is cut short")]
    CutShort,
    #[error("it is empty, and its {log} file is not")]
    OnlyItsLog { log: &'static str },
    #[error("{0}")]
    Unreadable(io::Error),
}

/// True for a file with something in it, false for none.
fn kind(database: &Path) -> Result<bool, NoDatabase> {
    let log = LOGS
        .into_iter()
        .find(|log| !is_empty(&beside(database, log)));
    match fs::metadata(database) {
        Ok(file) if file.is_dir() => Err(NoDatabase::Directory),
        Ok(file) if !file.is_file() => Err(NoDatabase::Irregular),
        // SQLite takes less than a page for nothing.
        Ok(file) if file.len() > 0 && log.is_none() && !is_whole(database, file.len()) => {
            Err(NoDatabase::CutShort)
        }
        Ok(file) if file.len() > 0 => Ok(true),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(NoDatabase::Unreadable(error)),
        // SQLite would throw the log away.
        Ok(_) | Err(_) => match log {
            Some(log) => Err(NoDatabase::OnlyItsLog { log }),
            None => Ok(false),
        },
    }
}

async fn wrong(
    connection: &mut SqliteConnection,
    migrations: &Migrator,
) -> Result<Option<String>, sqlx::Error> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut *connection)
        .await?;
    if found != "ok" {
        let first = found.lines().next().unwrap_or_default();
        return Ok(Some(first.to_owned()));
    }
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await?;
    if version != 0 {
        return Ok(Some(format!(
            "its user_version is {version}, which this version does not know"
        )));
    }
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .fetch_all(&mut *connection)
            .await?;
    if tables.is_empty() {
        return Ok(None);
    }
    if tables.iter().any(|table| table == "cooldowns") {
        let why = "it is the decision service's; actuator.database needs a file of its own";
        return Ok(Some(why.to_owned()));
    }
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        return Ok(Some("it is another program's database".to_owned()));
    }
    let applied = sqlx::query("SELECT version, success, checksum FROM _sqlx_migrations")
        .fetch_all(&mut *connection)
        .await?;
    for row in &applied {
        let version: i64 = row.try_get("version")?;
        let known = migrations.iter().find(|known| known.version == version);
        let checksum: Vec<u8> = row.try_get("checksum")?;
        let wrong = match known {
            None => "which this version does not know; run the newer version again",
            Some(known) if known.checksum.as_ref() != checksum => "which is not this program's",
            Some(_) if !row.try_get::<bool, _>("success")? => "which is half made",
            Some(_) => continue,
        };
        return Ok(Some(format!("it has schema {version}, {wrong}")));
    }
    if applied.is_empty() {
        return Ok(None);
    }
    let fences: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM fences")
        .fetch_one(&mut *connection)
        .await?;
    if fences != 1 {
        return Ok(Some("its lease epoch is missing".to_owned()));
    }
    let unfinished =
        sqlx::query("SELECT instance_id, format, document FROM resizes WHERE finished_at IS NULL")
            .fetch_all(&mut *connection)
            .await?;
    let bad = unfinished.iter();
    let bad = bad.filter(|row| understood(row).is_none()).count();
    Ok((bad > 0).then(|| {
        format!(
            "{bad} of its unfinished resizes can't be understood: damaged, or of a newer version"
        )
    }))
}

/// What SQLite is shown.
struct View {
    database: PathBuf,
    /// Removed with what is in it.
    copied_to: Option<PathBuf>,
}

impl View {
    async fn of(database: &Path) -> Self {
        let original = Self {
            database: database.to_owned(),
            copied_to: None,
        };
        if LOGS.iter().all(|log| is_empty(&beside(database, log))) {
            return original;
        }
        let from = database.to_owned();
        let copied = tokio::task::spawn_blocking(move || copied(&from)).await;
        match copied {
            Ok(Some(copy)) => copy,
            // No room for it: better without what the log adds than not at all.
            Ok(None) | Err(_) => original,
        }
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        let is_copy = self.copied_to.is_some();
        SqliteConnectOptions::new()
            .filename(&self.database)
            .read_only(!is_copy)
            .immutable(!is_copy)
            .connect()
            .await
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(folder) = &self.copied_to {
            // What stays is a copy in a folder for such things.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A copy with its logs, in a folder that is ours alone.
fn copied(database: &Path) -> Option<View> {
    let roots = [std::env::temp_dir(), PathBuf::from("/dev/shm")];
    roots.iter().find_map(|root| {
        let folder = (0..100).find_map(|number| {
            let name = format!("autoscaler-journal-{}-{number}", std::process::id());
            let folder = root.join(name);
            let made = DirBuilder::new().mode(0o700).create(&folder);
            made.is_ok().then_some(folder)
        })?;
        let view = View {
            database: folder.join("copy.db"),
            copied_to: Some(folder),
        };
        fs::copy(database, &view.database).ok()?;
        for log in LOGS {
            let from = beside(database, log);
            if !is_empty(&from) {
                fs::copy(from, beside(&view.database, log)).ok()?;
            }
        }
        Some(view)
    })
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn is_empty(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|file: Metadata| file.is_file() && file.len() > 0)
        .eq(&false)
}
