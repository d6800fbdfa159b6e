//! The database of an older version: what it holds still holds.
//!
//! `tests/fixtures/08c3a3d.db` was written by the service of that commit with `record_a_database_of_this_version`.

use std::{path::Path, time::Duration};

use common::metadata::outgoing;
use decision::Naming;
use proto::decision::v1::{
    Action, Decision, ListDecisionsRequest, Outcome, PauseDirection, PauseRequest, ReasonCode,
    ReleaseLeaseRequest, Strategy,
};
use tonic::Code;

use super::harness::{START, Server, World};

/// When the recording ended.
const RECORDED: i64 = START + 10_000;
/// Under which `b` held the lease then.
const EPOCH: u64 = 4;
/// Under which it held it before.
const EARLIER: u64 = 3;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/08c3a3d.db");

async fn decide(world: &World, server: &Server, target: u32, tick: &str) -> Decision {
    let epoch = if world.now() < RECORDED {
        EARLIER
    } else {
        EPOCH
    };
    let mut request = world.request(tick, 90.0);
    // With which its last end was reported: another type would be a resize by other hands.
    let ended = world.now() >= RECORDED && (matches!(target, 2 | 3) || tick == "tick-6");
    if ended {
        request.instance_type = "t2.medium".into();
    }
    request.target_id = format!("web-{target}");
    request.instance_id = format!("i-{target:04}");
    request.lease_epoch = epoch;
    server.decide(request).await.unwrap()
}

#[tokio::test]
#[ignore = "writes the file that the other test reads: RECORD_TO=FILE, with the code of the version to be recorded"]
async fn record_a_database_of_this_version() {
    let world = World::new();
    let server = world.start().await;
    for (holder, epoch) in [("a", 1), ("a", 2), ("b", EARLIER)] {
        assert_eq!(server.acquire(holder, 300).await.unwrap().epoch, epoch);
        if holder == "a" {
            let request = ReleaseLeaseRequest {
                resource: "fleet".into(),
                holder: holder.into(),
                epoch,
            };
            let mut client = server.client.clone();
            let release = outgoing(request, Duration::from_secs(5));
            client.release_lease(release).await.unwrap();
        }
    }
    // Two failures, the second after the wait that the first brought.
    for tick in ["tick-1", "tick-2"] {
        let decision = decide(&world, &server, 3, tick).await;
        assert!(decision.pending, "{decision:?}");
        world.pass(300);
        server
            .report(&decision, Outcome::RolledBack, None)
            .await
            .unwrap();
        world.pass(4_000);
    }
    let mut dry = world.request("tick-3", 90.0);
    dry.target_id = "web-5".into();
    dry.dry_run = true;
    dry.lease_epoch = EARLIER;
    server.decide(dry).await.unwrap();
    world.pass(u64::try_from(RECORDED - world.now()).unwrap() - 100);
    let succeeded = decide(&world, &server, 2, "tick-4").await;
    assert!(decide(&world, &server, 1, "tick-4").await.pending);
    world.pass(100);
    server
        .report(&succeeded, Outcome::Succeeded, None)
        .await
        .unwrap();
    server
        .pause("web-4", Some(RECORDED + 86_400))
        .await
        .unwrap();
    let fleet = PauseRequest {
        target_id: String::new(),
        direction: PauseDirection::Down.into(),
        reason: "until the audit".into(),
        until: None,
        ..PauseRequest::default()
    };
    let mut client = server.client.clone();
    client
        .pause(outgoing(fleet, Duration::from_secs(5)))
        .await
        .unwrap();
    assert_eq!(server.acquire("b", 600).await.unwrap().epoch, EPOCH);
    drop(client);
    server.stop().await;
    std::fs::copy(world.database(), std::env::var("RECORD_TO").unwrap()).unwrap();
}

#[tokio::test]
async fn who_named_no_strategy_keeps_the_one_that_was_the_default() {
    for (fixture, naming, expected) in [
        (Some(FIXTURE), Naming::Nothing, Strategy::Threshold),
        (Some(FIXTURE), Naming::Key, Strategy::Adaptive),
        (None, Naming::Nothing, Strategy::Adaptive),
        (None, Naming::Implied("scale_up_cpu"), Strategy::Threshold),
    ] {
        let mut world = World::new();
        if let Some(fixture) = fixture {
            std::fs::copy(Path::new(fixture), world.database()).unwrap();
        }
        world.policy = decision::Policy::default();
        world.naming = naming;
        // A database that was new is none of before at the next start.
        for _ in 0..2 {
            let server = world.start().await;
            let policy = server.policy().await.policy.unwrap();
            assert_eq!(policy.strategy(), expected, "{naming:?}");
            let mut request = world.request(&format!("tick-{}", world.now()), 50.0);
            request.dry_run = true;
            server.decide(request).await.unwrap();
            world.pass(300);
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn what_08c3a3d_remembered_holds() {
    let world = World::new();
    std::fs::copy(Path::new(FIXTURE), world.database()).unwrap();
    world.pass(u64::try_from(RECORDED - START).unwrap() + 10);
    let server = world.start().await;

    // What was under way is still, and its end is taken.
    let pending = server.target("web-1").await.pending.unwrap();
    assert_eq!(
        (pending.tick_id.as_str(), pending.action()),
        ("tick-4", Action::ScaleUp)
    );
    let held = decide(&world, &server, 1, "tick-5").await;
    assert_eq!(held.reason_code(), ReasonCode::ActionPending);
    // The same question has the same answer.
    assert_eq!(
        decide(&world, &server, 1, "tick-4").await.decision_id,
        pending.decision_id
    );
    // Cooldowns, those after failures included.
    let held = decide(&world, &server, 2, "tick-5").await;
    assert_eq!(held.reason_code(), ReasonCode::Cooldown);
    // Pauses, with who and why.
    let held = decide(&world, &server, 4, "tick-5").await;
    assert_eq!(held.reason_code(), ReasonCode::Paused);
    assert!(held.reason.contains("release week"), "{}", held.reason);
    let pauses = server.target("web-1").await.pauses;
    assert_eq!(pauses.len(), 1);
    assert_eq!(
        (
            pauses[0].direction(),
            pauses[0].reason.as_str(),
            pauses[0].until
        ),
        (PauseDirection::Down, "until the audit", None)
    );
    // The lease.
    let status = server.acquire("c", 30).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert!(status.message().contains("held by b"), "{status}");
    assert_eq!(server.acquire("b", 600).await.unwrap().epoch, EPOCH);

    let all = server.list(ListDecisionsRequest::default()).await.unwrap();
    let outcomes: Vec<_> = all.decisions.iter().map(Decision::outcome).collect();
    for (outcome, count) in [(Outcome::Succeeded, 1), (Outcome::RolledBack, 2)] {
        let found = outcomes.iter().filter(|found| **found == outcome).count();
        assert_eq!(found, count, "{outcome:?}: {outcomes:?}");
    }
    let ended = server
        .report(&pending, Outcome::Succeeded, None)
        .await
        .unwrap();
    assert!(!ended.pending);
    let held = decide(&world, &server, 1, "tick-6").await;
    assert_eq!(held.reason_code(), ReasonCode::Cooldown);
    // Two failures are counted; a third one waits longer than the first did.
    let third = decide(&world, &server, 3, "tick-6").await;
    assert!(third.pending, "{third:?}");
    server
        .report(&third, Outcome::RolledBack, None)
        .await
        .unwrap();
    world.pass(1_300);
    let held = decide(&world, &server, 3, "tick-7").await;
    assert_eq!(held.reason_code(), ReasonCode::Cooldown);
    server.stop().await;
}
