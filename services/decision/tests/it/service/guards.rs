//! Guards that remember, and the policy that they are written in.

use std::time::Duration;

use common::metadata::outgoing;
use proto::decision::v1::{
    Action, ApplyPolicyRequest, Decision, Freeze, Outcome, ReasonCode, SaturationPasses,
    SchedulePeriod, Window,
};

use super::harness::{Server, World};

const HOUR: u64 = 3_600;

/// A resize up that was reported to have ended so.
async fn resized(world: &World, server: &Server, tick: &str, outcome: Outcome) -> Decision {
    let decision = server.decide(world.request(tick, 90.0)).await.unwrap();
    assert_eq!(decision.action(), Action::ScaleUp, "{decision:?}");
    server.report(&decision, outcome, None).await.unwrap();
    decision
}

#[tokio::test]
async fn a_budget_survives_a_restart_and_counts_what_failed() {
    let mut world = World::new();
    world.policy.resizes_a_day = 2;
    let server = world.start().await;
    resized(&world, &server, "tick-1", Outcome::Succeeded).await;
    world.pass(HOUR);
    resized(&world, &server, "tick-2", Outcome::RolledBack).await;
    world.pass(HOUR);
    server.kill().await;

    let server = world.start().await;
    let held = server.decide(world.request("tick-3", 90.0)).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::BudgetSpent, "{held:?}");
    assert!(
        held.reason
            .contains("2 of 2 resizes of the past 24 h are spent, the next may begin in 22 h"),
        "{held:?}"
    );
    // Made again from what was stored, long after.
    world.pass(30 * HOUR);
    let explained = server.explain(&held.decision_id).await.unwrap().text;
    assert!(explained.contains("block budget"), "{explained}");
    assert!(
        explained.contains("gives the same decision again"),
        "{explained}"
    );
    resized(&world, &server, "tick-4", Outcome::Succeeded).await;
    server.stop().await;
}

#[tokio::test]
async fn fault_49_a_machine_that_turned_quickly_rests_before_it_turns_again() {
    let mut world = World::new();
    world.policy.flap_seconds = 4 * 3_600;
    let server = world.start().await;
    let up = server.decide(world.request("tick-1", 90.0)).await.unwrap();
    server
        .report_on(&up, Outcome::Succeeded, None, "t2.medium")
        .await
        .unwrap();
    world.pass(HOUR);
    let mut request = world.request("tick-2", 5.0);
    request.instance_type = "t2.medium".into();
    let down = server.decide(request).await.unwrap();
    assert_eq!(down.action(), Action::ScaleDown, "{down:?}");
    server
        .report_on(&down, Outcome::Succeeded, None, "t2.small")
        .await
        .unwrap();
    for (passed, expected) in [
        (HOUR, ReasonCode::Flapping),
        (3 * HOUR - 1, ReasonCode::Flapping),
        (1, ReasonCode::ForecastAboveUpThreshold),
    ] {
        world.pass(passed);
        let tick = format!("tick-{}", world.now());
        let decision = server.decide(world.request(&tick, 90.0)).await.unwrap();
        assert_eq!(decision.reason_code(), expected, "{decision:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn guards_are_applied_read_back_and_in_force_at_once() {
    let world = World::new();
    let server = world.start().await;
    let mut policy = server.policy().await.policy.unwrap();
    policy.zone = "Europe/Berlin".into();
    policy.max_type = "t2.medium".into();
    policy.up_windows = vec![Window {
        days: vec!["sat".into()],
        from: "22:00".into(),
        to: "06:00".into(),
    }];
    policy.freeze = vec![Freeze {
        from: "2027-12-20".into(),
        to: "2028-01-06".into(),
        reason: "the feast".into(),
    }];
    policy.saturation_passes = Some(SaturationPasses {
        windows: Some(false),
        cooldown: false,
        freeze: false,
    });
    policy.schedule = vec![SchedulePeriod {
        days: vec!["mon".into()],
        from: "08:00".into(),
        to: "18:00".into(),
        min_type: "t2.medium".into(),
        ..SchedulePeriod::default()
    }];
    let request = ApplyPolicyRequest {
        policy: Some(policy.clone()),
    };
    let mut client = server.client.clone();
    client
        .apply_policy(outgoing(request, Duration::from_secs(5)))
        .await
        .unwrap();
    drop(client);
    server.stop().await;

    let server = world.start().await;
    assert_eq!(server.policy().await.policy.unwrap(), policy);
    let mut request = world.request("tick-1", 90.0);
    request.observation.as_mut().unwrap().saturated_seconds = 600;
    let held = server.decide(request).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::OutsideWindow);
    assert!(
        held.reason
            .contains("the next window up begins Sat 2027-01-16 22:00 CET (Europe/Berlin)"),
        "{held:?}"
    );
    server.stop().await;
}
