//! What holds resizes back is shown wherever somebody looks, and a target is found by each of its names.

use std::time::Duration;

use common::{metadata::outgoing, time::to_proto};
use proto::{
    actuator::v1::{CircuitBreaker, GetLimitsResponse, KillSwitch},
    decision::v1::{PauseDirection, PauseRequest},
    scheduler::v1::{GetStatusRequest, Standing, WatchEventsRequest},
};
use serde_json::Value;
use tonic::Code;

use crate::support::{Scheduler, WEB, World, result};

async fn standing(scheduler: &Scheduler) -> Standing {
    let request = outgoing(GetStatusRequest {}, Duration::from_secs(10));
    let status = scheduler.grpc.clone().get_status(request).await.unwrap();
    status.into_inner().standing.unwrap()
}

async fn body(scheduler: &Scheduler, path: &str) -> String {
    let response = reqwest::get(format!("{}{path}", scheduler.url));
    response.await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn every_place_shows_what_holds_resizes_back() {
    let world = World::start().await;
    let until = jiff::Timestamp::from_second(1_900_000_000).unwrap();
    *world.actuator.limits.lock().unwrap() = GetLimitsResponse {
        kill_switch: Some(KillSwitch {
            on: true,
            reason: "fire".into(),
            since: Some(to_proto(until)),
        }),
        breaker: Some(CircuitBreaker {
            failures: 3,
            limit: 3,
            open_until: Some(to_proto(until)),
        }),
        ..Default::default()
    };
    world.actuator.fence(1);
    let pause = PauseRequest {
        target_id: "web".into(),
        direction: PauseDirection::Down.into(),
        reason: "release".into(),
        by: "ada@ops-1".into(),
        ..Default::default()
    };
    world.decision.pause_of(pause).await;
    let scheduler = world.scheduler("").await;
    let before = standing(&scheduler).await;
    assert_eq!(
        (
            before.prometheus.as_str(),
            before.dry_run,
            before.lease_epoch
        ),
        ("unknown", Some(false), 0),
        "Prometheus and the lease wait for a tick; the actuator is asked at once"
    );
    scheduler.tick().await;

    let epoch = world.decision.epoch();
    assert!(epoch > 1);
    let now = standing(&scheduler).await;
    let switch = now.kill_switch.clone().unwrap();
    assert_eq!((switch.on, switch.reason.as_str()), (true, "fire"));
    let breaker = now.breaker.unwrap();
    assert_eq!(
        (breaker.failures, breaker.open_until),
        (3, Some(to_proto(until)))
    );
    let pause = &now.pauses[0];
    assert_eq!(
        (
            pause.target_id.as_str(),
            pause.direction.as_str(),
            pause.by.as_str(),
            pause.reason.as_str(),
            now.pauses_in_force,
        ),
        ("web", "down", "ada@ops-1", "release", 1)
    );
    assert_eq!(
        (
            now.dry_run,
            now.prometheus.as_str(),
            now.lease_epoch,
            now.fence_epoch
        ),
        (Some(false), "reachable", epoch, 1)
    );
    assert_eq!(now.unknown, [""; 0]);

    let health: Value = serde_json::from_str(&body(&scheduler, "/health").await).unwrap();
    // A switch makes no service unwell.
    assert_eq!(health["status"], "ok");
    let status: Value = serde_json::from_str(&body(&scheduler, "/autoscale_status").await).unwrap();
    for shown in [&health["standing"], &status["standing"]] {
        assert_eq!(shown["kill_switch"]["reason"], "fire", "{shown:#}");
        assert_eq!(shown["breaker"]["open"], true);
        assert_eq!(shown["pauses"][0]["target"], "web");
        assert_eq!(shown["pauses"][0]["by"], "ada@ops-1");
        assert_eq!(shown["pauses"][0]["until"], Value::Null);
        assert_eq!(shown["dry_run"], false);
        assert_eq!(shown["prometheus"], "reachable");
        assert_eq!(shown["lease_epoch"], epoch);
        assert_eq!(shown["journal_degraded"], Value::Null);
    }
    let metrics = body(&scheduler, "/metrics").await;
    let lease_epoch = format!("autoscaler_scheduler_lease_epoch {epoch}");
    for line in [
        r#"autoscaler_scheduler_holds_back{part="kill_switch"} 1"#,
        r#"autoscaler_scheduler_holds_back{part="breaker"} 1"#,
        r#"autoscaler_scheduler_holds_back{part="fleet_pause"} 0"#,
        r#"autoscaler_scheduler_holds_back{part="dry_run"} 0"#,
        r#"autoscaler_scheduler_holds_back{part="prometheus_unreachable"} 0"#,
        "autoscaler_scheduler_pauses 1",
        lease_epoch.as_str(),
        "autoscaler_scheduler_fence_epoch 1",
    ] {
        assert!(metrics.contains(line), "{metrics}\nlacks {line}");
    }
}

#[tokio::test]
async fn what_does_not_answer_is_unknown_and_says_why() {
    let world = World::start().await;
    let lines = "prometheus: {url: 'http://127.0.0.1:9'}\n\
                 actuator_url: http://127.0.0.1:9\ncall_timeout_seconds: 1";
    let scheduler = world.scheduler(lines).await;
    scheduler.tick().await;
    let now = standing(&scheduler).await;
    assert_eq!((now.kill_switch, now.breaker), (None, None));
    assert_eq!(now.unknown.len(), 1, "{:?}", now.unknown);
    assert!(now.unknown[0].contains("actuator at"), "{:?}", now.unknown);
    assert_eq!(now.prometheus, "unreachable");
    assert!(
        now.prometheus_detail.contains("127.0.0.1:9"),
        "{}",
        now.prometheus_detail
    );
    let metrics = body(&scheduler, "/metrics").await;
    for line in [
        r#"autoscaler_scheduler_holds_back{part="kill_switch"} -1"#,
        r#"autoscaler_scheduler_holds_back{part="prometheus_unreachable"} 1"#,
        "autoscaler_scheduler_fence_epoch -1",
    ] {
        assert!(metrics.contains(line), "{metrics}\nlacks {line}");
    }
}

#[tokio::test]
async fn a_target_is_found_by_name_and_by_instance_and_others_get_the_nearest_names() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    let tick = scheduler.try_tick(&[WEB], false).await.unwrap();
    assert_eq!(tick.results.len(), 1);
    assert_eq!(result(&tick, "web").target_id, "web");
    for (name, hint) in [
        ("Web", "did you mean web?"),
        ("wbe", "did you mean web?"),
        ("i-99999999999999999", "there are web, api, job"),
    ] {
        let status = scheduler.try_tick(&[name], false).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(hint), "{status}");
        let request = WatchEventsRequest {
            target_id: name.to_owned(),
        };
        let status = scheduler
            .grpc
            .clone()
            .watch_events(request)
            .await
            .map(drop)
            .unwrap_err();
        assert!(status.message().contains(hint), "{status}");
        let answer = body(&scheduler, &format!("/autoscale_status?target={name}")).await;
        assert!(answer.contains(hint), "{answer}");
    }
    let answer = body(&scheduler, &format!("/autoscale_status?target={WEB}")).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["target"], "web");
}
