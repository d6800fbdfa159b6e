use proto::decision::v1::{Action, ListDecisionsRequest, Outcome, ReasonCode};
use tonic::Code;

use super::harness::{World, wire};

#[tokio::test]
async fn a_decision_to_act_is_pending_until_its_outcome_and_starts_the_cooldown_there() {
    let world = World::new();
    let server = world.start().await;
    let decision = server.decide(world.request("tick-1", 82.4)).await.unwrap();
    assert_eq!(decision.action(), Action::ScaleUp);
    assert_eq!(
        decision.reason,
        "forecast 82.4 % in 15 min is above 75 %, with probability 0.94; t2.small to t2.medium"
    );
    assert!(decision.pending);
    assert_eq!(decision.outcome(), Outcome::Unspecified);

    let waiting = server.decide(world.request("tick-2", 90.0)).await.unwrap();
    assert_eq!(waiting.reason_code(), ReasonCode::ActionPending);
    let state = server.target("web-1").await;
    assert_eq!(state.pending, Some(decision.clone()));
    assert_eq!(state.last_decision, Some(waiting));

    // The resize took three minutes and ended one minute before it is reported.
    world.pass(240);
    let ended = world.now() - 60;
    let reported = server
        .report(&decision, Outcome::Succeeded, Some(ended))
        .await
        .unwrap();
    assert!(!reported.pending);
    assert_eq!(reported.outcome_at, Some(wire(ended)));
    assert_eq!(reported.outcome_detail, "as planned");
    let state = server.target("web-1").await;
    assert_eq!(state.pending, None);
    assert_eq!(state.cooldown_up_until, Some(wire(ended + 600)));
    assert_eq!(state.cooldown_down_until, Some(wire(ended + 600)));
    assert_eq!(state.recent_resizes, [wire(ended)]);

    world.pass(539);
    let held = server.decide(world.request("tick-3", 90.0)).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::Cooldown);
    assert!(
        held.reason.ends_with("cooldown 10 min, 1 s left"),
        "{}",
        held.reason
    );
    world.pass(1);
    let next = server.decide(world.request("tick-4", 90.0)).await.unwrap();
    assert_eq!(next.action(), Action::ScaleUp);
    server.stop().await;
}

#[tokio::test]
async fn the_same_tick_gives_the_stored_decision() {
    let world = World::new();
    let server = world.start().await;
    let first = server.decide(world.request("tick-1", 90.0)).await.unwrap();
    world.pass(30);
    // Even when everything else about the request differs, and under an older lease.
    let mut again = world.request("tick-1", 5.0);
    again.lease_epoch = 0;
    assert_eq!(server.decide(again).await.unwrap(), first);
    assert_eq!(
        server
            .list(ListDecisionsRequest::default())
            .await
            .unwrap()
            .decisions
            .len(),
        1
    );
    // Also when the callers race.
    let request = world.request("tick-2", 50.0);
    let (left, right) = tokio::join!(server.decide(request.clone()), server.decide(request));
    assert_eq!(left.unwrap(), right.unwrap());
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_is_never_pending_and_starts_no_cooldown() {
    let world = World::new();
    let server = world.start().await;
    let mut request = world.request("tick-1", 90.0);
    request.dry_run = true;
    let decision = server.decide(request.clone()).await.unwrap();
    assert_eq!(decision.action(), Action::ScaleUp);
    assert!(decision.dry_run && !decision.pending);
    let status = server
        .report(&decision, Outcome::Succeeded, None)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let reported = server
        .report(&decision, Outcome::DryRun, None)
        .await
        .unwrap();
    assert_eq!(reported.outcome(), Outcome::DryRun);
    let state = server.target("web-1").await;
    assert_eq!(
        (state.cooldown_up_until, state.cooldown_down_until),
        (None, None)
    );
    assert!(state.recent_resizes.is_empty() && state.pending.is_none());
    request.tick_id = "tick-2".into();
    assert_eq!(
        server.decide(request).await.unwrap().action(),
        Action::ScaleUp
    );
    server.stop().await;
}

#[tokio::test]
async fn an_outcome_is_taken_once() {
    let world = World::new();
    let server = world.start().await;
    let hold = server.decide(world.request("tick-0", 50.0)).await.unwrap();
    let status = server
        .report(&hold, Outcome::Succeeded, None)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("was to hold"), "{status}");

    let decision = server.decide(world.request("tick-1", 90.0)).await.unwrap();
    let first = server
        .report(&decision, Outcome::RolledBack, None)
        .await
        .unwrap();
    world.pass(100);
    // A lost reply is answered again, and the cooldown does not begin anew.
    let again = server
        .report(&decision, Outcome::RolledBack, None)
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(
        server.target("web-1").await.cooldown_up_until,
        Some(wire(world.now() - 100 + 600))
    );
    let status = server
        .report(&decision, Outcome::Succeeded, None)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains("rolled back to the old type"),
        "{status}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_reporter_with_a_wrong_clock_can_neither_lose_nor_prolong_a_cooldown() {
    for (finished_at, counts_from) in [(86_400, 0), (-86_400, -30), (-10, -10)] {
        let world = World::new();
        let server = world.start().await;
        let decision = server.decide(world.request("tick-1", 90.0)).await.unwrap();
        world.pass(30);
        let now = world.now();
        server
            .report(&decision, Outcome::Succeeded, Some(now + finished_at))
            .await
            .unwrap();
        assert_eq!(
            server.target("web-1").await.cooldown_up_until,
            Some(wire(now + counts_from + 600))
        );
        server.kill().await;
    }
}

#[tokio::test]
async fn two_targets_that_name_one_instance_have_one_action() {
    let world = World::new();
    let server = world.start().await;
    server.decide(world.request("tick-1", 90.0)).await.unwrap();
    let mut twin = world.request("tick-1", 90.0);
    twin.target_id = "web-1-again".into();
    let held = server.decide(twin).await.unwrap();
    assert_eq!(held.reason_code(), ReasonCode::ActionPending);
    assert!(
        held.reason
            .contains("of target web-1, which names the same instance"),
        "{}",
        held.reason
    );
    server.stop().await;
}

#[tokio::test]
async fn the_audit_lists_newest_first_in_pages() {
    let world = World::new();
    let server = world.start().await;
    for tick in 0..7 {
        let mut request =
            world.request(&format!("tick-{tick}"), if tick == 3 { 90.0 } else { 50.0 });
        request.target_id = format!("web-{}", tick % 2);
        request.instance_id = format!("i-{}", tick % 2);
        server.decide(request).await.unwrap();
        // So long that no two holds are a run.
        world.pass(3_601);
    }
    let ticks = |request: ListDecisionsRequest| async {
        let response = server.list(request).await.unwrap();
        let ticks: Vec<String> = response
            .decisions
            .into_iter()
            .map(|decision| decision.tick_id)
            .collect();
        (ticks, response.next_page_token)
    };
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let (page, next) = ticks(ListDecisionsRequest {
            page_size: 3,
            page_token: token,
            ..Default::default()
        })
        .await;
        assert!((1..=3).contains(&page.len()));
        seen.extend(page);
        if next.is_empty() {
            break;
        }
        token = next;
    }
    let all: Vec<String> = (0..7).rev().map(|tick| format!("tick-{tick}")).collect();
    assert_eq!(seen, all);
    for (request, expected) in [
        (
            ListDecisionsRequest {
                target_id: "web-0".into(),
                page_size: 4,
                ..Default::default()
            },
            &["tick-6", "tick-4", "tick-2", "tick-0"][..],
        ),
        (
            ListDecisionsRequest {
                actions_only: true,
                ..Default::default()
            },
            &["tick-3"],
        ),
        (
            ListDecisionsRequest {
                pending_only: true,
                target_id: "web-1".into(),
                ..Default::default()
            },
            &["tick-3"],
        ),
        (
            ListDecisionsRequest {
                actions_only: true,
                target_id: "web-0".into(),
                ..Default::default()
            },
            &[],
        ),
    ] {
        assert_eq!(
            ticks(request).await,
            (
                expected.iter().map(|tick| (*tick).to_owned()).collect(),
                String::new()
            )
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn an_explanation_tells_it_all_and_replays() {
    let world = World::new();
    let server = world.start().await;
    let mut request = world.request("tick-1", 82.4);
    request.notes = vec!["3 of 60 values were dropped".into(), "disk is odd".into()];
    let decision = server.decide(request.clone()).await.unwrap();
    world.pass(120);
    server
        .report_on(&decision, Outcome::Succeeded, None, "t2.medium")
        .await
        .unwrap();
    let explained = server.explain(&decision.decision_id).await.unwrap();
    for part in [
        "web-1 (i-0abc): scale up from t2.small to t2.medium",
        "Because   forecast 82.4 % in 15 min is above 75 %, with probability 0.94",
        "Decided   2027-01-15T08:00:00Z as",
        "Seen      CPU 20.0 % at 2027-01-15T08:00:00Z (0 s earlier, 60 samples); memory 20.0 %, peak 400 MiB; disk 12.5 kB/s",
        "Notes     3 of 60 values were dropped\n          disk is odd",
        "Forecast  82.4 % in 15 min from 2027-01-15T08:00:00Z, by the trained model; above 75 % with probability 0.94",
        "pass  cooldown    no earlier resize holds scaling up back",
        "Done      succeeded at 2027-01-15T08:02:00Z, runs on t2.medium: as planned",
        "Replay    the stored input gives the same decision again",
    ] {
        assert!(
            explained.text.contains(part),
            "{}\nlacks {part:?}",
            explained.text
        );
    }
    assert_eq!(explained.input, Some(request));
    let policy = explained.policy.unwrap();
    assert_eq!((policy.scale_up_cpu, policy.cooldown_seconds), (75.0, 600));

    // What comes out can be put in again: the same knowledge has the same digest, whoever asks.
    let mut again = explained.input.unwrap();
    again.tick_id = "tick-9".into();
    again.lease_epoch = server.acquire("b", 30).await.unwrap().epoch;
    let held = server.decide(again).await.unwrap();
    assert_eq!(held.input_digest, decision.input_digest);
    let text = server.explain(&held.decision_id).await.unwrap().text;
    assert!(
        text.contains("Replay    the stored input gives the same"),
        "{text}"
    );
    server.stop().await;
}
