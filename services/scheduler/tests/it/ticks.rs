//! The loop among sound and unsound neighbours: what a tick does, and what one bad target does to the others.

use std::time::Duration;

use common::metadata::outgoing;
use proto::{
    actuator::v1::{InstanceState, ResizePhase},
    decision::v1::{Outcome, ReasonCode},
    scheduler::v1::{
        EventKind, GetStatusRequest, ListTargetsRequest, WatchEventsRequest, WatchEventsResponse,
    },
};
use testkit::{prometheus::fleet, wait::until};
use tonic::{Code, Status};

use crate::support::{WEB, World, result};

#[tokio::test]
async fn a_target_is_measured_forecast_decided_resized_and_reported() {
    let world = World::start().await;
    world.prometheus.cpu(&[90.0, 50.0, 20.0]);
    world.predictor.make_busy("web");
    *world.actuator.instant.lock().unwrap() = true;
    let scheduler = world.scheduler("").await;

    let tick = scheduler.tick_to_the_end().await;
    let web = result(&tick, "web");
    assert_eq!(
        (web.action.as_str(), web.action_taken.as_str()),
        ("scale_up", "succeeded")
    );
    assert_eq!(
        (web.cpu_percent, web.predicted_cpu_percent),
        (Some(90.0), Some(90.0))
    );
    assert_eq!(
        (web.memory_percent, web.disk_bytes_per_second),
        (Some(40.0), Some(1_000.0))
    );
    assert_eq!(
        (web.horizon_seconds, web.forecast_basis.as_str()),
        (900, "naive")
    );
    assert_eq!(
        (
            web.instance_type.as_str(),
            web.target_instance_type.as_str()
        ),
        ("t2.small", "t2.medium")
    );
    assert_eq!(web.error, "");
    assert_eq!(result(&tick, "api").action, "hold");
    assert_eq!(world.actuator.instance_type(WEB), "t2.medium");
    assert_eq!(
        world.decision.outcomes(),
        [("web".to_owned(), Outcome::Succeeded)]
    );

    let start = world.actuator.starts.lock().unwrap()[0].clone();
    assert_eq!(start.resize_id, web.decision_id);
    assert_eq!(start.expected_instance_type, "t2.small");
    assert!(start.lease_epoch > 0);
    assert_eq!(start.lease_epoch, world.decision.epoch());

    // Two days at 300 s, once for each metric of which the past counts, and for all targets; one forecast call for all.
    let queries = world.prometheus.queries();
    let seconds: Vec<i64> = queries
        .iter()
        .map(|query| query.end - query.start)
        .collect();
    let whole = seconds.iter().filter(|seconds| **seconds == 172_800);
    assert_eq!(
        (whole.count(), seconds.len()),
        (4, 6),
        "disk and steal are of the last hour: {seconds:?}"
    );
    assert!(queries.iter().all(|query| query.step == 300));
    assert_eq!(world.predictor.batch_sizes(), [3]);
    assert_eq!(*world.actuator.looks.lock().unwrap(), 1);
    let request = world.decision.last_request("web");
    let types: Vec<&str> = request
        .instance_types
        .iter()
        .map(|info| info.instance_type.as_str())
        .collect();
    assert_eq!(types, ["t2.large", "t2.medium", "t2.small"]);
    assert_eq!(
        request.observation.unwrap().memory_peak_mib,
        Some(0.4 * 2_048.0)
    );
}

#[tokio::test]
async fn one_bad_target_never_stops_the_others() {
    let world = World::start().await;
    for target in ["web", "api", "job"] {
        world.predictor.make_busy(target);
    }
    *world.actuator.instant.lock().unwrap() = true;
    let scheduler = world.scheduler("").await;

    // A stopped machine, a series that the predictor refuses, and a store that fails for one.
    world.actuator.change(WEB, |instance| {
        instance.state = InstanceState::Stopped.into()
    });
    world.predictor.poison.lock().unwrap().insert("api".into());
    let tick = scheduler.tick_to_the_end().await;
    assert_eq!(result(&tick, "web").reason_code, "instance_unavailable");
    assert!(result(&tick, "web").error.contains("is stopped"));
    assert_eq!(result(&tick, "api").reason_code, "forecast_unavailable");
    assert!(result(&tick, "api").error.contains("is poison"));
    assert_eq!(result(&tick, "job").action_taken, "succeeded");
    let request = world.decision.last_request("api");
    assert_eq!(
        request.unknown_reason_code(),
        ReasonCode::ForecastUnavailable
    );
    assert!(request.observation.is_some());

    // An instance that doesn't exist, and a decision that can't be stored.
    world.actuator.instances.lock().unwrap().remove(WEB);
    world.predictor.poison.lock().unwrap().clear();
    let refusal = Status::internal("disk full");
    world
        .decision
        .refuse
        .lock()
        .unwrap()
        .insert("job".into(), refusal);
    let tick = scheduler.tick_to_the_end().await;
    assert!(result(&tick, "web").error.contains("does not exist"));
    assert_eq!(result(&tick, "api").action_taken, "succeeded");
    let job = result(&tick, "job");
    assert_eq!(
        (job.decision_id.as_str(), job.action.as_str()),
        ("", "hold")
    );
    assert!(job.error.contains("disk full"), "{}", job.error);
    assert_eq!(world.actuator.starts(), 2);
}

#[tokio::test]
async fn many_targets_cost_few_calls() {
    let world = World::start().await;
    let mut targets = Vec::new();
    for number in 0..450 {
        let id = format!("i-{number:017x}");
        // One in a batch that doesn't exist leaves the others alone.
        if number != 300 {
            world.actuator.add(&id, "t2.small", "10.0.0.1");
        }
        targets.push(format!("{{id: t{number}, instance_id: {id}}}"));
    }
    let lines = format!("targets: [{}]", targets.join(", "));
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_eq!(tick.results.len(), 450);
    assert_eq!(*world.actuator.looks.lock().unwrap(), 3);
    assert_eq!(world.prometheus.queries().len(), 6);
    let absent: Vec<&str> = tick
        .results
        .iter()
        .filter(|result| result.error.contains("does not exist"))
        .map(|result| result.target_id.as_str())
        .collect();
    assert_eq!(absent, ["t300"]);
}

#[tokio::test]
async fn a_predictor_that_is_down_holds_everything() {
    let world = World::start().await;
    world.predictor.make_busy("web");
    *world.predictor.failure.lock().unwrap() =
        Some(Status::failed_precondition("no model at /nowhere"));
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").reason_code, "forecast_unavailable");
    assert!(result(&tick, "web").error.contains("/nowhere"));
    assert_eq!(world.actuator.starts(), 0);
}

#[tokio::test]
async fn a_service_that_is_down_is_named_with_its_key() {
    let world = World::start().await;
    world.predictor.make_busy("web");
    let scheduler = world.scheduler("decision_url: http://127.0.0.1:9").await;
    let tick = scheduler.tick().await;
    let web = result(&tick, "web");
    assert_eq!(
        (web.action.as_str(), web.reason_code.as_str()),
        ("hold", "lease_unavailable")
    );
    for words in [
        "http://127.0.0.1:9",
        "can't be reached",
        "scheduler.decision_url",
    ] {
        assert!(web.error.contains(words), "{:?} lacks {words:?}", web.error);
    }

    let scheduler = world.scheduler("actuator_url: http://127.0.0.1:9").await;
    let tick = scheduler.tick().await;
    let web = result(&tick, "web");
    assert_eq!(web.reason_code, "instance_unavailable");
    assert!(
        web.error.contains("scheduler.actuator_url"),
        "{}",
        web.error
    );
    assert_eq!(world.actuator.starts(), 0);
}

#[tokio::test]
async fn a_dry_run_goes_through_the_actuator_and_leaves_nothing_pending() {
    let world = World::start().await;
    world.predictor.make_busy("web");
    *world.actuator.dry_run.lock().unwrap() = true;
    let scheduler = world.scheduler("").await;
    for _ in 0..2 {
        let tick = scheduler.tick_to_the_end().await;
        assert!(tick.dry_run);
        assert_eq!(result(&tick, "web").action, "scale_up");
        assert_eq!(result(&tick, "web").action_taken, "dry_run");
    }
    assert_eq!(world.actuator.instance_type(WEB), "t2.small");
    assert_eq!(world.decision.pending(), 0);
    assert!(
        world
            .actuator
            .starts
            .lock()
            .unwrap()
            .iter()
            .all(|start| start.dry_run)
    );
}

#[tokio::test]
async fn a_refusal_is_reported_and_said() {
    let world = World::start().await;
    world.predictor.make_busy("web");
    *world.actuator.refuse.lock().unwrap() =
        Some(Status::failed_precondition("i-1 is a Spot instance"));
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action_taken, "refused");
    assert!(result(&tick, "web").error.contains("Spot"));
    assert_eq!(
        world.decision.outcomes(),
        [("web".to_owned(), Outcome::Refused)]
    );
}

/// Time for all who were asked at once to be heard.
async fn released_soon(held: impl Sized) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(held);
}

#[tokio::test]
async fn a_tick_joins_the_running_one() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    let held = world.decision.hold().await;
    let (first, second, part, ()) = tokio::join!(
        scheduler.try_tick(&[], false),
        scheduler.try_tick(&[], false),
        scheduler.try_tick(&["api"], false),
        released_soon(held),
    );
    let (first, second, part) = (first.unwrap(), second.unwrap(), part.unwrap());
    assert_eq!(first.tick_id, second.tick_id);
    assert_eq!(first.tick_id, part.tick_id);
    assert_eq!(first.results.len(), 3);
    // Whoever asked for one gets one.
    assert_eq!(part.results.len(), 1);
    assert_eq!(world.decision.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_tick_over_other_targets_waits_for_its_turn() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    let held = world.decision.hold().await;
    let (api, web, ()) = tokio::join!(
        scheduler.try_tick(&["api"], false),
        scheduler.try_tick(&["web"], false),
        released_soon(held),
    );
    let (api, web) = (api.unwrap(), web.unwrap());
    assert_ne!(api.tick_id, web.tick_id);
    assert_eq!((api.results.len(), web.results.len()), (1, 1));
    assert_eq!(web.results[0].target_id, "web");
}

#[tokio::test]
async fn unknown_targets_are_named() {
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    let huge = "x".repeat(1_000_000);
    for (id, words) in [
        ("wbe", "target_ids[1]: \"wbe\""),
        ("", "target_ids[1]"),
        (&huge, "target_ids[1]"),
    ] {
        let status = scheduler.try_tick(&["web", id], false).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{}", status.message());
        assert!(status.message().len() < 1_000);
    }
    let request = WatchEventsRequest {
        target_id: "wbe".into(),
    };
    let status = scheduler
        .grpc
        .clone()
        .watch_events(request)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(world.decision.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_deadline_ends_the_wait_for_resizes_and_not_the_resize() {
    let world = World::start().await;
    world.predictor.make_busy("web");
    let scheduler = world.scheduler("").await;
    let request = proto::scheduler::v1::RunTickRequest {
        wait_for_resizes: true,
        ..Default::default()
    };
    let response = scheduler
        .grpc
        .clone()
        .run_tick(outgoing(request, Duration::from_millis(2_500)))
        .await
        .unwrap();
    let tick = response.into_inner().tick.unwrap();
    assert_eq!(result(&tick, "web").action_taken, "started");
    assert_eq!(world.decision.pending(), 1);
    world.actuator.finish(ResizePhase::RolledBack);
    until("the report", async || {
        world.decision.outcomes() == [("web".to_owned(), Outcome::RolledBack)]
    })
    .await;
}

#[tokio::test]
async fn status_targets_and_events_tell_what_happened() {
    let world = World::start().await;
    world.predictor.make_busy("web");
    let scheduler = world.scheduler("").await;
    let mut api = scheduler.grpc.clone();

    let targets = api
        .list_targets(ListTargetsRequest {})
        .await
        .unwrap()
        .into_inner()
        .targets;
    assert_eq!(targets.len(), 3);
    assert!(targets.iter().all(|target| target.last_result.is_none()));

    let request = WatchEventsRequest {
        target_id: "web".into(),
    };
    let mut events = api.watch_events(request).await.unwrap().into_inner();
    scheduler.tick().await;
    world.actuator.finish(ResizePhase::Succeeded);
    let mut seen: Vec<WatchEventsResponse> = Vec::new();
    while seen
        .last()
        .is_none_or(|event| event.kind() != EventKind::ResizeFinished)
    {
        seen.push(events.message().await.unwrap().unwrap());
    }
    let kinds: Vec<EventKind> = seen.iter().map(WatchEventsResponse::kind).collect();
    for kind in [
        EventKind::TickStarted,
        EventKind::Decision,
        EventKind::ResizeStarted,
        EventKind::TickFinished,
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert!(
        seen.iter()
            .all(|event| ["", "web"].contains(&event.target_id.as_str()))
    );
    let last = seen.last().unwrap().result.clone().unwrap();
    assert_eq!(
        (last.action_taken.as_str(), last.instance_type.as_str()),
        ("succeeded", "t2.medium")
    );

    let status = api
        .get_status(GetStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!((status.ticks, status.tick_interval_seconds), (1, 300));
    assert_eq!(status.services.len(), 3);
    assert!(
        status
            .services
            .iter()
            .all(|service| service.state == "serving")
    );
    assert_eq!(
        result(&status.last_tick.unwrap(), "web").action_taken,
        "succeeded"
    );
    let targets = api
        .list_targets(ListTargetsRequest {})
        .await
        .unwrap()
        .into_inner()
        .targets;
    assert!(targets.iter().all(|target| target.last_result.is_some()));
}

#[tokio::test]
async fn a_hundred_targets_cost_five_queries_and_five_forecast_calls() {
    let world = World::start().await;
    let mut lines = "call_timeout_seconds: 20\ntargets:".to_owned();
    for number in 1..=100_u32 {
        let id = format!("i-{number:08x}");
        world
            .actuator
            .add(&id, "t2.small", &format!("10.0.0.{number}"));
        lines += &format!("\n- {{id: t{number}, instance_id: {id}}}");
    }
    world.prometheus.answer(|query| fleet(query, &[50.0; 100]));
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_eq!(tick.results.len(), 100);
    let errors: Vec<&str> = tick
        .results
        .iter()
        .map(|result| result.error.as_str())
        .collect();
    assert_eq!(errors, [""; 100]);
    let order: Vec<&str> = tick
        .results
        .iter()
        .map(|result| result.target_id.as_str())
        .collect();
    assert_eq!((order[0], order[99]), ("t1", "t100"));
    assert_eq!(world.prometheus.queries().len(), 6);
    assert_eq!(world.predictor.batch_sizes(), [20; 5]);
}

#[tokio::test]
async fn no_targets_is_no_error() {
    let world = World::start().await;
    let scheduler = world.scheduler("targets: []").await;
    assert!(scheduler.tick().await.results.is_empty());
}
