//! Reviews of pasts, and decisions made from them.

use std::time::Duration;

use common::metadata::outgoing;
use proto::decision::v1::{
    Action, ExplainDecisionRequest, GetTargetStateRequest, Observation, Past, Policy, ReasonCode,
    ReviewTargetRequest, Strategy,
};
use tonic::Code;

use super::harness::World;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Two weeks of a machine that needs a third of a vCPU.
fn quiet_fortnight() -> Vec<f32> {
    (0..14 * 288)
        .map(|step| 0.3 + (step % 7) as f32 * 0.01)
        .collect()
}

#[tokio::test]
async fn a_past_is_reviewed_and_the_next_decision_follows_its_rule_after_a_restart() {
    let mut world = World::new();
    world.policy.strategy = decision::Strategy::Adaptive;
    let server = world.start().await;
    let mut client = server.client.clone();
    let ask = |tick: &str| {
        let mut asked = world.request(tick, 20.0);
        asked.instance_type = "t2.medium".into();
        asked.observation = asked.observation.map(|seen| Observation {
            cpu_percent: 15.0,
            cpu_peak_last_hour_percent: Some(17.0),
            past: Some(Past {
                now: Some(0.3),
                peak_1h: Some(0.36),
                peak_3h: Some(0.36),
                peak_6h: Some(0.36),
                peak_24h: Some(0.36),
                peak_168h: Some(0.36),
                profile_6h: Some(0.36),
                profile_12h: Some(0.36),
            }),
            ..seen
        });
        asked
    };
    let review = ReviewTargetRequest {
        target_id: "web-1".into(),
        demand: quiet_fortnight(),
        instance_types: ask("0").instance_types,
        ladder: Vec::new(),
        lease_epoch: 0,
        memory_peak_mib: None,
    };
    // Nobody decided about it yet.
    let status = client
        .review_target(outgoing(review.clone(), TIMEOUT))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");

    let decided = client.decide(outgoing(ask("1"), TIMEOUT)).await.unwrap();
    let decided = decided.into_inner().decision.unwrap();
    assert_eq!(decided.action(), Action::Hold);
    assert_eq!(decided.reason_code(), ReasonCode::EvidenceTooShort);

    let short = ReviewTargetRequest {
        demand: quiet_fortnight()[..400].to_vec(),
        ..review.clone()
    };
    let answer = client
        .review_target(outgoing(short, TIMEOUT))
        .await
        .unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.review, None);
    assert!(
        answer.reason.contains("a day and a half"),
        "{}",
        answer.reason
    );

    let answer = client
        .review_target(outgoing(review, TIMEOUT))
        .await
        .unwrap();
    let found = answer.into_inner().review.unwrap();
    assert_eq!(found.candidates.len(), 127);
    let chosen = found.chosen.clone().unwrap();
    assert!(chosen.cost < 0.6 && chosen.resizes == 0, "{chosen:?}");

    server.stop().await;
    let server = world.start().await;
    let mut client = server.client.clone();
    let decided = client.decide(outgoing(ask("2"), TIMEOUT)).await.unwrap();
    let decided = decided.into_inner().decision.unwrap();
    assert_eq!(decided.action(), Action::ScaleDown, "{decided:#?}");
    assert_eq!(decided.to_instance_type, "t2.small");
    assert_eq!(decided.reason_code(), ReasonCode::QuietFitsSmaller);
    let request = ExplainDecisionRequest {
        decision_id: decided.decision_id,
        ..ExplainDecisionRequest::default()
    };
    let explained = client
        .explain_decision(outgoing(request, TIMEOUT))
        .await
        .unwrap();
    let explained = explained.into_inner();
    assert!(
        explained.text.contains("gives the same decision again"),
        "{}",
        explained.text
    );
    assert!(explained.text.contains(&found.reason), "{}", explained.text);
    assert_eq!(explained.policy.unwrap().strategy(), Strategy::Adaptive);
    let request = GetTargetStateRequest {
        target_id: "web-1".into(),
    };
    let state = client
        .get_target_state(outgoing(request, TIMEOUT))
        .await
        .unwrap();
    assert_eq!(
        state.into_inner().review.unwrap().candidates,
        found.candidates
    );
    server.stop().await;
}

#[tokio::test]
async fn a_review_needs_the_lease_and_a_demand_that_can_be() {
    let world = World::new();
    let server = world.start().await;
    let mut client = server.client.clone();
    client
        .decide(outgoing(world.request("1", 20.0), TIMEOUT))
        .await
        .unwrap();
    let review = |demand: Vec<f32>, lease_epoch| ReviewTargetRequest {
        target_id: "web-1".into(),
        demand,
        lease_epoch,
        memory_peak_mib: None,
        ..Default::default()
    };
    for (bad, code) in [
        (review(vec![-1.0], 0), Code::InvalidArgument),
        (review(vec![0.0; 21 * 288 + 1], 0), Code::InvalidArgument),
        (review(quiet_fortnight(), 7), Code::FailedPrecondition),
    ] {
        let status = client
            .review_target(outgoing(bad, TIMEOUT))
            .await
            .unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    }
    // No size is known: no rule can be replayed, and that is no error.
    let answer = client
        .review_target(outgoing(review(quiet_fortnight(), 0), TIMEOUT))
        .await;
    let reason = answer.unwrap().into_inner().reason;
    assert!(
        reason.contains("the size of t2.small is not known"),
        "{reason}"
    );
    let policy = Policy {
        strategy: 77,
        ..Default::default()
    };
    let request = proto::decision::v1::ValidatePolicyRequest {
        policy: Some(policy),
    };
    let answer = client
        .validate_policy(outgoing(request, TIMEOUT))
        .await
        .unwrap();
    let violations = answer.into_inner().violations;
    assert!(
        violations
            .iter()
            .any(|violation| violation.field == "strategy"),
        "{violations:?}"
    );
    server.stop().await;
}
