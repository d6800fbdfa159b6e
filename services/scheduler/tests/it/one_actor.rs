//! Faults 52 to 55, restarts and shutdown: whatever happens to a scheduler, a machine is resized once.

use std::{sync::Arc, time::Duration};

use common::{
    clock::{Clock as _, ManualClock, SystemClock},
    metadata::outgoing,
};
use proto::{
    actuator::v1::{InstanceState, ResizePhase},
    decision::v1::Outcome,
    scheduler::v1::{GetStatusRequest, RunTickRequest},
};
use testkit::wait::until;
use tonic::{Code, Status};

use crate::support::{Scheduler, WEB, World, actuator::Reply, result};

async fn eager() -> World {
    let world = World::start().await;
    world.predictor.make_busy("web");
    world
}

#[tokio::test]
async fn fault_52_two_schedulers_make_one_actuation() {
    let world = eager().await;
    let first = world.scheduler("").await;
    let second = world.scheduler("").await;
    let tick = first.tick().await;
    assert_eq!(result(&tick, "web").action_taken, "started");
    let tick = second.tick().await;
    assert_eq!(result(&tick, "web").reason_code, "standby");
    assert_eq!(result(&tick, "web").error, "", "standby is no fault");
    assert_eq!(world.actuator.starts(), 1);
    // The second takes over when the first is gone, and starts nothing twice.
    first.terminate().await.unwrap();
    let tick = second.tick().await;
    assert_eq!(result(&tick, "web").reason_code, "action_pending");
    world.actuator.finish(ResizePhase::Succeeded);
    until("the report", async || {
        world.decision.outcomes() == [("web".to_owned(), Outcome::Succeeded)]
    })
    .await;
    assert_eq!(world.actuator.starts(), 1);
}

#[tokio::test]
async fn fault_53_a_holder_paused_beyond_its_lease_does_not_act() {
    let world = eager().await;
    let clock = ManualClock::new(SystemClock.now());
    let config = world.config("call_timeout_seconds: 20");
    let paused = Scheduler::start(config, Arc::new(clock.clone())).await;
    let held = world.decision.hold().await;
    let (tick, _other) = tokio::join!(paused.tick(), async {
        until("the lease", async || world.decision.holder().is_some()).await;
        until("the decision", async || world.decision.pending() == 1).await;
        // It stands still while it waits for the answer; when it wakes, its time is over and another has the lease.
        clock.advance(Duration::from_secs(120));
        world.decision.expire_lease().await;
        let other = world.scheduler("targets: []").await;
        other.tick().await;
        drop(held);
        other
    });
    let web = result(&tick, "web");
    assert_eq!(
        (web.action.as_str(), web.action_taken.as_str()),
        ("scale_up", "not_started"),
        "{web:#?}"
    );
    assert!(web.error.contains("standby"), "{}", web.error);
    assert_eq!(world.actuator.starts(), 0);
    assert_eq!(
        world.decision.outcomes(),
        [("web".to_owned(), Outcome::NotStarted)]
    );
}

#[tokio::test]
async fn fault_53_a_holder_that_noticed_nothing_is_fenced_and_the_target_needs_no_backoff() {
    let world = eager().await;
    let paused = world.scheduler("call_timeout_seconds: 20").await;
    let held = world.decision.hold().await;
    let (tick, _other) = tokio::join!(paused.tick(), async {
        until("the lease", async || world.decision.holder().is_some()).await;
        until("the decision", async || world.decision.pending() == 1).await;
        world.decision.expire_lease().await;
        let other = world.scheduler("targets: []").await;
        other.tick().await;
        // The new holder has acted.
        world.actuator.fence(world.decision.epoch());
        drop(held);
        other
    });
    let web = result(&tick, "web");
    assert_eq!(web.action_taken, "not_started", "{web:#?}");
    assert!(web.error.contains("stale lease epoch"), "{}", web.error);
    assert_eq!(world.actuator.instance_type(WEB), "t2.small");
    // Not REFUSED: that would make the target wait, and it did nothing wrong.
    assert_eq!(
        world.decision.outcomes(),
        [("web".to_owned(), Outcome::NotStarted)]
    );
}

#[tokio::test]
async fn a_standby_whose_actuator_waits_for_the_journal_leaves_the_lease_to_who_can_act() {
    let world = eager().await;
    // It listens, and answers nothing before the journal is its own.
    let waiting = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", waiting.local_addr().unwrap());
    let standby = world.scheduler(&format!("actuator_url: {url}")).await;
    let tick = standby.tick().await;
    let web = result(&tick, "web");
    assert_eq!(
        (web.action.as_str(), web.reason_code.as_str()),
        ("hold", "instance_unavailable"),
        "{web:#?}"
    );
    for words in [url.as_str(), "journal", "left to others"] {
        assert!(web.error.contains(words), "{:?} lacks {words:?}", web.error);
    }
    assert_eq!(world.decision.holder(), None, "the lease is free");
    let active = world.scheduler("").await;
    let tick = active.tick().await;
    assert_eq!(result(&tick, "web").action_taken, "started", "{tick:#?}");
}

#[tokio::test]
async fn the_lease_is_given_back_when_the_actuator_does_not_serve_for_its_time() {
    let world = eager().await;
    let clock = ManualClock::new(SystemClock.now());
    let config = world.config("lease_seconds: 60");
    let scheduler = Scheduler::start(config, Arc::new(clock.clone())).await;
    scheduler.tick().await;
    world.actuator.finish(ResizePhase::Succeeded);
    until("the report", async || world.decision.pending() == 0).await;
    let holder = world.decision.holder();
    assert!(holder.is_some());

    // A restart of the actuator takes no time worth a change of hands.
    world.set_actuator_ready(false).await;
    for _ in 0..2 {
        let tick = scheduler.tick().await;
        let web = result(&tick, "web");
        assert_ne!(web.reason_code, "instance_unavailable", "{web:#?}");
        assert_eq!(world.decision.holder(), holder);
        clock.advance(Duration::from_secs(29));
    }
    clock.advance(Duration::from_secs(2));
    let tick = scheduler.tick().await;
    let web = result(&tick, "web");
    assert_eq!(web.reason_code, "instance_unavailable", "{web:#?}");
    assert!(web.error.contains("does not serve"), "{}", web.error);
    assert_eq!(world.decision.holder(), None, "the lease was given back");
    scheduler.tick().await;
    assert_eq!(world.decision.holder(), None, "and is not asked for");

    world.set_actuator_ready(true).await;
    let tick = scheduler.tick().await;
    assert_eq!(world.decision.holder(), holder);
    let web = result(&tick, "web");
    assert_ne!(web.reason_code, "instance_unavailable", "{web:#?}");
}

#[tokio::test]
async fn why_an_actuator_does_not_serve_is_asked_of_it() {
    let world = eager().await;
    world.set_actuator_ready(false).await;
    *world.actuator.blind.lock().unwrap() = Some(Status::failed_precondition(
        "no credentials; set AWS_PROFILE",
    ));
    let scheduler = world.scheduler("").await;
    let tick = scheduler.tick().await;
    let web = result(&tick, "web");
    assert_eq!(web.reason_code, "instance_unavailable");
    assert!(web.error.contains("set AWS_PROFILE"), "{}", web.error);
}

#[tokio::test]
async fn a_stale_answer_makes_the_holder_acquire_anew_and_the_next_tick_acts() {
    let world = eager().await;
    let scheduler = world.scheduler("").await;
    scheduler.try_tick(&["api"], false).await.unwrap();
    // As after a restored decision database: the lease is held, under an epoch that was overtaken.
    let overtaken = world.decision.epoch();
    world.actuator.fence(overtaken + 1);
    let tick = scheduler.tick().await;
    let web = result(&tick, "web");
    assert_eq!(web.action_taken, "not_started", "{web:#?}");
    assert!(web.error.contains("acquired anew"), "{}", web.error);
    assert_eq!(
        world.decision.outcomes(),
        [("web".to_owned(), Outcome::NotStarted)]
    );
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action_taken, "started", "{tick:#?}");
    let epoch = world.decision.last_request("web").lease_epoch;
    assert!(
        epoch > overtaken && epoch == world.decision.epoch(),
        "{epoch} after {overtaken}"
    );
}

#[tokio::test]
async fn an_epoch_that_the_decision_service_does_not_hold_is_acquired_anew() {
    let world = eager().await;
    let scheduler = world.scheduler("").await;
    let lost = common::status::failed_precondition("LEASE_LOST", "web", "not the one that is held");
    world
        .decision
        .refuse
        .lock()
        .unwrap()
        .insert("web".to_owned(), lost);
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").reason_code, "decision_unavailable");
    let lost = world.decision.last_request("web").lease_epoch;
    world.decision.refuse.lock().unwrap().clear();
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action_taken, "started", "{tick:#?}");
    let epoch = world.decision.last_request("web").lease_epoch;
    assert!(
        epoch > lost && epoch == world.decision.epoch(),
        "{epoch} after {lost}"
    );
}

#[tokio::test]
async fn fault_54_a_tick_that_overruns_delays_the_next_and_never_overlaps() {
    let world = World::start().await;
    let start = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let clock = ManualClock::new(start);
    let config = scheduler::Config {
        run_clock: true,
        ..world.config(&format!("targets: [{{id: web, instance_id: {WEB}}}]"))
    };
    let scheduler = Scheduler::start(config, Arc::new(clock.clone())).await;
    let asked = || world.decision.requests.lock().unwrap().len();
    // Said when a tick is over and the next one is waited for.
    let next_is_after = async |seconds| {
        let request = outgoing(GetStatusRequest {}, Duration::from_secs(10));
        let status = scheduler.grpc.clone().get_status(request).await.unwrap();
        let next = status.into_inner().next_tick_at.unwrap();
        next.seconds == start.as_second() + seconds
    };
    until("the first tick", async || next_is_after(300).await).await;
    assert_eq!(asked(), 1);
    let held = world.decision.hold().await;
    clock.advance(Duration::from_secs(300));
    until("the second tick", async || asked() == 2).await;
    // Two more intervals pass while something else holds the decision service up.
    clock.advance(Duration::from_secs(600));
    drop(held);
    until("its end", async || next_is_after(1_200).await).await;
    assert_eq!(asked(), 2, "missed ticks are not caught up with");
    clock.advance(Duration::from_secs(300));
    until("the next tick", async || asked() == 3).await;
}

#[tokio::test]
async fn fault_55_a_lost_reply_is_asked_for_by_id_and_starts_nothing_twice() {
    let world = eager().await;
    let scheduler = world.scheduler("").await;
    *world.actuator.reply.lock().unwrap() = Reply::LostAfter;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action_taken, "started", "{tick:#?}");
    world.actuator.finish(ResizePhase::Succeeded);
    until("the report", async || {
        world.decision.outcomes() == [("web".to_owned(), Outcome::Succeeded)]
    })
    .await;
    assert_eq!(world.actuator.starts(), 1);
}

#[tokio::test]
async fn fault_55_a_lost_request_stays_pending_until_the_next_tick_knows_better() {
    let world = eager().await;
    let scheduler = world.scheduler("").await;
    *world.actuator.reply.lock().unwrap() = Reply::LostBefore;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").action_taken, "none");
    assert!(
        result(&tick, "web")
            .error
            .contains("the next tick asks for it by id")
    );
    assert_eq!(world.decision.pending(), 1);
    *world.actuator.reply.lock().unwrap() = Reply::Given;
    *world.actuator.instant.lock().unwrap() = true;
    let tick = scheduler.tick_to_the_end().await;
    assert_eq!(
        world.decision.outcomes()[0],
        ("web".to_owned(), Outcome::NotStarted)
    );
    assert_eq!(result(&tick, "web").action_taken, "succeeded");
    assert_eq!(world.actuator.starts(), 2);
}

#[tokio::test]
async fn a_broken_stream_is_picked_up_by_id() {
    let world = eager().await;
    *world.actuator.break_streams.lock().unwrap() = 1;
    *world.decision.report_failures.lock().unwrap() = 1;
    let scheduler = world.scheduler("").await;
    scheduler.tick().await;
    world.actuator.finish(ResizePhase::FellBack);
    until("the report", async || {
        world.decision.outcomes() == [("web".to_owned(), Outcome::FellBack)]
    })
    .await;
    assert_eq!(world.actuator.starts(), 1);
}

#[tokio::test]
async fn after_a_kill_the_next_scheduler_follows_what_was_under_way() {
    let world = eager().await;
    let killed = world.scheduler("").await;
    killed.tick().await;
    drop(killed);
    world.decision.expire_lease().await;
    assert_eq!(world.decision.pending(), 1);
    let next = world.scheduler("").await;
    let tick = next.tick().await;
    assert_eq!(result(&tick, "web").reason_code, "action_pending");
    world.actuator.finish(ResizePhase::Succeeded);
    until("the report", async || {
        world.decision.outcomes() == [("web".to_owned(), Outcome::Succeeded)]
    })
    .await;
    assert_eq!(world.actuator.starts(), 1);
}

#[tokio::test]
async fn decisions_without_a_resize_are_settled_by_what_runs() {
    let minute = Duration::from_secs(60);
    for (instance_type, state, outcome) in [
        (
            "t2.medium",
            InstanceState::Running,
            Some(Outcome::Succeeded),
        ),
        (
            "t2.small",
            InstanceState::Running,
            Some(Outcome::NotStarted),
        ),
        ("t2.small", InstanceState::Terminated, Some(Outcome::Gone)),
        // Stopped is never the end of a resize.
        ("t2.small", InstanceState::Stopped, None),
    ] {
        let world = World::start().await;
        world.decision.leave_pending("web", WEB, minute, None).await;
        world.actuator.change(WEB, |instance| {
            instance.instance_type = instance_type.to_owned();
            instance.state = state.into();
        });
        let scheduler = world.scheduler("").await;
        scheduler.tick().await;
        let expected: Vec<_> = outcome
            .map(|outcome| ("web".to_owned(), outcome))
            .into_iter()
            .collect();
        assert_eq!(world.decision.outcomes(), expected, "{state:?}");
        assert_eq!(world.actuator.starts(), 0);
    }
}

#[tokio::test]
async fn a_young_decision_of_another_scheduler_is_left_alone() {
    let world = World::start().await;
    world
        .decision
        .leave_pending("web", WEB, Duration::from_secs(5), Some("another"))
        .await;
    let scheduler = world.scheduler("").await;
    scheduler.tick().await;
    assert_eq!(
        world.decision.pending(),
        1,
        "its request may still be on its way"
    );
}

#[tokio::test]
async fn sigterm_lets_the_tick_end_gives_the_lease_back_and_hands_resizes_over() {
    let world = eager().await;
    let scheduler = world.scheduler("").await;
    let held = world.decision.hold().await;
    let grpc = scheduler.grpc.clone();
    let running = tokio::spawn(async move {
        let request = outgoing(RunTickRequest::default(), Duration::from_secs(10));
        grpc.clone().run_tick(request).await
    });
    until("the lease", async || world.decision.holder().is_some()).await;
    let (ended, ()) = tokio::join!(scheduler.terminate(), async { drop(held) });
    ended.unwrap();
    let tick = running.await.unwrap().unwrap().into_inner().tick.unwrap();
    assert_eq!(result(&tick, "web").action_taken, "started");
    assert_eq!(world.decision.holder(), None, "the lease is free");
    assert_eq!(
        world.decision.pending(),
        1,
        "the resize is the next scheduler's"
    );
}

#[tokio::test]
async fn sigterm_cuts_a_tick_off_that_takes_too_long() {
    let world = eager().await;
    let scheduler = world.scheduler("shutdown_grace_seconds: 0").await;
    let _held = world.decision.hold().await;
    let grpc = scheduler.grpc.clone();
    let running = tokio::spawn(async move {
        let request = outgoing(RunTickRequest::default(), Duration::from_secs(10));
        grpc.clone().run_tick(request).await
    });
    until("the lease", async || world.decision.holder().is_some()).await;
    let begin = std::time::Instant::now();
    scheduler.terminate().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(
        running.await.unwrap().unwrap_err().code(),
        Code::Unavailable
    );
    assert_eq!(world.actuator.starts(), 0);
}
