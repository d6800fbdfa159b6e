//! Decisions that are made again.

use std::time::Duration;

use common::metadata::outgoing;
use proto::decision::v1::{
    Action, Policy, ReplayDecisionRequest, ReplayDecisionResponse, Strategy, alternative::Way,
};
use tonic::{Code, Status};

use super::harness::{Server, World};

async fn replay(
    server: &Server,
    decision_id: &str,
    policy: Option<Policy>,
) -> Result<ReplayDecisionResponse, Status> {
    let request = ReplayDecisionRequest {
        decision_id: decision_id.to_owned(),
        policy,
    };
    let mut client = server.client.clone();
    let answer = client
        .replay_decision(outgoing(request, Duration::from_secs(5)))
        .await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn a_decision_is_made_again_by_its_policy_and_by_another() {
    let world = World::new();
    let server = world.start().await;
    let held = server.decide(world.request("tick-1", 60.0)).await.unwrap();
    assert_eq!(held.action(), Action::Hold);
    // Later, under another policy: it is the stored one that counts.
    world.pass(86_400);
    let explained = server.explain(&held.decision_id).await.unwrap();
    let eager = Policy {
        scale_up_cpu: 50.0,
        ..explained.policy.unwrap()
    };
    let same = replay(&server, &held.decision_id, None).await.unwrap();
    assert!(same.same);
    assert_eq!(same.made, same.again);

    let other = replay(&server, &held.decision_id, Some(eager.clone()))
        .await
        .unwrap();
    assert!(!other.same);
    assert_eq!(other.made, same.made);
    let again = other.again.unwrap();
    assert_eq!(again.action(), Action::ScaleUp);
    assert_ne!(again.policy_version, held.policy_version);
    // Nothing came of it.
    let stored = server.target("web-1").await.last_decision.unwrap();
    assert_eq!(stored.decision_id, held.decision_id);
    assert_eq!(stored.action(), Action::Hold);

    let broken = Policy {
        strategy: Strategy::Threshold.into(),
        scale_up_cpu: 500.0,
        ..eager
    };
    let status = replay(&server, &held.decision_id, Some(broken))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("scale_up_cpu"), "{status:?}");
}

#[tokio::test]
async fn a_hold_among_others_points_to_those_that_are_kept() {
    let world = World::new();
    let server = world.start().await;
    let mut held = Vec::new();
    for number in 0..3_u8 {
        let request = world.request(&format!("tick-{number}"), 50.0);
        held.push(server.decide(request).await.unwrap().decision_id);
        world.pass(300);
    }
    let status = replay(&server, &held[1], None).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    for kept in [&held[0], &held[2]] {
        assert!(status.message().contains(kept), "{status:?}");
        assert!(replay(&server, kept, None).await.unwrap().same);
    }
    let status = replay(&server, "019ac000-0000-7000-8000-000000000000", None).await;
    assert_eq!(status.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn what_would_have_led_to_another_size_is_explained() {
    let world = World::new();
    let server = world.start().await;
    let held = server.decide(world.request("tick-1", 60.0)).await.unwrap();
    let explained = server.explain(&held.decision_id).await.unwrap();
    let larger = &explained.alternatives[0];
    assert_ne!(larger.instance_type, held.from_instance_type);
    let Some(Way::LoadAtLeast(load)) = larger.way else {
        panic!("{explained:#?}");
    };
    // The forecast median of 60 % is above 75 % with this load; with less confidence than is asked for before.
    assert!(load > 1.0 && load < 1.6, "{load}");
    let line = format!("Otherwise {}", larger.instance_type);
    assert!(explained.text.contains(&line), "{}", explained.text);
}
