use std::time::Duration;

use common::metadata::outgoing;
use jiff::SignedDuration;
use proto::decision::v1::{
    Action, ApplyPolicyRequest, GetPolicyRequest, Outcome, Policy, ReasonCode, RenewLeaseRequest,
    Strategy,
};
use tonic::Code;

use super::harness::{START, Server, World, epoch_of, wire};

/// Ends the service without closing anything, and starts it on the same database.
async fn killed_and_started(world: &World, server: Server) -> Server {
    server.kill().await;
    world.start().await
}

#[tokio::test]
async fn cooldown_pending_and_pause_survive() {
    let world = World::new();
    let mut server = world.start().await;
    let decision = server.decide(world.request("tick-1", 90.0)).await.unwrap();
    server = killed_and_started(&world, server).await;
    assert_eq!(server.target("web-1").await.pending, Some(decision.clone()));
    // A restart repeats nothing.
    assert_eq!(
        server.decide(world.request("tick-1", 90.0)).await.unwrap(),
        decision
    );
    let held = server.decide(world.request("tick-2", 90.0)).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::ActionPending);

    server
        .report(&decision, Outcome::Succeeded, None)
        .await
        .unwrap();
    server = killed_and_started(&world, server).await;
    world.pass(599);
    let held = server.decide(world.request("tick-3", 90.0)).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::Cooldown);
    world.pass(1);

    server.pause("", None).await.unwrap();
    server = killed_and_started(&world, server).await;
    let held = server.decide(world.request("tick-4", 90.0)).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::Paused);
    assert!(server.resume("").await);
    let decision = server.decide(world.request("tick-5", 90.0)).await.unwrap();
    assert_eq!(decision.action(), Action::ScaleUp);
    server.stop().await;
}

#[tokio::test]
async fn a_lease_and_its_epoch_survive() {
    let world = World::new();
    let mut server = world.start().await;
    let first = epoch_of(START);
    assert_eq!(server.acquire("a", 30).await.unwrap().epoch, first);
    server = killed_and_started(&world, server).await;
    let status = server.acquire("b", 30).await.unwrap_err();
    assert_eq!(status.code(), Code::Aborted);
    assert_eq!(
        status.message(),
        format!("lease fleet is held by a under epoch {first} for another 30 s")
    );
    let renew = |epoch| {
        outgoing(
            RenewLeaseRequest {
                resource: "fleet".into(),
                holder: "a".into(),
                epoch,
                ttl_seconds: 60,
            },
            Duration::from_secs(5),
        )
    };
    let renewed = server
        .client
        .clone()
        .renew_lease(renew(first))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(renewed.lease.unwrap().expires_at, Some(wire(START + 60)));
    world.pass(60);
    let second = server.acquire("b", 30).await.unwrap().epoch;
    assert_eq!(second, first + 60_000);
    server = killed_and_started(&world, server).await;
    let status = server
        .client
        .clone()
        .renew_lease(renew(first))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Aborted);

    // Only the newer epoch decides, also after a restart.
    let mut request = world.request("tick-1", 50.0);
    request.lease_epoch = second;
    server.decide(request.clone()).await.unwrap();
    server = killed_and_started(&world, server).await;
    request.tick_id = "tick-2".into();
    request.lease_epoch = first;
    let status = server.decide(request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains(&format!(
            "lease epoch {first} is not the one that is held, {second}"
        )),
        "{status}"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_applied_policy_wins_over_the_configuration_until_the_next() {
    let mut world = World::new();
    let mut server = world.start().await;
    let in_force = |server: &Server| {
        let mut client = server.client.clone();
        async move {
            let request = outgoing(GetPolicyRequest {}, Duration::from_secs(5));
            client.get_policy(request).await.unwrap().into_inner()
        }
    };
    let configured = in_force(&server).await;
    assert_eq!(configured.source, "configuration");
    let policy = Policy {
        strategy: Strategy::Threshold.into(),
        scale_up_cpu: 40.0,
        ..configured.policy.clone().unwrap()
    };
    let request = ApplyPolicyRequest {
        policy: Some(policy.clone()),
    };
    let applied = server
        .client
        .clone()
        .apply_policy(outgoing(request, Duration::from_secs(5)))
        .await
        .unwrap()
        .into_inner();
    assert_ne!(applied.version, configured.version);

    world.policy.scale_up_cpu = 60.0;
    server = killed_and_started(&world, server).await;
    let found = in_force(&server).await;
    assert_eq!(
        (found.policy, found.version.as_str(), found.source.as_str()),
        (Some(policy), applied.version.as_str(), "ApplyPolicy")
    );
    let decision = server.decide(world.request("tick-1", 50.0)).await.unwrap();
    assert_eq!(decision.action(), Action::ScaleUp);
    assert_eq!(decision.policy_version, applied.version);
    server.stop().await;
}

#[tokio::test]
async fn fault_48_a_clock_that_is_set_neither_loses_nor_prolongs_a_cooldown() {
    for jump in [-7 * 86_400, -3_600, -10, 10, 3_600, 7 * 86_400] {
        let world = World::new();
        let clock = world.clock.clone();
        let server = world.start().await;
        let decision = server.decide(world.request("tick-1", 90.0)).await.unwrap();
        server
            .report(&decision, Outcome::Succeeded, None)
            .await
            .unwrap();
        clock.advance(Duration::from_secs(300));
        clock.set_by(SignedDuration::from_secs(jump));
        let code = |seconds: u64, tick: &'static str| {
            clock.advance(Duration::from_secs(seconds));
            let request = world.request(tick, 90.0);
            async { server.decide(request).await.unwrap().reason_code() }
        };
        // Half the cooldown has really passed: not lost.
        assert_eq!(code(0, "tick-2").await, ReasonCode::Cooldown, "{jump}");
        assert_eq!(code(299, "tick-3").await, ReasonCode::Cooldown, "{jump}");
        // A clock that was set back counts anew from the moment that it was noticed, at most: not endless.
        assert_eq!(
            code(301, "tick-4").await,
            ReasonCode::ForecastAboveUpThreshold,
            "{jump}"
        );
        server.kill().await;
    }
}

#[tokio::test]
async fn fault_48_set_back_and_started_again_is_not_endless() {
    let world = World::new();
    let clock = world.clock.clone();
    let server = world.start().await;
    let decision = server.decide(world.request("tick-1", 90.0)).await.unwrap();
    server
        .report(&decision, Outcome::Succeeded, None)
        .await
        .unwrap();
    server.kill().await;
    clock.set_by(SignedDuration::from_hours(-24));
    let server = world.start().await;
    let held = server.decide(world.request("tick-2", 90.0)).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::Cooldown);
    clock.advance(Duration::from_secs(600));
    let decision = server.decide(world.request("tick-3", 90.0)).await.unwrap();
    assert_eq!(decision.action(), Action::ScaleUp);
    server.kill().await;
}

#[tokio::test]
async fn a_resize_by_other_hands_rests_both_directions_also_over_a_restart() {
    let world = World::new();
    let mut server = world.start().await;
    let ask = |tick: &str, cpu, instance_type: &str| {
        let mut request = world.request(tick, cpu);
        request.instance_type = instance_type.into();
        request
    };
    let first = server
        .decide(ask("tick-1", 50.0, "t2.small"))
        .await
        .unwrap();
    assert_eq!(first.reason_code(), ReasonCode::ForecastInRange);
    server = killed_and_started(&world, server).await;
    world.pass(300);
    // Somebody made it larger; by the forecast it would go down again at once, and up a moment later.
    for (tick, cpu) in [("tick-2", 10.0), ("tick-3", 95.0)] {
        let held = server.decide(ask(tick, cpu, "t2.medium")).await.unwrap();
        assert_eq!(held.reason_code(), ReasonCode::Cooldown, "{}", held.reason);
    }
    server = killed_and_started(&world, server).await;
    world.pass(599);
    let held = server
        .decide(ask("tick-4", 10.0, "t2.medium"))
        .await
        .unwrap();
    assert_eq!(held.reason_code(), ReasonCode::Cooldown);
    world.pass(1);
    let free = server
        .decide(ask("tick-5", 10.0, "t2.medium"))
        .await
        .unwrap();
    assert_eq!(free.action(), Action::ScaleDown, "{}", free.reason);

    // Its own resize is not somebody else's, and neither is another machine under the same name.
    server
        .report_on(&free, Outcome::Succeeded, None, "t2.small")
        .await
        .unwrap();
    world.pass(600);
    let after = server
        .decide(ask("tick-6", 90.0, "t2.small"))
        .await
        .unwrap();
    assert_eq!(after.action(), Action::ScaleUp, "{}", after.reason);
    server
        .report(&after, Outcome::NotStarted, None)
        .await
        .unwrap();
    let mut replaced = ask("tick-7", 10.0, "t2.medium");
    replaced.instance_id = "i-0def".into();
    let replaced = server.decide(replaced).await.unwrap();
    assert_eq!(replaced.action(), Action::ScaleDown, "{}", replaced.reason);
    server.stop().await;
}

#[tokio::test]
async fn ticks_during_a_resize_of_our_own_do_not_make_it_somebody_elses() {
    let world = World::new();
    let server = world.start().await;
    let ask = |tick: &str, cpu, instance_type: &str| {
        let mut request = world.request(tick, cpu);
        request.instance_type = instance_type.into();
        request
    };
    let up = server
        .decide(ask("tick-1", 95.0, "t2.small"))
        .await
        .unwrap();
    assert_eq!(up.action(), Action::ScaleUp, "{}", up.reason);
    // Under way: it is seen on the type that it comes from.
    world.pass(300);
    let held = server
        .decide(ask("tick-2", 95.0, "t2.small"))
        .await
        .unwrap();
    assert_eq!(held.reason_code(), ReasonCode::ActionPending);
    world.pass(60);
    server
        .report_on(&up, Outcome::Succeeded, None, "t2.medium")
        .await
        .unwrap();
    world.pass(600);
    let free = server
        .decide(ask("tick-3", 10.0, "t2.medium"))
        .await
        .unwrap();
    assert_eq!(free.action(), Action::ScaleDown, "{}", free.reason);
    assert!(!free.reason.contains("other hands"), "{}", free.reason);
    server
        .report_on(&free, Outcome::Succeeded, None, "t2.small")
        .await
        .unwrap();
    // But a third type is.
    world.pass(600);
    let other = server
        .decide(ask("tick-4", 10.0, "t2.large"))
        .await
        .unwrap();
    assert_eq!(
        other.reason_code(),
        ReasonCode::Cooldown,
        "{}",
        other.reason
    );
    server.stop().await;
}
