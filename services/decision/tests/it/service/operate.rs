use std::time::Duration;

use common::{health, metadata::outgoing};
use proto::decision::v1::{
    Action, GetDecisionRequest, Outcome, PauseDirection, PauseRequest, ReasonCode,
    ReleaseLeaseRequest,
};
use tonic::Code;

use super::harness::{World, epoch_of, wire};

#[tokio::test]
async fn pauses_hold_one_target_or_all_until_they_end() {
    let world = World::new();
    let server = world.start().await;
    let until = world.now() + 3_600;
    let pause = server.pause("web-1", Some(until)).await.unwrap();
    assert_eq!(
        (pause.target_id.as_str(), pause.reason.as_str()),
        ("web-1", "release week")
    );
    assert_eq!(pause.until, Some(wire(until)));
    let held = server.decide(world.request("tick-1", 90.0)).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::Paused);
    assert!(held.reason.contains("(release week)"), "{}", held.reason);
    let mut other = world.request("tick-1", 90.0);
    other.target_id = "web-2".into();
    other.instance_id = "i-2".into();
    assert_eq!(
        server.decide(other).await.unwrap().action(),
        Action::ScaleUp
    );
    assert_eq!(
        server.target("web-1").await.pauses,
        std::slice::from_ref(&pause)
    );
    assert!(server.target("web-2").await.pauses.is_empty());

    // Paused again: longer, but since the same time.
    world.pass(60);
    let again = server.pause("web-1", None).await.unwrap();
    assert_eq!((again.since, again.until), (pause.since, None));
    server.pause("", Some(world.now() + 10)).await.unwrap();
    assert_eq!(server.target("web-1").await.pauses.len(), 2);
    // The fleet's pause and that of a target are taken back apart.
    assert!(server.resume("").await);
    assert!(!server.resume("").await);
    assert_eq!(server.target("web-1").await.pauses, [again]);
    assert!(server.resume("web-1").await);

    server.pause("web-1", Some(world.now() + 10)).await.unwrap();
    world.pass(10);
    assert!(server.target("web-1").await.pauses.is_empty());
    assert_eq!(
        server
            .decide(world.request("tick-2", 90.0))
            .await
            .unwrap()
            .action(),
        Action::ScaleUp
    );
    let status = server.pause("web-1", Some(world.now())).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    server.stop().await;
}

#[tokio::test]
async fn a_pause_that_lasts_counts_on_the_clock_of_the_service() {
    let world = World::new();
    let server = world.start().await;
    let pause = async |lasting: prost_types::Duration, until: Option<prost_types::Timestamp>| {
        let request = PauseRequest {
            target_id: "web-1".into(),
            lasting: Some(lasting),
            until,
            ..PauseRequest::default()
        };
        let mut client = server.client.clone();
        client
            .pause(outgoing(request, Duration::from_secs(5)))
            .await
            .map(|response| response.into_inner().pause.unwrap())
    };
    let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
    // The world's clock is not the machine's.
    let pause_of_an_hour = pause(seconds(3_600), None).await.unwrap();
    assert_eq!(pause_of_an_hour.until.unwrap().seconds, world.now() + 3_600);
    for (lasting, until) in [
        (seconds(0), None),
        (seconds(-5), None),
        (seconds(i64::MAX), None),
        (seconds(101 * 365 * 86_400), None),
        (
            seconds(60),
            Some(prost_types::Timestamp {
                seconds: world.now() + 60,
                nanos: 0,
            }),
        ),
    ] {
        let status = pause(lasting, until).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{lasting:?}");
        assert!(status.message().contains("lasting"), "{status}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_pause_of_one_direction_leaves_the_other() {
    let world = World::new();
    let server = world.start().await;
    let request = PauseRequest {
        target_id: String::new(),
        direction: PauseDirection::Down.into(),
        reason: String::new(),
        until: None,
        by: String::new(),
        lasting: None,
    };
    server
        .client
        .clone()
        .pause(outgoing(request, Duration::from_secs(5)))
        .await
        .unwrap();
    let mut down = world.request("tick-1", 5.0);
    down.instance_type = "t2.medium".into();
    let held = server.decide(down).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::Paused);
    assert!(
        held.reason
            .contains("scaling down of the whole fleet is paused"),
        "{}",
        held.reason
    );
    let mut up = world.request("tick-2", 90.0);
    up.instance_type = "t2.medium".into();
    assert_eq!(server.decide(up).await.unwrap().action(), Action::ScaleUp);
    server.stop().await;
}

/// When a target is tried in four hours of ticks of five minutes, in which every resize ends so: minutes.
async fn attempts(outcome: Outcome) -> Vec<i32> {
    let world = World::new();
    let server = world.start().await;
    let mut attempts = Vec::new();
    for tick in 0..48 {
        let decision = server
            .decide(world.request(&format!("tick-{tick}"), 90.0))
            .await
            .unwrap();
        if decision.pending {
            attempts.push(tick * 5);
            server.report(&decision, outcome, None).await.unwrap();
        } else {
            assert_eq!(decision.reason_code(), ReasonCode::Cooldown);
        }
        world.pass(300);
    }
    server.stop().await;
    attempts
}

#[tokio::test]
async fn fault_51_failed_resizes_wait_longer_each_time() {
    assert_eq!(attempts(Outcome::RolledBack).await, [0, 10, 30, 70, 150]);
}

#[tokio::test]
async fn a_refusal_that_changed_nothing_waits_the_cooldown_and_no_longer() {
    let every_cooldown: Vec<i32> = (0..24).map(|number| number * 10).collect();
    assert_eq!(attempts(Outcome::Refused).await, every_cooldown);
}

#[tokio::test]
async fn what_never_started_may_start_at_the_next_tick() {
    let world = World::new();
    let server = world.start().await;
    for (tick, outcome) in [
        ("tick-1", Outcome::NotStarted),
        ("tick-2", Outcome::DryRun),
        ("tick-3", Outcome::Gone),
    ] {
        let decision = server.decide(world.request(tick, 90.0)).await.unwrap();
        assert!(decision.pending, "{tick}");
        server.report(&decision, outcome, None).await.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_released_lease_is_free_and_its_epoch_is_used_up() {
    let world = World::new();
    let server = world.start().await;
    let lease = server.acquire("a", 30).await.unwrap();
    assert_eq!(
        (lease.epoch, lease.expires_at),
        (epoch_of(world.now()), Some(wire(world.now() + 30)))
    );
    let release = |epoch| {
        let request = ReleaseLeaseRequest {
            resource: "fleet".into(),
            holder: "a".into(),
            epoch,
        };
        let mut client = server.client.clone();
        async move {
            let request = outgoing(request, Duration::from_secs(5));
            client
                .release_lease(request)
                .await
                .unwrap()
                .into_inner()
                .released
        }
    };
    assert!(!release(lease.epoch + 1).await);
    assert!(release(lease.epoch).await);
    assert!(!release(lease.epoch).await);
    let next = server.acquire("b", 30).await.unwrap();
    assert_eq!(next.epoch, lease.epoch + 1);
    server.stop().await;
}

#[tokio::test]
async fn prometheus_and_health_probes_are_answered() {
    let world = World::new();
    let server = world.start().await;
    let decision = server.decide(world.request("tick-1", 90.0)).await.unwrap();
    server.decide(world.request("tick-2", 90.0)).await.unwrap();
    server.decide(world.request("tick-2", 90.0)).await.unwrap();
    server.pause("web-9", None).await.unwrap();
    let text = server.scrape().await;
    for line in [
        r#"autoscaler_decision_decisions_total{action="scale_up",reason="forecast_above_up_threshold",dry_run="false"} 1"#,
        r#"autoscaler_decision_decisions_total{action="hold",reason="action_pending",dry_run="false"} 1"#,
        r#"autoscaler_decision_grpc_calls_total{method="Decide",code="OK"} 3"#,
        "autoscaler_decision_pending_actions 1",
        "autoscaler_decision_pauses_in_force 1",
    ] {
        assert!(text.contains(line), "{text}\nlacks {line}");
    }
    server
        .report(&decision, Outcome::FellBack, None)
        .await
        .unwrap();
    let text = server.scrape().await;
    assert!(
        text.contains(
            r#"autoscaler_decision_outcomes_total{action="scale_up",outcome="fell_back"} 1"#
        ),
        "{text}"
    );
    assert!(
        text.contains("autoscaler_decision_pending_actions 0"),
        "{text}"
    );
    assert_eq!(
        health::check(server.channel.clone(), Duration::from_secs(5)).await,
        health::Health::Serving
    );
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new();
    let server = world.start().await;
    let unknown = "01900000-0000-7000-8000-000000000000";
    let status = server.explain(unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let request = GetDecisionRequest {
        decision_id: unknown.into(),
    };
    let request = outgoing(request, Duration::from_secs(5));
    let status = server
        .client
        .clone()
        .get_decision(request)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let state = server.target("never-seen").await;
    assert_eq!(state.last_decision, None);
    server.stop().await;
}
