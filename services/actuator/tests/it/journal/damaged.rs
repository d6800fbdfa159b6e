//! A machine was stopped, its actuator killed, and its journal is not what it was.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use actuator::cloud::{InstanceState, Operation};
use common::health::Health;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tonic::Code;

use crate::support::{Actuator, FROM, ID, Site, TAG, TARGET};

const OTHER: &str = "i-0fedcba9876543210";

/// Every file there, with what is in it, but for the lock.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .filter(|path| path.is_file() && path.extension().is_none_or(|it| it != "lock"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

async fn execute(journal: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(journal);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// It brings machines up, takes nothing on, and says why, everywhere.
async fn is_degraded(site: &Site, actuator: &mut Actuator, why: &str) {
    let refused = actuator.start_resize("r9", ID).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains(why), "{refused}");
    let degraded = actuator.degraded().await;
    assert!(degraded.contains(why), "{degraded}");
    assert_eq!(actuator.health().await, Health::NotServing);
    let exposition = actuator.exposition().await;
    let line = "autoscaler_actuator_journal_degraded 1";
    assert!(exposition.contains(line), "{exposition}");
    let log = actuator.process.log();
    let pages = log
        .lines()
        .filter(|line| line.contains("no resize is taken on"));
    assert_eq!(pages.count(), 1, "{log}");
    assert!(site.fake.count(Operation::Stop) <= 1);
}

/// What was done to the journal, and what is said of it.
async fn comes_up_after(name: &str, why: &str, damage: impl AsyncFnOnce(&Path)) {
    let site = Site::new().await;
    let _held = site.left_down().await;
    let journal = site.journal();
    damage(&journal).await;
    let before = content(journal.parent().unwrap());

    let mut actuator = site.boot().await;
    site.runs_again(ID, &actuator).await;
    is_degraded(&site, &mut actuator, why).await;
    assert_eq!(
        content(journal.parent().unwrap()),
        before,
        "{name}: it was touched"
    );
    // Killed again, it does the same again, and no harm.
    drop(actuator);
    let actuator = site.boot().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    site.runs_again(ID, &actuator).await;
    assert_eq!(site.fake.count(Operation::Stop), 1, "{name}");
}

#[tokio::test]
async fn garbage() {
    comes_up_after("garbage", "damaged", async |journal| {
        // What the log has would mend it.
        execute(journal, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        let bytes = fs::metadata(journal).unwrap().len();
        let garbage: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
        fs::write(journal, garbage).unwrap();
    })
    .await;
}

#[tokio::test]
async fn truncated() {
    let at = |length: u64| {
        comes_up_after("truncated", "damaged", async move |journal: &Path| {
            // What the log has would mend it.
            execute(journal, "PRAGMA wal_checkpoint(TRUNCATE)").await;
            let file = fs::File::options().write(true).open(journal).unwrap();
            let whole = file.metadata().unwrap().len();
            file.set_len(whole * length / 100).unwrap();
        })
    };
    tokio::join!(at(1), at(30), at(60), at(95));
}

#[tokio::test]
async fn replaced_by_a_directory() {
    comes_up_after("directory", "directory", async |journal| {
        fs::remove_file(journal).unwrap();
        fs::create_dir(journal).unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_a_newer_version() {
    let schema = comes_up_after("schema", "schema 99", async |journal| {
        execute(
            journal,
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99, 'later', TRUE, x'00', 0)",
        )
        .await;
    });
    let user_version = comes_up_after("user_version", "user_version", async |journal| {
        execute(journal, "PRAGMA user_version = 7").await;
    });
    let format = comes_up_after("format", "newer version", async |journal| {
        execute(journal, "UPDATE resizes SET format = 9").await;
    });
    tokio::join!(schema, user_version, format);
}

#[tokio::test]
async fn one_bad_row_does_not_hold_the_good_ones_up() {
    let mut site = Site::new().await;
    site.fake.add_instance(OTHER, FROM);
    let _held = site.left_down().await;
    let journal = site.journal();
    execute(
        &journal,
        "INSERT INTO resizes (resize_id, sequence, instance_id, dry_run, format, document, created_at, updated_at)
         SELECT 'r0', 0, 'i-0fedcba9876543210', 0, format, substr(document, 1, 400), created_at, updated_at FROM resizes",
    )
    .await;
    // Without its tag only the journal tells what was done to it.
    {
        use actuator::cloud::Machines as _;
        site.fake.remove_tag(ID, TAG).await.unwrap();
    }
    site.set("AUTOSCALER__ACTUATOR__SETTLE_SECONDS", "1");
    let mut actuator = site.boot().await;
    site.runs_again(ID, &actuator).await;
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some(TARGET));
    is_degraded(&site, &mut actuator, "1 of its unfinished resizes").await;
    assert_eq!(site.fake.state(OTHER), Some(InstanceState::Running));
}

/// A file system of its own, where one may be mounted.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(on: &'a Path) -> Option<Self> {
        fs::create_dir_all(on).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "none"])
            .arg(on)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(on))
    }
}

/// Runs a test where whoever it is may mount: in a namespace of its own.
fn again_where_one_may_mount(test: &str) {
    const AGAIN: &str = "AUTOSCALER_TEST_IN_A_NAMESPACE";
    let ran = std::env::var_os(AGAIN).is_none().then(|| {
        Command::new("unshare")
            .args(["--map-root-user", "--mount"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(AGAIN, "1")
            .status()
    });
    assert!(
        ran.is_some_and(|ran| ran.is_ok_and(|status| status.success())),
        "it needs a file system that it may fill: run it as root, or where user namespaces are allowed"
    );
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn on_a_disk_that_can_be_read_only() {
    let site = Site::new().await;
    let folder = site.disk.path().join("data");
    let Some(_mounted) = Mounted::new(&folder) else {
        return again_where_one_may_mount("journal::damaged::on_a_disk_that_can_be_read_only");
    };
    let _held = site.left_down().await;
    let remounted = Command::new("mount")
        .args(["-o", "remount,bind,ro"])
        .arg(&folder)
        .status();
    assert!(remounted.unwrap().success());
    let mut actuator = site.boot().await;
    site.runs_again(ID, &actuator).await;
    // From the row: by the tag alone the old type would run.
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some(TARGET));
    is_degraded(&site, &mut actuator, "free space").await;
}

#[tokio::test]
async fn on_a_full_disk() {
    let site = Site::new().await;
    let folder = site.disk.path().join("data");
    let Some(_mounted) = Mounted::new(&folder) else {
        return again_where_one_may_mount("journal::damaged::on_a_full_disk");
    };
    let _held = site.left_down().await;
    // Without a log, whose pages could be written over.
    execute(&site.journal(), "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut filler = fs::File::create(folder.join("filler")).unwrap();
    let block = [0_u8; 4096];
    while std::io::Write::write_all(&mut filler, &block).is_ok() {}
    let mut actuator = site.boot().await;
    site.runs_again(ID, &actuator).await;
    is_degraded(&site, &mut actuator, "free space").await;
}

#[tokio::test]
async fn where_no_file_can_be_made() {
    let site = Site::new().await;
    let _held = site.left_down().await;
    let mut actuator = site.boot_on(Path::new("/proc/nowhere/actuator.db")).await;
    site.runs_again(ID, &actuator).await;
    is_degraded(&site, &mut actuator, "actuator.database").await;
}

#[tokio::test]
async fn in_dry_run_it_starts_as_it_is_and_nothing_else_is_done() {
    let mut site = Site::new().await;
    let _held = site.left_down().await;
    let journal = site.journal();
    execute(&journal, "PRAGMA user_version = 7").await;
    site.set("AUTOSCALER__ACTUATOR__DRY_RUN", "true");
    // The call that was on its way when its actuator was killed.
    let modifies = site.fake.count(Operation::ModifyType);
    let actuator = site.boot().await;
    site.runs_again(ID, &actuator).await;
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some(FROM));
    assert_eq!(site.fake.count(Operation::Stop), 1);
    assert_eq!(site.fake.count(Operation::ModifyType), modifies);
}

#[tokio::test]
async fn removed_or_replaced_while_it_is_used_it_takes_nothing_on() {
    for name in ["actuator.db", "actuator.db.lock"] {
        for replaced in [false, true] {
            let site = Site::new().await;
            site.fake.add_instance(ID, FROM);
            let mut actuator = site.boot().await;
            actuator.serves().await;
            let path = site.journal().with_file_name(name);
            let copy = site.journal().with_file_name("copy");
            fs::copy(&path, &copy).unwrap();
            fs::remove_file(&path).unwrap();
            if replaced {
                fs::rename(&copy, &path).unwrap();
            }
            let refused = actuator.start_resize("r1", ID).await.unwrap_err();
            assert_eq!(
                refused.code(),
                Code::FailedPrecondition,
                "{name}: {refused}"
            );
            let done = if replaced {
                "was replaced"
            } else {
                "was removed"
            };
            is_degraded(&site, &mut actuator, done).await;
            assert_eq!(site.fake.mutations(), 0);
        }
    }
}

#[tokio::test]
async fn what_is_under_way_when_it_is_removed_comes_to_its_end() {
    use simulator::cloud::Moment;
    let site = Site::new().await;
    site.fake.add_instance(ID, FROM);
    let hold = site.fake.hold(Operation::ModifyType, 1, Moment::Before);
    let mut actuator = site.boot().await;
    actuator.serves().await;
    actuator.start_resize("r1", ID).await.unwrap();
    hold.arrived().await;
    fs::remove_dir_all(site.journal().parent().unwrap()).unwrap();
    hold.release();
    site.runs_again(ID, &actuator).await;
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some(TARGET));
    is_degraded(&site, &mut actuator, "was removed").await;
}
