//! What every store must do: one list of scenarios, run on each.

use std::{future::Future, sync::Arc};

use jiff::Timestamp;

use super::{Filter, SharedStore, Transaction, memory::MemoryStore, sql::SqlStore};
use crate::{
    decide::{
        guide::Guide,
        input::{Input, State},
        record::{Decision, Stored},
        run::Run,
        verdict::{Action, Check, CheckVerdict, ReasonCode, Verdict},
    },
    fleet::{
        cooldown::{Cooldowns, LastEnd},
        direction::Direction,
        lease::Lease,
        outcome::{End, Outcome},
        pause::{Pause, PauseDirection},
        resizes::Resize,
    },
    policy::document::{Policy, Source, Strategy},
};

/// Runs a scenario on an empty store of each kind.
async fn each<F: Future<Output = ()>>(scenario: impl Fn(SharedStore) -> F) {
    scenario(Arc::new(MemoryStore::default())).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decision.db");
    let store: SharedStore = Arc::new(SqlStore::open(&path, at(0)).await.unwrap());
    scenario(store.clone()).await;
    store.close().await;
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A decision about `target` at a second, with a text that quotes.
fn made(id: &str, target: &str, second: i64, action: Action) -> Stored {
    let policy = Policy::default();
    let input = Input {
        tick_id: format!("tick-{id}"),
        target_id: target.to_owned(),
        instance_id: format!("i-{target}"),
        instance_type: "t2.small".to_owned(),
        observation: None,
        forecast: None,
        unknown: None,
        dry_run: false,
        lease_epoch: 7,
        instance_types: Vec::new(),
        ladder: Vec::new(),
        notes: vec!["a 'quoted' note; -- ümläut".to_owned()],
    };
    Stored {
        decision: Decision {
            decision_id: id.to_owned(),
            tick_id: input.tick_id.clone(),
            target_id: target.to_owned(),
            instance_id: input.instance_id.clone(),
            decided_at: at(second),
            from_instance_type: input.instance_type.clone(),
            verdict: Verdict {
                action,
                to_instance_type: "t2.medium".to_owned(),
                reason_code: ReasonCode::Saturated,
                reason: "because".to_owned(),
                confidence: 0.1 + 0.2,
                predicted_cpu_percent: None,
                horizon_seconds: 0,
                checks: vec![Check {
                    name: "inputs".to_owned(),
                    verdict: CheckVerdict::Pass,
                    detail: "seen".to_owned(),
                }],
            },
            dry_run: false,
            policy_version: policy.version(),
            input_digest: input.digest(),
            lease_epoch: 7,
            pending: action != Action::Hold,
            end: None,
        },
        input,
        state: State::default(),
        policy,
    }
}

fn ended(outcome: Outcome, second: i64) -> End {
    End {
        outcome,
        instance_type: "t2.medium".to_owned(),
        detail: "as planned".to_owned(),
        at: at(second),
    }
}

async fn add(transaction: &mut dyn Transaction, stored: &Stored) {
    let version = &stored.decision.policy_version;
    transaction
        .remember_policy(version, &stored.policy, at(0))
        .await
        .unwrap();
    transaction.insert(stored).await.unwrap();
}

/// Decisions in one transaction; those to act end as they are told.
async fn fill(store: &SharedStore, decisions: &[(&Stored, Option<End>)]) {
    let mut transaction = store.write().await.unwrap();
    for (stored, end) in decisions {
        add(&mut *transaction, stored).await;
        if let Some(end) = end {
            let id = &stored.decision.decision_id;
            transaction.end(id, end).await.unwrap();
        }
    }
    transaction.commit().await.unwrap();
}

async fn ids(store: &SharedStore, filter: Filter) -> (Vec<String>, Option<i64>) {
    let page = store.read().await.unwrap().decisions(&filter).await;
    let page = page.unwrap();
    let ids = page.decisions.into_iter();
    (
        ids.map(|decision| decision.decision_id).collect(),
        page.next,
    )
}

fn all() -> Filter {
    Filter {
        limit: 100,
        ..Filter::default()
    }
}

fn pause(target_id: &str, since: i64, until: Option<i64>) -> Pause {
    Pause {
        target_id: target_id.to_owned(),
        direction: PauseDirection::Down,
        reason: "release".to_owned(),
        since: at(since),
        until: until.map(at),
        by: "ada".to_owned(),
    }
}

fn lease(resource: &str, epoch: u64, expires: i64) -> Lease {
    Lease {
        resource: resource.to_owned(),
        holder: "a".to_owned(),
        epoch,
        expires_at: at(expires),
        ttl_seconds: 30,
    }
}

fn rested(second: i64, failures: u32) -> Option<LastEnd> {
    Some(LastEnd {
        ended_at: at(second),
        failures,
        timer_running: false,
    })
}

#[tokio::test]
async fn what_was_written_is_read() {
    each(async |store| {
        let mut first = made("d1", "web", 1, Action::ScaleUp);
        first.policy.source = Some(Source::File);
        fill(&store, &[(&first, None)]).await;
        let mut view = store.read().await.unwrap();
        // Who sets the policy is no part of the document.
        first.policy.source = None;
        assert_eq!(view.stored("d1").await.unwrap(), Some(first.clone()));
        let decision = Some(first.decision.clone());
        assert_eq!(view.decision("d1").await.unwrap(), decision);
        let of_tick = view.decision_of_tick("tick-d1", "web").await.unwrap();
        assert_eq!(of_tick, decision);
        assert_eq!(view.seen_last("web").await.unwrap(), decision);
        assert_eq!(view.newest_decision_at().await.unwrap(), Some(at(1)));
        assert_eq!(view.decision("d2").await.unwrap(), None);
        assert_eq!(view.stored("d2").await.unwrap(), None);
        assert_eq!(view.decision_of_tick("tick-d1", "api").await.unwrap(), None);
        drop(view);

        let mut transaction = store.write().await.unwrap();
        let end = ended(Outcome::Succeeded, 5);
        transaction.end("d1", &end).await.unwrap();
        // The first end counts, and what nobody knows ends for nobody.
        let other = ended(Outcome::Gone, 6);
        transaction.end("d1", &other).await.unwrap();
        transaction.end("d2", &other).await.unwrap();
        let found = transaction.decision("d1").await.unwrap().unwrap();
        assert_eq!((found.end, found.pending), (Some(end), false));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_committed_never_was() {
    each(async |store| {
        let kept = made("kept", "web", 1, Action::ScaleUp);
        let cooldowns = Cooldowns {
            up: rested(1, 2),
            down: None,
        };
        let version = kept.decision.policy_version.clone();
        fill(&store, &[(&kept, None)]).await;
        let mut transaction = store.write().await.unwrap();
        transaction.set_cooldowns("web", &cooldowns).await.unwrap();
        transaction.set_pause(&pause("web", 1, None)).await.unwrap();
        transaction.set_lease(&lease("fleet", 5, 30)).await.unwrap();
        transaction.apply_policy(&version, at(1)).await.unwrap();
        transaction.commit().await.unwrap();

        let mut transaction = store.write().await.unwrap();
        let mut other = made("other", "api", 2, Action::Hold);
        other.policy.cooldown_seconds = 1;
        other.decision.policy_version = other.policy.version();
        add(&mut *transaction, &other).await;
        let end = ended(Outcome::RolledBack, 5);
        transaction.end("kept", &end).await.unwrap();
        assert_eq!(transaction.count_pending().await.unwrap(), 0);
        assert_eq!(transaction.delete_old(at(9), at(9), 9).await.unwrap(), 2);
        let worse = Cooldowns {
            up: rested(2, 3),
            down: rested(2, 0),
        };
        transaction.set_cooldowns("web", &worse).await.unwrap();
        transaction.set_pause(&pause("web", 9, None)).await.unwrap();
        transaction.set_pause(&pause("", 9, None)).await.unwrap();
        assert!(transaction.resume("web", at(9)).await.unwrap());
        transaction.forget_lease("fleet").await.unwrap();
        transaction.set_lease(&lease("fleet", 1, 90)).await.unwrap();
        transaction.set_lease(&lease("night", 1, 90)).await.unwrap();
        transaction.forget_unused_policies().await.unwrap();
        drop(transaction);

        assert_eq!(ids(&store, all()).await.0, ["kept"]);
        let mut view = store.read().await.unwrap();
        assert_eq!(view.stored("kept").await.unwrap(), Some(kept));
        assert_eq!(view.count_pending().await.unwrap(), 1);
        assert_eq!(
            view.decision_of_tick("tick-other", "api").await.unwrap(),
            None
        );
        assert_eq!(view.cooldowns("web").await.unwrap(), cooldowns);
        let pauses = view.pauses_after(None, at(9), 9).await.unwrap();
        assert_eq!(pauses, [pause("web", 1, None)]);
        assert_eq!(
            view.lease("fleet").await.unwrap(),
            Some(lease("fleet", 5, 30))
        );
        assert_eq!(view.count_leases().await.unwrap(), 0);
        assert_eq!(view.count_policies().await.unwrap(), 1);
        assert_eq!(view.applied_policy().await.unwrap().unwrap().at, at(1));
    })
    .await;
}

#[tokio::test]
async fn one_decision_of_a_tick_and_one_action_at_a_time() {
    each(async |store| {
        let first = made("d1", "web", 1, Action::ScaleUp);
        fill(&store, &[(&first, None)]).await;
        let twins: [fn(&mut Stored); 4] = [
            |twin| twin.decision.decision_id = "d1".to_owned(),
            |twin| {
                twin.decision.tick_id = "tick-d1".to_owned();
                twin.decision.pending = false;
                twin.decision.verdict.action = Action::Hold;
            },
            |twin| twin.decision.instance_id = "i-other".to_owned(),
            |twin| twin.decision.target_id = "other".to_owned(),
        ];
        for twin in twins {
            let mut second = made("d2", "web", 2, Action::ScaleUp);
            twin(&mut second);
            let mut transaction = store.write().await.unwrap();
            let error = transaction.insert(&second).await.unwrap_err();
            assert_eq!(error.name(), "statement", "{error}");
        }
        // Nor one whose policy nobody would find again.
        let mut strange = made("d3", "api", 2, Action::Hold);
        strange.decision.policy_version = "unknown".to_owned();
        let mut transaction = store.write().await.unwrap();
        assert!(transaction.insert(&strange).await.is_err());
        drop(transaction);

        let mut view = store.read().await.unwrap();
        // By the target, or by the instance when another target names it.
        for (target, instance, found) in [
            ("web", "i-0", true),
            ("twin", "i-web", true),
            ("twin", "i-0", false),
        ] {
            let pending = view.pending_action(target, instance).await.unwrap();
            assert_eq!(pending.is_some(), found, "{target} {instance}");
        }
        let pending = view.pending_action("web", "i-web").await.unwrap().unwrap();
        assert_eq!(
            (
                pending.decision_id.as_str(),
                pending.action,
                pending.decided_at
            ),
            ("d1", Action::ScaleUp, at(1))
        );
        assert_eq!(
            (
                pending.from_instance_type.as_str(),
                pending.to_instance_type.as_str()
            ),
            ("t2.small", "t2.medium")
        );
    })
    .await;
}

#[tokio::test]
async fn the_own_action_comes_before_that_of_another_target() {
    each(async |store| {
        let mut other = made("d1", "other", 1, Action::ScaleUp);
        other.decision.instance_id = "i-shared".to_owned();
        let own = made("d2", "web", 2, Action::ScaleUp);
        fill(&store, &[(&other, None), (&own, None)]).await;
        let mut view = store.read().await.unwrap();
        for (target, expected) in [("web", "d2"), ("twin", "d1")] {
            let pending = view.pending_action(target, "i-shared").await.unwrap();
            assert_eq!(pending.unwrap().decision_id, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn lists_go_from_the_newest_by_pages() {
    each(async |store| {
        let decisions = [
            made("d1", "web", 5, Action::ScaleUp),
            made("d2", "web", 4, Action::Hold),
            made("d3", "api", 3, Action::Hold),
            made("d4", "api", 2, Action::ScaleDown),
            made("d5", "web", 1, Action::Hold),
        ];
        let done = ended(Outcome::Succeeded, 6);
        let rows: Vec<(&Stored, Option<End>)> = decisions
            .iter()
            .zip([Some(done), None, None, None, None])
            .collect();
        fill(&store, &rows).await;
        let of = |target: &str| Filter {
            target_id: Some(target.to_owned()),
            ..all()
        };
        let actions_only = true;
        let pending_only = true;
        for (filter, expected) in [
            (all(), &["d5", "d4", "d3", "d2", "d1"][..]),
            (of("web"), &["d5", "d2", "d1"]),
            (
                Filter {
                    actions_only,
                    ..all()
                },
                &["d4", "d1"],
            ),
            (
                Filter {
                    actions_only,
                    ..of("web")
                },
                &["d1"],
            ),
            (
                Filter {
                    pending_only,
                    ..all()
                },
                &["d4"],
            ),
            (
                Filter {
                    pending_only,
                    actions_only,
                    ..of("api")
                },
                &["d4"],
            ),
            (
                Filter {
                    pending_only,
                    ..of("web")
                },
                &[],
            ),
            (of("nobody"), &[]),
        ] {
            let (found, next) = ids(&store, filter.clone()).await;
            assert_eq!(
                (found, next),
                (expected.iter().map(|id| (*id).to_owned()).collect(), None),
                "{filter:?}"
            );
            // The same, one by one.
            let mut before = None;
            let mut paged = Vec::new();
            loop {
                let filter = Filter {
                    before,
                    limit: 1,
                    ..filter.clone()
                };
                let (found, next) = ids(&store, filter).await;
                paged.extend(found);
                before = next;
                if next.is_none() {
                    break;
                }
            }
            assert_eq!(paged, expected, "{filter:?}");
        }
        let mut view = store.read().await.unwrap();
        // By the order in which they were made, whatever the clock said.
        assert_eq!(view.newest_decision_at().await.unwrap(), Some(at(1)));
        assert_eq!(view.count_pending().await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn ends_of_a_target_are_found() {
    each(async |store| {
        let mut decisions = Vec::new();
        for number in 0..12 {
            let outcome = match number {
                3 => Outcome::Refused,
                4 => Outcome::FellBack,
                _ => Outcome::Succeeded,
            };
            let stored = made(&format!("d{number}"), "web", number, Action::ScaleUp);
            decisions.push((stored, Some(ended(outcome, 100 - number))));
        }
        let mut blind = made("blind", "web", 50, Action::Hold);
        blind.decision.from_instance_type = String::new();
        decisions.push((blind, None));
        let rows: Vec<_> = decisions
            .iter()
            .map(|(stored, end)| (stored, end.clone()))
            .collect();
        fill(&store, &rows).await;
        let mut view = store.read().await.unwrap();
        // Without the refusal, the newest decision first, at most ten.
        let recent: Vec<i64> = [11, 10, 9, 8, 7, 6, 5, 4, 2, 1].to_vec();
        let recent: Vec<_> = recent.iter().map(|number| at(100 - number)).collect();
        let found = view.resizes("web", 10).await.unwrap();
        let ends: Vec<_> = found.iter().map(|resize| resize.ended_at).collect();
        assert_eq!(ends, recent);
        let fallen = Resize {
            direction: Direction::Up,
            began_at: at(4),
            ended_at: at(96),
            outcome: Outcome::FellBack,
        };
        assert_eq!(found[7], fallen);
        assert_eq!(view.resizes("web", 64).await.unwrap().len(), 11);
        let ended = view.ended_since("web", at(97)).await.unwrap();
        let ended: Vec<_> = ended
            .iter()
            .map(|decision| decision.decision_id.as_str())
            .collect();
        assert_eq!(ended, ["d0", "d1", "d2", "d3"]);
        let seen = view.seen_last("web").await.unwrap().unwrap();
        assert_eq!(seen.decision_id, "d11");
        assert_eq!(view.seen_last("api").await.unwrap(), None);
        assert!(view.ended_since("api", at(0)).await.unwrap().is_empty());
        assert!(view.resizes("api", 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_old_goes_and_what_is_under_way_stays() {
    each(async |store| {
        let done = ended(Outcome::Succeeded, 9);
        let decisions = [
            (made("hold", "web", 1, Action::Hold), None),
            (made("action", "web", 2, Action::ScaleUp), Some(done)),
            (made("pending", "web", 3, Action::ScaleUp), None),
            (made("later", "web", 4, Action::Hold), None),
            (made("newest", "web", 8, Action::Hold), None),
        ];
        let rows: Vec<_> = decisions
            .iter()
            .map(|(stored, end)| (stored, end.clone()))
            .collect();
        fill(&store, &rows).await;
        for (actions_before, limit, deleted, left) in [
            (2, 1, 1, &["newest", "later", "pending", "action"][..]),
            (2, 9, 1, &["newest", "pending", "action"]),
            (3, 9, 1, &["newest", "pending"]),
            (7, 9, 0, &["newest", "pending"]),
        ] {
            let mut transaction = store.write().await.unwrap();
            let gone = transaction.delete_old(at(7), at(actions_before), limit);
            assert_eq!(gone.await.unwrap(), deleted);
            transaction.commit().await.unwrap();
            assert_eq!(ids(&store, all()).await.0, left);
        }
    })
    .await;
}

#[tokio::test]
async fn policies_stay_as_long_as_something_refers_to_them() {
    each(async |store| {
        let policy = |cooldown_seconds| Policy {
            cooldown_seconds,
            ..Policy::default()
        };
        let remember = async |transaction: &mut dyn Transaction, version: &str, number| {
            let policy = policy(number);
            let remembered = transaction.remember_policy(version, &policy, at(0));
            remembered.await.unwrap();
        };
        fill(&store, &[(&made("d1", "web", 1, Action::Hold), None)]).await;
        let mut transaction = store.write().await.unwrap();
        assert!(transaction.apply_policy("unknown", at(0)).await.is_err());
        drop(transaction);
        let mut transaction = store.write().await.unwrap();
        assert!(transaction.applied_policy().await.unwrap().is_none());
        for number in 0..102_u32 {
            let version = format!("v{number}");
            remember(&mut *transaction, &version, number).await;
            let applied = transaction.apply_policy(&version, at(number.into()));
            applied.await.unwrap();
        }
        // What a version stands for never changes.
        remember(&mut *transaction, "v101", 0).await;
        remember(&mut *transaction, "unused", 9).await;
        transaction.commit().await.unwrap();
        let mut transaction = store.write().await.unwrap();
        assert_eq!(transaction.count_policies().await.unwrap(), 104);
        transaction.forget_unused_policies().await.unwrap();
        transaction.commit().await.unwrap();
        let mut view = store.read().await.unwrap();
        // The hundred applied last, and that of the decision.
        assert_eq!(view.count_policies().await.unwrap(), 101);
        let applied = view.applied_policy().await.unwrap().unwrap();
        assert_eq!((applied.version.as_str(), applied.at), ("v101", at(101)));
        assert_eq!(applied.policy, policy(101));
        assert!(view.stored("d1").await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_name_has_one_pause_and_pauses_end() {
    each(async |store| {
        fill(&store, &[(&made("d1", "web", 1, Action::Hold), None)]).await;
        let mut transaction = store.write().await.unwrap();
        for pause in [
            pause("web", 1, Some(9)),
            pause("i-web", 2, None),
            pause("", 3, Some(20)),
            pause("aa", 4, Some(10)),
            pause("web", 5, Some(30)),
        ] {
            transaction.set_pause(&pause).await.unwrap();
        }
        let cooldowns = Cooldowns {
            up: None,
            down: rested(1, 0),
        };
        transaction.set_cooldowns("db", &cooldowns).await.unwrap();
        transaction.commit().await.unwrap();
        let mut view = store.read().await.unwrap();
        for (name, known) in [
            ("", true),
            ("web", true),
            ("db", true),
            ("aa", true),
            ("zz", false),
        ] {
            assert_eq!(view.is_known(name).await.unwrap(), known, "{name}");
        }
        let begins = |pauses: Vec<Pause>| -> Vec<i64> {
            let begins = pauses.iter().map(|pause| pause.since.as_second());
            begins.map(|second| second - at(0).as_second()).collect()
        };
        let names = ["web", "i-web"];
        let found = view.pauses_in_force(names, at(9)).await.unwrap();
        assert_eq!(begins(found), [3, 2, 5]);
        // The end is no longer paused.
        let found = view.pauses_in_force(names, at(20)).await.unwrap();
        assert_eq!(begins(found), [2, 5]);
        let found = view.pauses_after(None, at(0), 2).await.unwrap();
        assert_eq!(begins(found), [3, 4]);
        let found = view.pauses_after(Some("aa"), at(0), 9).await.unwrap();
        assert_eq!(begins(found), [2, 5]);
        assert_eq!(view.count_pauses(at(10)).await.unwrap(), 3);
        assert_eq!(view.count_unknown_pauses().await.unwrap(), 2);
        drop(view);

        let mut transaction = store.write().await.unwrap();
        transaction.forget_ended_pauses(at(10)).await.unwrap();
        assert_eq!(transaction.count_unknown_pauses().await.unwrap(), 1);
        assert!(!transaction.resume("aa", at(10)).await.unwrap());
        // One that has ended is taken away, and was none.
        assert!(!transaction.resume("", at(20)).await.unwrap());
        assert!(transaction.resume("web", at(20)).await.unwrap());
        assert_eq!(transaction.count_pauses(at(0)).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_epoch_never_falls_unless_its_lease_is_forgotten() {
    each(async |store| {
        let mut transaction = store.write().await.unwrap();
        assert_eq!(transaction.lease("fleet").await.unwrap(), None);
        transaction.set_lease(&lease("fleet", 9, 30)).await.unwrap();
        transaction.set_lease(&lease("fleet", 3, 60)).await.unwrap();
        let found = transaction.lease("fleet").await.unwrap();
        assert_eq!(found, Some(lease("fleet", 9, 60)));
        transaction.forget_lease("fleet").await.unwrap();
        transaction.set_lease(&lease("fleet", 3, 1)).await.unwrap();
        let found = transaction.lease("fleet").await.unwrap();
        assert_eq!(found, Some(lease("fleet", 3, 1)));
        // The fleet's is never unused.
        transaction.set_lease(&lease("a", 1, 50)).await.unwrap();
        transaction.set_lease(&lease("b", 1, 49)).await.unwrap();
        assert_eq!(transaction.count_leases().await.unwrap(), 2);
        transaction.forget_unused_leases(at(50)).await.unwrap();
        assert_eq!(transaction.count_leases().await.unwrap(), 1);
        assert!(transaction.lease("a").await.unwrap().is_some());
        assert!(transaction.lease("fleet").await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_rest_is_kept_by_direction_and_without_its_timer() {
    each(async |store| {
        let mut transaction = store.write().await.unwrap();
        let both = Cooldowns {
            up: rested(5, 1),
            down: rested(5, 0),
        };
        transaction.set_cooldowns("web", &both).await.unwrap();
        let mut up = Cooldowns {
            up: rested(9, 2),
            down: None,
        };
        up.get_mut(Direction::Up).as_mut().unwrap().timer_running = true;
        transaction.set_cooldowns("web", &up).await.unwrap();
        let found = transaction.cooldowns("web").await.unwrap();
        assert_eq!((found.up, found.down), (rested(9, 2), rested(5, 0)));
        let nobody = transaction.cooldowns("api").await.unwrap();
        assert_eq!(nobody, Cooldowns::default());
        for (since, expected) in [(4, &["web"][..]), (8, &["web"]), (9, &[])] {
            let found = transaction.targets_rested_since(at(since)).await.unwrap();
            assert_eq!(found, expected, "{since}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_review_is_kept_until_the_next_one_and_only_with_its_transaction() {
    each(|store| async move {
        let track = sizing::past::walk(&vec![Some(0.5); 3 * sizing::step::DAY]);
        let rungs = sizing::rungs::Rungs::new(&[1.0, 2.0], &[1.0, 2.0]).unwrap();
        let review = |prices: sizing::appetite::Appetite| {
            let pool = sizing::pool::measured();
            sizing::review::review(&track, &pool, &rungs, &prices.prices(), pool[0]).unwrap()
        };
        let first = review(sizing::appetite::Appetite::Thrifty);
        let guide = Guide::new(&first, at(1));
        let mut transaction = store.write().await.unwrap();
        transaction
            .set_review("web-1", &guide, &first)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let second = review(sizing::appetite::Appetite::Careful);
        let later = Guide::new(&second, at(2));
        assert_ne!((&second, &later), (&first, &guide));
        let mut dropped = store.write().await.unwrap();
        dropped.set_review("web-1", &later, &second).await.unwrap();
        drop(dropped);
        let mut view = store.read().await.unwrap();
        assert_eq!(view.guide("web-1").await.unwrap(), Some(guide));
        assert_eq!(view.review("web-1").await.unwrap(), Some(first));
        assert_eq!(view.guide("web-2").await.unwrap(), None);
        assert_eq!(view.review("web-2").await.unwrap(), None);
        drop(view);
        let mut transaction = store.write().await.unwrap();
        transaction
            .set_review("web-1", &later, &second)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let mut view = store.read().await.unwrap();
        assert_eq!(view.guide("web-1").await.unwrap(), Some(later));
        assert_eq!(view.review("web-1").await.unwrap(), Some(second));
    })
    .await;
}

#[tokio::test]
async fn an_old_review_goes_unless_its_target_is_decided_by_it() {
    each(|store| async move {
        let track = sizing::past::walk(&vec![Some(0.5); 3 * sizing::step::DAY]);
        let rungs = sizing::rungs::Rungs::new(&[1.0, 2.0], &[1.0, 2.0]).unwrap();
        let pool = sizing::pool::measured();
        let prices = sizing::appetite::Appetite::Balanced.prices();
        let review = sizing::review::review(&track, &pool, &rungs, &prices, pool[0]).unwrap();
        let threshold = Policy {
            strategy: Strategy::Threshold,
            ..Policy::default()
        };
        let under = |policy: &Policy, mut stored: Stored| {
            stored.decision.policy_version = policy.version();
            stored.policy = policy.clone();
            stored
        };
        let mut transaction = store.write().await.unwrap();
        for policy in [&threshold, &Policy::default()] {
            let version = policy.version();
            let remembered = transaction.remember_policy(&version, policy, at(0));
            remembered.await.unwrap();
        }
        for (id, target, policy) in [
            ("d1", "before", &Policy::default()),
            ("d2", "before", &threshold),
            ("d3", "still", &threshold),
            ("d4", "still", &Policy::default()),
        ] {
            let stored = under(policy, made(id, target, 5, Action::Hold));
            transaction.insert(&stored).await.unwrap();
        }
        for (target, second) in [
            ("before", 4),
            ("still", 4),
            ("gone", 4),
            ("gone too", 3),
            ("new", 6),
        ] {
            let guide = Guide::new(&review, at(second));
            transaction
                .set_review(target, &guide, &review)
                .await
                .unwrap();
        }
        for (limit, deleted) in [(2, 2), (2, 1), (2, 0)] {
            let gone = transaction.delete_old_reviews(at(6), limit).await.unwrap();
            assert_eq!(gone, deleted);
        }
        transaction.commit().await.unwrap();
        let mut view = store.read().await.unwrap();
        for (target, kept) in [
            ("before", false),
            ("still", true),
            ("gone", false),
            ("gone too", false),
            ("new", true),
        ] {
            assert_eq!(
                view.review(target).await.unwrap().is_some(),
                kept,
                "{target}"
            );
        }
    })
    .await;
}

/// A hold about `target`, which continues the run under way where it can; its id.
async fn held(store: &SharedStore, id: u128, target: &str, second: i64) -> String {
    let id = uuid::Builder::from_u128(id).with_version(uuid::Version::SortRand);
    let id = id.into_uuid().to_string();
    let mut stored = made(&id, target, second, Action::Hold);
    stored.decision.tick_id = format!("tick-{second}");
    stored.input.tick_id.clone_from(&stored.decision.tick_id);
    let mut transaction = store.write().await.unwrap();
    let version = stored.policy.version();
    let remembered = transaction.remember_policy(&version, &stored.policy, at(0));
    remembered.await.unwrap();
    let run = match transaction.open_run(target).await.unwrap() {
        Some((run, newest)) if run.admits(&newest, &stored.decision) => run.joined(&mut stored),
        _ => Run::begin(&mut stored).unwrap(),
    };
    transaction.insert_hold(&stored, &run).await.unwrap();
    transaction.commit().await.unwrap();
    stored.decision.decision_id
}

#[tokio::test]
async fn holds_in_a_row_are_a_run_that_answers_for_each_of_them() {
    each(|store| async move {
        let mut held_ids = Vec::new();
        for number in 0..5_u8 {
            held_ids.push(held(&store, number.into(), "web", 300 * i64::from(number)).await);
            held(
                &store,
                100 + u128::from(number),
                "api",
                300 * i64::from(number),
            )
            .await;
        }
        fill(
            &store,
            &[(&made("action", "web", 1_500, Action::ScaleUp), None)],
        )
        .await;
        let after = held(&store, 9, "web", 1_800).await;
        let of = |target: &str| Filter {
            target_id: Some(target.to_owned()),
            ..all()
        };
        let (found, _) = ids(&store, of("web")).await;
        assert_eq!(
            found,
            [after.as_str(), "action", &held_ids[4], &held_ids[0]]
        );
        let mut view = store.read().await.unwrap();
        for (number, id) in held_ids.iter().enumerate() {
            let second = 300 * number as i64;
            let whole = [0, 4].contains(&number);
            let decision = view.decision(id).await.unwrap().unwrap();
            assert_eq!(
                (&decision.decision_id, decision.decided_at),
                (id, at(second))
            );
            assert_eq!(decision.verdict.checks.is_empty(), !whole);
            assert_eq!(view.stored(id).await.unwrap().is_some(), whole);
            let (run, newest) = view.run_of(id).await.unwrap().unwrap();
            assert_eq!((run.count(), run.first_id()), (5, held_ids[0].clone()));
            assert_eq!(newest.decision_id, held_ids[4]);
            // The same question has the same answer.
            let tick = format!("tick-{second}");
            let again = view.decision_of_tick(&tick, "web").await.unwrap().unwrap();
            assert_eq!((&again.decision_id, &again.tick_id), (id, &tick));
            for later in [0, 299] {
                let then = view.id_at("web", at(second + later)).await.unwrap();
                assert_eq!(then.as_ref(), Some(id));
            }
        }
        assert_eq!(view.decision_of_tick("tick-1", "web").await.unwrap(), None);
        assert_eq!(view.id_at("web", at(-1)).await.unwrap(), None);
        for (second, id) in [
            (1_500, "action"),
            (1_799, "action"),
            (1_800, &after),
            (9_000, &after),
        ] {
            assert_eq!(
                view.id_at("web", at(second)).await.unwrap().as_deref(),
                Some(id)
            );
        }
        assert_eq!(
            view.seen_last("web").await.unwrap().unwrap().decision_id,
            after
        );
        let (run, newest) = view.open_run("web").await.unwrap().unwrap();
        assert_eq!((run.count(), newest.decision_id), (1, after));
        assert_eq!(view.open_run("api").await.unwrap().unwrap().0.count(), 5);
        assert!(view.open_run("db").await.unwrap().is_none());
        let other = made("action", "web", 0, Action::ScaleUp)
            .decision
            .decision_id;
        assert!(view.run_of(&other).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_run_is_as_old_as_its_newest_hold_and_one_that_was_not_committed_is_as_before() {
    each(|store| async move {
        let mut ids_of_run = Vec::new();
        for number in 0..4_u8 {
            ids_of_run.push(held(&store, number.into(), "web", 300 * i64::from(number)).await);
        }
        // Dropped: nothing of it stays.
        let mut transaction = store.write().await.unwrap();
        let (run, _) = transaction.open_run("web").await.unwrap().unwrap();
        let mut next = made(&ids_of_run[3], "web", 1_200, Action::Hold);
        next.decision.tick_id = "tick-1200".to_owned();
        let longer = run.clone().joined(&mut next);
        transaction.insert_hold(&next, &longer).await.unwrap();
        assert_eq!(
            transaction
                .open_run("web")
                .await
                .unwrap()
                .unwrap()
                .0
                .count(),
            5
        );
        drop(transaction);
        let kept = [ids_of_run[3].clone(), ids_of_run[0].clone()];
        assert_eq!(ids(&store, all()).await.0, kept);
        let mut view = store.read().await.unwrap();
        assert_eq!(view.open_run("web").await.unwrap().unwrap().0, run);
        drop(view);
        for (before, limit, deleted, left) in [(900, 9, 0, 2), (901, 1, 1, 1), (901, 9, 1, 0)] {
            let mut transaction = store.write().await.unwrap();
            let gone = transaction.delete_old(at(before), at(0), limit).await;
            assert_eq!(gone.unwrap(), deleted, "{before}");
            transaction.commit().await.unwrap();
            assert_eq!(ids(&store, all()).await.0.len(), left);
            // What was merged is known as long as the run is whole.
            let mut view = store.read().await.unwrap();
            let merged = view.decision(&ids_of_run[1]).await.unwrap();
            assert_eq!(merged.is_some(), left == 2);
        }
    })
    .await;
}
