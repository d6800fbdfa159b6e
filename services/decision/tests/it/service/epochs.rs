//! Lease epochs: nobody's made-up one decides or shuts the one actor out, and a database without memory is no harm.

use common::clock::Clock as _;
use jiff::SignedDuration;
use proto::decision::v1::{Action, RenewLeaseRequest};
use tonic::Code;

use super::harness::{START, Server, World, epoch_of, request_at};

const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

async fn decide_under(
    server: &Server,
    now: i64,
    tick: &str,
    epoch: u64,
) -> Result<Action, tonic::Status> {
    let mut request = request_at(now, tick, 50.0);
    request.lease_epoch = epoch;
    server
        .decide(request)
        .await
        .map(|decision| decision.action())
}

#[tokio::test]
async fn only_the_epoch_that_is_held_decides_and_no_other_leaves_a_trace() {
    let world = World::new();
    let server = world.start().await;
    let held = server.acquire("a", 60).await.unwrap().epoch;
    for (tick, epoch, code) in [
        ("p1", 1_000_000_000, Code::FailedPrecondition),
        ("p2", held + 1, Code::FailedPrecondition),
        ("p3", held - 1, Code::FailedPrecondition),
        ("p4", held + 599_000, Code::FailedPrecondition),
        ("p5", held + 601_000, Code::InvalidArgument),
        ("p6", i64::MAX.unsigned_abs(), Code::InvalidArgument),
        ("p7", u64::MAX, Code::InvalidArgument),
        // Without a lease, to act.
        ("p8", 0, Code::FailedPrecondition),
    ] {
        let status = decide_under(&server, world.now(), tick, epoch)
            .await
            .unwrap_err();
        assert_eq!(status.code(), code, "{epoch}: {status}");
        // The one actor goes on.
        decide_under(&server, world.now(), &format!("{tick}-again"), held)
            .await
            .unwrap();
    }
    // A rehearsal needs no lease: it leaves nothing pending.
    let mut rehearsal = world.request("rehearsal", 90.0);
    rehearsal.dry_run = true;
    let decision = server.decide(rehearsal).await.unwrap();
    assert_eq!(
        (decision.action(), decision.pending),
        (Action::ScaleUp, false)
    );
    server.stop().await;
}

#[tokio::test]
async fn a_lost_database_gives_out_higher_epochs_and_a_restored_one_too() {
    let mut world = World::new();
    let server = world.start().await;
    let first = server.acquire("a", 60).await.unwrap().epoch;
    server.stop().await;
    let backup = std::fs::read(world.database()).unwrap();

    world.pass(100);
    world.database_name = "lost.db".into();
    let server = world.start().await;
    let second = server.acquire("a", 60).await.unwrap().epoch;
    assert!(second > first, "{second} after {first}");
    server.stop().await;

    world.pass(100);
    world.database_name = "restored.db".into();
    std::fs::write(world.database(), backup).unwrap();
    let server = world.start().await;
    let status = decide_under(&server, world.now(), "tick-1", second)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let third = server.acquire("a", 60).await.unwrap().epoch;
    assert!(third > second, "{third} after {second}");
    decide_under(&server, world.now(), "tick-2", third)
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_clock_that_was_a_year_ahead_is_got_over_with_an_alert() {
    let world = World::new();
    let clock = world.clock.clone();
    let server = world.start().await;
    clock.set_by(YEAR);
    let ahead = server.acquire("a", 60).await.unwrap().epoch;
    assert_eq!(ahead, epoch_of(START + YEAR.as_secs()));
    clock.set_by(-YEAR);
    // Its holder is sent to acquire again, whatever it asks for.
    let status = decide_under(&server, clock.now().as_second(), "tick-1", ahead)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let renew = RenewLeaseRequest {
        resource: "fleet".into(),
        holder: "a".into(),
        epoch: ahead,
        ttl_seconds: 60,
    };
    let status = server.client.clone().renew_lease(renew).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status}");
    let now = server.acquire("a", 60).await.unwrap().epoch;
    assert_eq!(now, epoch_of(START));
    decide_under(&server, clock.now().as_second(), "tick-2", now)
        .await
        .unwrap();
    let text = server.scrape().await;
    for line in [
        "autoscaler_decision_epoch_resets_total 1".to_owned(),
        format!("autoscaler_decision_lease_epoch {now}"),
    ] {
        assert!(text.contains(&line), "{text}\nlacks {line}");
    }
    server.kill().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_by_minutes_gives_one_more_than_the_last() {
    let world = World::new();
    let clock = world.clock.clone();
    let server = world.start().await;
    let first = server.acquire("a", 30).await.unwrap().epoch;
    clock.set_by(SignedDuration::from_mins(-5));
    let status = server.acquire("b", 30).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted, "{status}");
    clock.advance(std::time::Duration::from_secs(30));
    let second = server.acquire("b", 30).await.unwrap().epoch;
    assert_eq!(second, first + 1);
    let status = decide_under(&server, clock.now().as_second(), "tick-1", first)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    server.kill().await;
}
