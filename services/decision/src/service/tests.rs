//! Whole calls, on each kind of store.

use std::{future::Future, sync::Arc, time::Duration};

use common::clock::ManualClock;
use proptest::prelude::*;

use super::*;
use crate::{
    decide::{
        input::{Basis, Forecast, Horizon, Input, InstanceType, Observation, Quantile},
        record::Decision,
    },
    fleet::outcome::Outcome,
    service::error::ServiceError,
    store::{Filter, memory::MemoryStore, sql::SqlStore},
};

pub const START: i64 = 1_800_000_000;
const RULES: Rules = Rules {
    pinned: false,
    decisions_per_minute: 1_000_000,
};

/// Resizes of a target in a day.
const BUDGET: u32 = 3;

/// A service over a store, at a clock of its own.
pub struct Bench {
    store: SharedStore,
    service: Service,
    clock: ManualClock,
}

pub fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

async fn service_over(store: &SharedStore, clock: &ManualClock) -> Service {
    let clock = Arc::new(clock.clone());
    let policy = Policy {
        strategy: crate::policy::document::Strategy::Threshold,
        resizes_a_day: BUDGET,
        ..Policy::default()
    };
    Service::new(store.clone(), clock, policy, RULES, Metrics::default())
        .await
        .unwrap()
}

/// Runs a scenario on each kind of store; what it came to on each.
async fn each<T, F: Future<Output = T>>(scenario: impl Fn(Bench) -> F) -> [T; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decision.db");
    let on_disk = Arc::new(SqlStore::open(&path, start()).await.unwrap());
    let in_memory = Arc::new(MemoryStore::default());
    [
        scenario(Bench::over(on_disk).await).await,
        scenario(Bench::over(in_memory).await).await,
    ]
}

fn clock_now(clock: &ManualClock) -> Timestamp {
    common::clock::Clock::now(clock)
}

impl Bench {
    pub async fn over(store: SharedStore) -> Self {
        let clock = ManualClock::new(start());
        let service = service_over(&store, &clock).await;
        Self {
            store,
            service,
            clock,
        }
    }

    pub async fn decide(&self, tick: &str, cpu: f64) -> Result<Decision, ServiceError> {
        self.service.decide(self.input(tick, cpu), None).await
    }

    fn input(&self, tick: &str, cpu: f64) -> Input {
        let now = clock_now(&self.clock);
        let quantiles = [(0.1, cpu - 5.0), (0.9, cpu + 5.0)];
        let quantiles = quantiles
            .map(|(quantile, value)| Quantile { quantile, value })
            .to_vec();
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
                memory_pressed_seconds: 0,
                cpu_evidence: crate::decide::input::Evidence::default(),
                memory_evidence: crate::decide::input::Evidence::default(),
                cpu_peak_last_hour_percent: None,
                sample_age_limit_seconds: 0,
                steal_percent: None,
                past: None,
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
        }
    }

    pub async fn all(&self) -> Vec<Decision> {
        let filter = Filter {
            limit: 1_000,
            ..Filter::default()
        };
        let (all, _) = self.service.list(&filter).await.unwrap();
        all.into_iter().map(|told| told.decision).collect()
    }
}

#[tokio::test]
async fn retention_forgets_decisions_and_nothing_that_guards() {
    each(async |bench: Bench| {
        const DAY: u64 = 86_400;
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
    })
    .await;
}

#[tokio::test]
async fn decisions_that_wait_share_a_transaction_and_are_the_same_as_one_by_one() {
    let counts = each(async |bench: Bench| {
        let alone: Vec<_> = (0..40).map(|n| format!("alone-{n}")).collect();
        for tick in &alone {
            bench.decide(tick, 50.0).await.unwrap();
        }
        let before = bench.service.together.transactions();
        let ticks: Vec<_> = (0..40).map(|n| format!("tick-{n}")).collect();
        // One is asked for twice, and one is refused: its epoch is nobody's.
        let twice = bench.decide("tick-7", 50.0);
        let mut refused = bench.input("refused", 50.0);
        refused.lease_epoch = 9;
        let refused = bench.service.decide(refused, None);
        let all = futures::future::join_all(ticks.iter().map(|tick| bench.decide(tick, 50.0)));
        let (twice, refused, all) = futures::join!(twice, refused, all);
        let all: Vec<Decision> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(twice.unwrap().decision_id, all[7].decision_id);
        assert!(matches!(
            refused,
            Err(ServiceError::StaleEpoch { given: 9, .. })
        ));
        for (decision, tick) in all.iter().zip(&ticks) {
            assert_eq!(&decision.tick_id, tick);
            let alone = bench.all().await;
            let alone = alone.iter().find(|decision| decision.tick_id == "alone-0");
            assert_eq!(decision.verdict, alone.unwrap().verdict);
        }
        assert_eq!(bench.all().await.len(), 80);
        bench.service.together.transactions() - before
    })
    .await;
    // The first has one of its own, as nobody waits yet; the others come while it is written.
    assert!(
        counts.iter().all(|count| (1..=3).contains(count)),
        "{counts:?}"
    );
}

#[tokio::test]
async fn where_the_store_is_held_everybody_who_waits_hears_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decision.db");
    let store: SharedStore = Arc::new(SqlStore::open(&path, start()).await.unwrap());
    let bench = Bench::over(Arc::clone(&store)).await;
    let held = store.write().await.unwrap();
    let ticks: Vec<_> = (0..20).map(|n| format!("tick-{n}")).collect();
    let all = futures::future::join_all(ticks.iter().map(|tick| bench.decide(tick, 50.0)));
    // Two waits for a connection, not twenty: the first has one to itself.
    let begin = common::clock::machine().monotonic();
    let all = all.await;
    let took = common::clock::machine().since(begin);
    assert!(took < Duration::from_secs(10), "{took:?}");
    for decided in all {
        assert!(matches!(
            decided,
            Err(ServiceError::Store(StoreError::Busy(_)))
        ));
    }
    drop(held);
    bench.decide("tick-0", 50.0).await.unwrap();
    assert_eq!(bench.all().await.len(), 1);
}

#[tokio::test]
async fn a_lease_epoch_in_the_table_never_falls() {
    each(async |bench: Bench| {
        let lease = bench.service.acquire_lease("fleet", "a", 30).await.unwrap();
        bench.clock.advance(Duration::from_secs(30));
        bench.service.acquire_lease("fleet", "b", 30).await.unwrap();
        let mut transaction = bench.store.write().await.unwrap();
        transaction.set_lease(&lease).await.unwrap();
        let found = transaction.lease("fleet").await.unwrap().unwrap();
        assert_eq!(found.epoch, lease.epoch + 30_000);
    })
    .await;
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

/// Takes the steps; the decisions that were made, newest first.
async fn run(mut bench: Bench, steps: Vec<Step>) -> Vec<Decision> {
    let mut tick = 0;
    let mut pending: Option<Decision> = None;
    let mut last_touched_at: Option<Timestamp> = None;
    let mut resizes = 0;
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
                    // All steps together are less than a day.
                    assert!(resizes < BUDGET, "acted beyond the budget");
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
                        resizes += 1;
                    }
                }
            }
            Step::Restart => {
                bench.service = service_over(&bench.store, &bench.clock).await;
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
    let all = bench.all().await;
    for decision in &all {
        let mut view = bench.store.read().await.unwrap();
        let stored = view.stored(&decision.decision_id).await.unwrap().unwrap();
        assert_eq!(&crate::decide::replay::again(&stored), decision);
    }
    all
}

/// Ids are random; those of actions under way stand in sentences.
fn without_ids(mut decisions: Vec<Decision>) -> Vec<Decision> {
    let ids = decisions
        .iter()
        .map(|decision| decision.decision_id.clone());
    let ids: Vec<String> = ids.collect();
    for decision in &mut decisions {
        decision.decision_id.clear();
        let verdict = &mut decision.verdict;
        let details = verdict.checks.iter_mut().map(|check| &mut check.detail);
        for text in details.chain([&mut verdict.reason]) {
            for id in &ids {
                *text = text.replace(id, "ID");
            }
        }
    }
    decisions
}

/// Each kind of store remembers the same of the same steps.
async fn run_on_each(steps: Vec<Step>) {
    let made = each(|bench| run(bench, steps.clone())).await;
    let [on_disk, in_memory] = made.map(without_ids);
    assert_eq!(on_disk, in_memory);
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
            .block_on(run_on_each(steps));
    }
}
