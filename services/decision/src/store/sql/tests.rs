use std::sync::Arc;

use common::clock::ManualClock;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    decide::{
        input::{Basis, Forecast, Horizon, Input, InstanceType, Observation, Quantile},
        record::Decision,
        verdict::Action,
    },
    fleet::outcome::Outcome,
    policy::document::Policy,
    service::{Retention, Rules, Service, ServiceError, metrics::Metrics},
    store::Filter,
};

const START: i64 = 1_800_000_000;
const RULES: Rules = Rules {
    pinned: false,
    decisions_per_minute: 1_000_000,
};

struct Bench {
    _folder: TempDir,
    store: SqlStore,
    service: Service,
    clock: ManualClock,
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(Timestamp::from_second(START).unwrap());
    let store = SqlStore::open(
        &folder.path().join("new/folder/decision.db"),
        clock_now(&clock),
    )
    .await
    .unwrap();
    let service = Service::new(
        Arc::new(store.clone()),
        Arc::new(clock.clone()),
        Policy::default(),
        RULES,
        Metrics::default(),
    )
    .await
    .unwrap();
    Bench {
        _folder: folder,
        store,
        service,
        clock,
    }
}

fn clock_now(clock: &ManualClock) -> Timestamp {
    common::clock::Clock::now(clock)
}

impl Bench {
    async fn decide(&self, tick: &str, cpu: f64) -> Result<Decision, ServiceError> {
        let now = clock_now(&self.clock);
        let quantiles = [(0.1, cpu - 5.0), (0.9, cpu + 5.0)];
        let quantiles = quantiles
            .map(|(quantile, value)| Quantile { quantile, value })
            .to_vec();
        self.service
            .decide(
                Input {
                    tick_id: tick.into(),
                    target_id: "web-1".into(),
                    instance_id: "i-1".into(),
                    instance_type: "t2.small".into(),
                    observation: Some(Observation {
                        observed_at: now,
                        cpu_percent: 50.0,
                        memory_percent: None,
                        memory_peak_mib: None,
                        disk_bytes_per_second: None,
                        samples: 10,
                        saturated_seconds: 0,
                        cpu_evidence: crate::decide::input::Evidence::default(),
                        memory_evidence: crate::decide::input::Evidence::default(),
                        cpu_peak_last_hour_percent: None,
                    }),
                    forecast: Some(Forecast {
                        series_id: "web-1".into(),
                        basis: Basis::Naive,
                        basis_reason: "short history".into(),
                        origin: Some(now),
                        last_cpu: 50.0,
                        horizons: vec![Horizon {
                            horizon_seconds: 900,
                            at_horizon: quantiles,
                            peak: Vec::new(),
                            point: cpu,
                        }],
                        history: None,
                    }),
                    unknown: None,
                    dry_run: false,
                    lease_epoch: 0,
                    instance_types: vec![InstanceType {
                        instance_type: "t2.small".into(),
                        vcpus: 1,
                        memory_mib: 2_048,
                    }],
                    ladder: Vec::new(),
                    notes: Vec::new(),
                },
                None,
            )
            .await
    }

    async fn pragma(&self, statement: &'static str) -> i64 {
        let row = sqlx::query(statement)
            .fetch_optional(self.store.writer())
            .await
            .unwrap();
        row.map_or(0, |row| row.try_get(0).unwrap_or(0))
    }

    async fn all(&self) -> Vec<Decision> {
        let filter = Filter {
            limit: 1_000,
            ..Filter::default()
        };
        self.service.list(&filter).await.unwrap().decisions
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
    let bench = bench().await;
    let mode: String = sqlx::query("PRAGMA journal_mode")
        .fetch_one(bench.store.writer())
        .await
        .unwrap()
        .get(0);
    assert_eq!(mode, "wal");
    // 2 is FULL: the log is synced at each commit.
    assert_eq!(bench.pragma("PRAGMA synchronous").await, 2);
    assert_eq!(bench.pragma("PRAGMA foreign_keys").await, 1);
}

#[tokio::test]
async fn fault_46_a_full_disk_takes_no_action_and_recovers() {
    let bench = bench().await;
    let pages = bench.pragma("PRAGMA page_count").await;
    assert!(pages > 0);
    // SQLite treats its own limit as it treats a disk without room: SQLITE_FULL.
    bench.pragma("PRAGMA max_page_count = 1").await;
    let mut ticks = 0;
    let failed = loop {
        let result = bench.decide(&format!("tick-{ticks}"), 50.0).await;
        if result.is_err() {
            break kind(result);
        }
        ticks += 1;
        assert!(ticks < 1_000, "the limit does not hold");
    };
    assert_eq!(failed, "unwritable");
    assert_eq!(kind(bench.decide("tick-up", 90.0).await), "unwritable");
    assert!(
        bench
            .all()
            .await
            .iter()
            .all(|decision| decision.verdict.action == Action::Hold)
    );
    bench.pragma("PRAGMA max_page_count = 1000000").await;
    assert!(bench.decide("tick-up", 90.0).await.unwrap().pending);
}

#[tokio::test]
async fn fault_46_a_read_only_database_takes_no_action() {
    let bench = bench().await;
    bench.pragma("PRAGMA query_only = 1").await;
    assert_eq!(kind(bench.decide("tick-1", 90.0).await), "unwritable");
    assert!(bench.all().await.is_empty());
    bench.pragma("PRAGMA query_only = 0").await;
    assert!(bench.decide("tick-1", 90.0).await.unwrap().pending);
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
    let now = Timestamp::from_second(START).unwrap();
    let error = SqlStore::open(&path, now).await.unwrap_err().to_string();
    assert!(
        error.contains("actuator's journal") && error.contains("decision.database"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_database_itself_allows_one_pending_action() {
    let bench = bench().await;
    bench.decide("tick-1", 90.0).await.unwrap();
    bench.decide("tick-2", 50.0).await.unwrap();
    for twin in [
        "UPDATE decisions SET pending = 1, action = 'scale_up' WHERE tick_id = 'tick-2'",
        "UPDATE decisions SET pending = 1, action = 'scale_up', target_id = 'web-2' WHERE tick_id = 'tick-2'",
        "UPDATE decisions SET pending = 1, instance_id = 'i-2', target_id = 'web-2' WHERE tick_id = 'tick-2'",
    ] {
        let error = sqlx::query(twin)
            .execute(bench.store.writer())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("constraint failed"), "{error}");
    }
}

#[tokio::test]
async fn retention_forgets_decisions_and_nothing_that_guards() {
    const DAY: u64 = 86_400;
    let bench = bench().await;
    let retention = Retention {
        actions_days: 90,
        holds_days: 7,
    };
    let old_action = bench.decide("old-action", 90.0).await.unwrap();
    bench
        .service
        .report(
            &old_action.decision_id,
            (Outcome::RolledBack, false),
            String::new(),
            String::new(),
            None,
        )
        .await
        .unwrap();
    bench.decide("old-hold", 50.0).await.unwrap();
    bench.clock.advance(Duration::from_secs(DAY));
    let pending = bench.decide("pending", 90.0).await.unwrap();
    assert!(pending.pending);
    bench.clock.advance(Duration::from_secs(8 * DAY));
    // Nothing is old relative to the newest decision: a clock that jumped deletes nothing.
    assert_eq!(bench.service.delete_old(retention).await.unwrap(), 0);
    bench.decide("new-hold", 50.0).await.unwrap();
    assert_eq!(bench.service.delete_old(retention).await.unwrap(), 1);
    let ticks = |decisions: Vec<Decision>| -> Vec<String> {
        decisions
            .into_iter()
            .map(|decision| decision.tick_id)
            .collect()
    };
    assert_eq!(
        ticks(bench.all().await),
        ["new-hold", "pending", "old-action"]
    );
    bench.clock.advance(Duration::from_secs(90 * DAY));
    bench.decide("newest-hold", 50.0).await.unwrap();
    assert_eq!(bench.service.delete_old(retention).await.unwrap(), 2);
    assert_eq!(ticks(bench.all().await), ["newest-hold", "pending"]);
    let mut transaction = bench.store.read().await.unwrap();
    let cooldowns = transaction.cooldowns("web-1").await.unwrap();
    assert_eq!(cooldowns.up.unwrap().failures, 1);
}

#[tokio::test]
async fn a_lease_epoch_in_the_table_never_falls() {
    let bench = bench().await;
    let lease = bench.service.acquire_lease("fleet", "a", 30).await.unwrap();
    bench.clock.advance(Duration::from_secs(30));
    bench.service.acquire_lease("fleet", "b", 30).await.unwrap();
    let mut transaction = bench.store.write().await.unwrap();
    transaction.set_lease(&lease).await.unwrap();
    let found = transaction.lease("fleet").await.unwrap().unwrap();
    assert_eq!(found.epoch, lease.epoch + 30_000);
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
    let now = Timestamp::from_second(START).unwrap();
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

/// What an operator, a scheduler and a machine may do to the service, in any order.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Decide(f64),
    DecideAgain,
    Report(Outcome, bool),
    Restart,
    PauseFleet(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..900_u64).prop_map(Step::Pass),
        4 => (0.0..100.0_f64).prop_map(Step::Decide),
        1 => Just(Step::DecideAgain),
        3 => (prop::sample::select(vec![
            Outcome::Succeeded,
            Outcome::RolledBack,
            Outcome::FellBack,
            Outcome::Refused,
            Outcome::NotStarted,
            Outcome::Gone,
        ]), any::<bool>()).prop_map(|(outcome, for_good)| Step::Report(outcome, for_good)),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::PauseFleet),
    ]
}

async fn run(steps: Vec<Step>) {
    let mut bench = bench().await;
    let mut tick = 0;
    let mut pending: Option<Decision> = None;
    let mut last_touched_at: Option<Timestamp> = None;
    let mut paused = false;
    let mut last: Option<Decision> = None;
    for step in steps {
        match step {
            Step::Pass(seconds) => bench.clock.advance(Duration::from_secs(seconds)),
            Step::Decide(cpu) => {
                tick += 1;
                let decision = bench.decide(&format!("tick-{tick}"), cpu).await.unwrap();
                if decision.pending {
                    assert!(pending.is_none(), "two actions at once");
                    assert!(!paused, "acted in a pause");
                    if let Some(touched) = last_touched_at {
                        let since = text_seconds(touched, decision.decided_at);
                        assert!(since >= 600, "acted {since} s after a resize ended");
                    }
                    pending = Some(decision.clone());
                }
                last = Some(decision);
            }
            Step::DecideAgain => {
                if let Some(last) = &last {
                    let again = bench.decide(&last.tick_id, 99.0).await.unwrap();
                    assert_eq!(again.decision_id, last.decision_id);
                    assert_eq!(again.verdict, last.verdict);
                }
            }
            Step::Report(outcome, for_good) => {
                if let Some(decision) = pending.take() {
                    let id = decision.decision_id;
                    for _ in 0..2 {
                        let ended = bench
                            .service
                            .report(&id, (outcome, for_good), String::new(), String::new(), None)
                            .await
                            .unwrap();
                        assert!(!ended.pending);
                    }
                    if outcome.touched_the_machine() {
                        last_touched_at = Some(clock_now(&bench.clock));
                    }
                }
            }
            Step::Restart => {
                bench.service = Service::new(
                    Arc::new(bench.store.clone()),
                    Arc::new(bench.clock.clone()),
                    Policy::default(),
                    RULES,
                    Metrics::default(),
                )
                .await
                .unwrap();
            }
            Step::PauseFleet(on) => {
                if on {
                    bench
                        .service
                        .pause(
                            String::new(),
                            crate::fleet::pause::PauseDirection::Both,
                            String::new(),
                            crate::fleet::pause::PauseEnd::AtResume,
                            String::new(),
                        )
                        .await
                        .unwrap();
                } else {
                    assert_eq!(bench.service.resume("").await.unwrap(), paused);
                }
                paused = on;
            }
        }
    }
    for decision in bench.all().await {
        let stored = bench
            .service
            .get_stored(&decision.decision_id)
            .await
            .unwrap();
        let replayed = crate::decide::explain::replay(
            &stored.policy,
            &stored.input,
            &stored.state,
            decision.decided_at,
        );
        assert_eq!(replayed, decision.verdict);
    }
}

fn text_seconds(earlier: Timestamp, later: Timestamp) -> u64 {
    crate::text::seconds_between(earlier, later)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_happens_one_action_at_a_time_never_within_a_cooldown_and_all_of_it_replays(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(run(steps));
    }
}

#[tokio::test]
async fn only_its_owner_may_read_the_database_and_what_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decision.db");
    let now = Timestamp::from_second(START).unwrap();
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
