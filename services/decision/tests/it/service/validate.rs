use std::time::Duration;

use common::metadata::outgoing;
use proto::decision::v1::{
    ApplyPolicyRequest, DecideRequest, InstanceTypeInfo, ListDecisionsRequest, Observation, Policy,
    ReasonCode, ReportOutcomeRequest, Strategy, ValidatePolicyRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::harness::World;

/// Names of the bad fields, in order.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_details_bad_request().unwrap();
    details
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn a_bad_request_names_every_bad_field_and_stores_nothing() {
    let world = World::new();
    let server = world.start().await;
    type Spoil = fn(&mut DecideRequest);
    let cases: Vec<(Spoil, &[&str])> = vec![
        (|request| request.tick_id.clear(), &["tick_id"]),
        (
            |request| request.target_id = "x".repeat(257),
            &["target_id"],
        ),
        (
            |request| request.target_id = "web\n1".into(),
            &["target_id"],
        ),
        (
            |request| request.instance_id = "i-1\0".into(),
            &["instance_id"],
        ),
        (
            |request| request.instance_type = "t2.small; rm -rf /".into(),
            &["instance_type"],
        ),
        (|request| request.instance_type.clear(), &["instance_type"]),
        (|request| request.lease_epoch = u64::MAX, &["lease_epoch"]),
        (
            |request| request.ladder = vec!["t2.small".into(), "t2.small".into()],
            &["ladder[1]"],
        ),
        (
            |request| request.instance_types.push(InstanceTypeInfo::default()),
            &["instance_types[3].instance_type"],
        ),
        (
            |request| request.unknown_reason = "no metrics".into(),
            &["unknown_reason_code"],
        ),
        (
            |request| request.unknown_reason_code = ReasonCode::MetricsUnknown.into(),
            &["unknown_reason"],
        ),
        (
            |request| request.unknown_reason_code = ReasonCode::Cooldown.into(),
            &["unknown_reason_code"],
        ),
        (
            |request| request.unknown_reason_code = 99,
            &["unknown_reason_code"],
        ),
        (
            |request| {
                request.observation = Some(Observation {
                    cpu_percent: 100.5,
                    memory_percent: Some(f64::NAN),
                    memory_peak_mib: Some(-1.0),
                    disk_bytes_per_second: Some(f64::INFINITY),
                    ..Observation::default()
                });
            },
            &[
                "observation.observed_at",
                "observation.memory_percent",
                "observation.memory_peak_mib",
                "observation.disk_bytes_per_second",
                "observation.cpu_percent",
            ],
        ),
        (
            |request| {
                request
                    .observation
                    .as_mut()
                    .unwrap()
                    .observed_at
                    .as_mut()
                    .unwrap()
                    .seconds = i64::MAX
            },
            &["observation.observed_at"],
        ),
        (
            |request| request.forecast.as_mut().unwrap().basis = 17,
            &["forecast.basis"],
        ),
        (
            |request| request.forecast.as_mut().unwrap().origin = None,
            &["forecast.origin"],
        ),
        (
            |request| request.forecast.as_mut().unwrap().horizons.clear(),
            &["forecast.horizons"],
        ),
        (
            |request| request.forecast.as_mut().unwrap().horizons.swap(0, 1),
            &["forecast.horizons[1].horizon_seconds"],
        ),
        (
            |request| {
                request.forecast.as_mut().unwrap().horizons[1]
                    .at_horizon
                    .truncate(1)
            },
            &["forecast.horizons[1].at_horizon"],
        ),
        (
            |request| {
                let horizon = &mut request.forecast.as_mut().unwrap().horizons[0];
                horizon.point = -1.0;
                horizon.at_horizon[2].value = f64::NAN;
                horizon.peak[1].value = 0.0;
                horizon.peak[3].quantile = 1.0;
                horizon.peak[4].quantile = 0.1;
            },
            &[
                "forecast.horizons[0].at_horizon[2].value",
                "forecast.horizons[0].peak[3].quantile",
                "forecast.horizons[0].peak[1].value",
                "forecast.horizons[0].peak[4].quantile",
                "forecast.horizons[0].point",
            ],
        ),
    ];
    for (spoil, expected) in cases {
        let mut request = world.request("tick-1", 90.0);
        spoil(&mut request);
        let status = server.decide(request).await.unwrap_err();
        assert_eq!(fields(&status), expected, "{status:?}");
    }
    assert!(
        server
            .list(ListDecisionsRequest::default())
            .await
            .unwrap()
            .decisions
            .is_empty()
    );
    server.stop().await;
}

#[tokio::test]
async fn what_is_absent_for_a_reason_is_a_hold() {
    let world = World::new();
    let server = world.start().await;
    let mut request = world.request("tick-1", 90.0);
    request.instance_type.clear();
    request.observation = None;
    request.forecast = None;
    request.unknown_reason = "instance i-0abc\nis stopped".into();
    request.unknown_reason_code = ReasonCode::InstanceUnavailable.into();
    let decision = server.decide(request).await.unwrap();
    assert_eq!(decision.reason_code(), ReasonCode::InstanceUnavailable);
    assert_eq!(decision.reason, "instance i-0abc is stopped");
    assert_eq!(
        (decision.confidence, decision.predicted_cpu_percent),
        (0.0, None)
    );
    let text = server.explain(&decision.decision_id).await.unwrap().text;
    assert!(
        text.contains("Seen      nothing; instance i-0abc is stopped"),
        "{text}"
    );
    assert!(
        text.contains("Forecast  none: the request has no forecast"),
        "{text}"
    );
    server.stop().await;
}

#[tokio::test]
async fn the_other_methods_check_their_fields_too() {
    let world = World::new();
    let server = world.start().await;
    let status = server
        .list(ListDecisionsRequest {
            page_size: 1_001,
            page_token: "first".into(),
            target_id: "\t".into(),
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["target_id", "page_token", "page_size"]);
    assert_eq!(
        fields(&server.explain("1; DROP TABLE decisions").await.unwrap_err()),
        ["decision_id"]
    );
    assert_eq!(
        fields(&server.acquire("", 0).await.unwrap_err()),
        ["holder", "ttl_seconds"]
    );
    let request = ReportOutcomeRequest {
        outcome: 42,
        ..Default::default()
    };
    let request = outgoing(request, Duration::from_secs(5));
    let status = server
        .client
        .clone()
        .report_outcome(request)
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["decision_id", "outcome"]);
    server.stop().await;
}

#[tokio::test]
async fn fault_50_a_bad_policy_is_named_field_by_field_and_not_applied() {
    let world = World::new();
    let server = world.start().await;
    let policy = Policy {
        strategy: Strategy::Threshold.into(),
        scale_up_cpu: 30.0,
        scale_down_cpu: 75.0,
        min_confidence: 0.6,
        cooldown_seconds: 600,
        ladder: vec!["t2.small".into(), "huge".into()],
        horizon_seconds: 600,
        memory_margin_percent: 20.0,
        saturation_seconds: 300,
        max_sample_age_seconds: 0,
        down_history_seconds: None,
        down_observed_seconds: None,
        ..Default::default()
    };
    let mut client = server.client.clone();
    let request = ValidatePolicyRequest {
        policy: Some(policy.clone()),
    };
    let response = client
        .validate_policy(outgoing(request, Duration::from_secs(5)))
        .await;
    let violations = response.unwrap().into_inner().violations;
    let named: Vec<&str> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        named,
        ["max_sample_age_seconds", "scale_down_cpu", "ladder[1]"]
    );
    let request = ApplyPolicyRequest {
        policy: Some(policy),
    };
    let status = client
        .apply_policy(outgoing(request, Duration::from_secs(5)))
        .await
        .unwrap_err();
    assert_eq!(
        fields(&status),
        [
            "policy.max_sample_age_seconds",
            "policy.scale_down_cpu",
            "policy.ladder[1]"
        ]
    );
    let status = client
        .apply_policy(outgoing(
            ApplyPolicyRequest { policy: None },
            Duration::from_secs(5),
        ))
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["policy"]);
    server.stop().await;

    let mut world = World::new();
    world.policy.scale_down_cpu = 90.0;
    let error = world.start().await.error().await;
    assert!(
        error.starts_with("policy.scale_down_cpu: 90 is not below scale_up_cpu (75)"),
        "{error}"
    );
}
