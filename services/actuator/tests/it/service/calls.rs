//! The service as its callers meet it: validation, idempotency, fencing, dry run, watching, shutdown.

use std::{sync::Arc, time::Duration};

use actuator::{
    Config,
    cloud::{ErrorKind, InstanceState, Operation},
};
use common::{
    clock::{Clock as _, ManualClock},
    grpc,
    health::{self, Health},
    metadata,
};
use jiff::Timestamp;
use proto::actuator::v1::{self as wire, MonitoringState, PreflightVerdict, ResizePhase};
use simulator::cloud::Effect;
use testkit::http::metrics;
use tonic::Code;

use super::support::{FROM, ID, Stage, TARGET, config, refused, request, running};

#[tokio::test]
async fn an_instance_is_described_with_the_dry_run_of_the_configuration() {
    for dry_run in [true, false] {
        let mut stage = Stage::with(Config {
            dry_run,
            ..config()
        })
        .await;
        let request = wire::DescribeInstanceRequest {
            instance_id: ID.to_owned(),
        };
        let response = stage
            .client
            .describe_instance(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(response.dry_run, dry_run);
        let instance = response.instance.unwrap();
        assert_eq!(instance.instance_type, FROM);
        assert_eq!(instance.state(), wire::InstanceState::Running);
        assert_eq!(instance.architecture, "x86_64");
    }
}

#[tokio::test]
async fn many_are_described_with_one_call_and_unknown_ones_left_out() {
    let mut stage = Stage::new().await;
    let second = "i-0123456789abcdef1";
    stage.fake.add_instance(second, TARGET);
    let mut ask = async |ids: Vec<String>| {
        let request = wire::DescribeInstancesRequest { instance_ids: ids };
        let response = stage.client.describe_instances(request).await?;
        Ok::<_, tonic::Status>(response.into_inner())
    };
    let ids = [second, "i-00000000000000bad", ID].map(str::to_owned);
    let answer = ask(ids.into()).await.unwrap();
    assert!(!answer.dry_run);
    let mut types: Vec<(&str, &str)> = answer
        .instances
        .iter()
        .map(|found| (found.instance_id.as_str(), found.instance_type.as_str()))
        .collect();
    types.sort_unstable();
    let mut expected = [(ID, FROM), (second, TARGET)];
    expected.sort_unstable();
    assert_eq!(types, expected);
    assert_eq!(stage.fake.count(Operation::DescribeInstances), 1);

    for (ids, field) in [
        (Vec::new(), "instance_ids"),
        (vec![ID.to_owned(); 201], "instance_ids"),
        (vec![ID.to_owned(), "i-1".to_owned()], "instance_ids[1]"),
    ] {
        let refusal = ask(ids).await.unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument);
        assert!(refusal.message().contains(field), "{refusal}");
    }
}

#[tokio::test]
async fn types_are_listed_and_unknown_ones_left_out() {
    let mut stage = Stage::new().await;
    let mut ask = async |names: &[&str]| {
        let request = wire::ListInstanceTypesRequest {
            instance_types: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let response = stage.client.list_instance_types(request).await?;
        Ok::<_, tonic::Status>(response.into_inner().instance_types)
    };
    let types = ask(&["m6i.xlarge", "t2.small", "x9.tiny"]).await.unwrap();
    let of = |name: &str| {
        types
            .iter()
            .find(|found| found.instance_type == name)
            .unwrap()
    };
    assert_eq!(types.len(), 2);
    assert_eq!(
        (
            of("t2.small").vcpus,
            of("t2.small").memory_mib,
            of("t2.small").burstable
        ),
        (1, 2_048, true)
    );
    assert_eq!(
        (of("m6i.xlarge").vcpus, of("m6i.xlarge").burstable),
        (4, false)
    );
    for names in [&[][..], &["small"], &["t2.small; reboot"]] {
        assert_eq!(
            refused(ask(names).await).0,
            Code::InvalidArgument,
            "{names:?}"
        );
    }
}

#[tokio::test]
async fn case_29_hostile_input_never_reaches_the_cloud() {
    let mut stage = Stage::new().await;
    let before = stage.fake.calls().len();
    for id in [
        "i-1;rm -rf /",
        "$(reboot)",
        "i-0123456789abcdef0\n",
        "../i-0123456789abcdef0",
        "",
        "i-",
        "i-0123",
        "i-0123456789ABCDEF0",
        "i-0123456789abcdef00",
        "i-0123456g",
        "I-01234567",
    ] {
        let field = |(code, message): (Code, String)| {
            assert_eq!(code, Code::InvalidArgument, "{id:?}");
            assert!(message.contains("instance_id"), "{message}");
        };
        let instance_id = id.to_owned();
        field(refused(
            stage
                .client
                .describe_instance(wire::DescribeInstanceRequest {
                    instance_id: instance_id.clone(),
                })
                .await,
        ));
        field(refused(
            stage
                .client
                .configure_monitoring(wire::ConfigureMonitoringRequest {
                    instance_id: instance_id.clone(),
                    dry_run: false,
                })
                .await,
        ));
        field(refused(
            stage
                .client
                .preflight(wire::PreflightRequest {
                    instance_id: instance_id.clone(),
                    target_instance_type: TARGET.to_owned(),
                })
                .await,
        ));
        field(refused(
            stage
                .start(wire::StartResizeRequest {
                    instance_id,
                    ..request("r1")
                })
                .await,
        ));
    }
    for (bad, field) in [
        (
            wire::StartResizeRequest {
                resize_id: String::new(),
                ..request("r1")
            },
            "resize_id",
        ),
        (
            wire::StartResizeRequest {
                resize_id: "a/../b".into(),
                ..request("r1")
            },
            "resize_id",
        ),
        (
            wire::StartResizeRequest {
                resize_id: "a".repeat(65),
                ..request("r1")
            },
            "resize_id",
        ),
        (
            wire::StartResizeRequest {
                target_instance_type: "t2.$(id)".into(),
                ..request("r1")
            },
            "target_instance_type",
        ),
        (
            wire::StartResizeRequest {
                expected_instance_type: String::new(),
                ..request("r1")
            },
            "expected_instance_type",
        ),
        (
            wire::StartResizeRequest {
                target_instance_type: FROM.into(),
                ..request("r1")
            },
            "target_instance_type",
        ),
        (
            wire::StartResizeRequest {
                reason: "x".repeat(2_000),
                ..request("r1")
            },
            "reason",
        ),
    ] {
        let (code, message) = refused(stage.start(bad).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.contains(field), "{message} lacks {field}");
    }
    let calls = stage.fake.calls();
    let others: Vec<_> = calls[before..]
        .iter()
        .filter(|call| !matches!(call.operation, Operation::Ready | Operation::FindTagged))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn an_instance_that_does_not_exist_is_named_with_a_remedy() {
    let mut stage = Stage::new().await;
    let (code, message) = refused(
        stage
            .start(wire::StartResizeRequest {
                instance_id: "i-00000000000000bad".to_owned(),
                ..request("r1")
            })
            .await,
    );
    assert_eq!(code, Code::NotFound);
    for part in ["i-00000000000000bad", "does not exist", "actuator.region"] {
        assert!(message.contains(part), "{message}");
    }
    let (code, message) = refused(
        stage
            .client
            .get_resize(wire::GetResizeRequest {
                resize_id: "r1".to_owned(),
            })
            .await,
    );
    assert_eq!(code, Code::NotFound);
    assert!(message.contains("r1"), "{message}");
}

#[tokio::test]
async fn another_type_than_expected_is_a_failed_precondition() {
    let mut stage = Stage::new().await;
    let (code, message) = refused(
        stage
            .start(wire::StartResizeRequest {
                expected_instance_type: "t2.large".to_owned(),
                ..request("r1")
            })
            .await,
    );
    assert_eq!(code, Code::FailedPrecondition);
    assert!(
        message.contains(FROM) && message.contains("t2.large"),
        "{message}"
    );
    assert_eq!(stage.fake.mutations(), 0);
}

#[tokio::test]
async fn cases_24_to_27_one_resize_per_id_instance_and_lease() {
    // Time stands still, so the first resize stays active.
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let mut stage = Stage::on(config(), clock.clone()).await;
    stage.fake.add_instance("i-0fedcba9876543210", FROM);
    let leased = |id: &str, epoch| wire::StartResizeRequest {
        lease_epoch: epoch,
        ..request(id)
    };
    let first = stage.start(leased("r1", 5)).await.unwrap();
    assert_eq!(first.phase(), ResizePhase::Preflight);
    // 24: the same again, also from the next holder of the lease.
    for epoch in [5, 6] {
        assert_eq!(
            stage.start(leased("r1", epoch)).await.unwrap().resize_id,
            "r1"
        );
    }
    // 25: the id with another content.
    let other = wire::StartResizeRequest {
        target_instance_type: "t2.large".to_owned(),
        ..leased("r1", 5)
    };
    assert_eq!(refused(stage.start(other).await).0, Code::AlreadyExists);
    // 26: another id, the same instance.
    let (code, message) = refused(stage.start(leased("r2", 5)).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("r1"), "{message}");
    // 27: a stale lease, on a free instance.
    let elsewhere = |id: &str, epoch| wire::StartResizeRequest {
        instance_id: "i-0fedcba9876543210".to_owned(),
        ..leased(id, epoch)
    };
    let (code, message) = refused(stage.start(elsewhere("r3", 4)).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(message.contains("epoch 4 is stale"), "{message}");
    // A person has no lease.
    assert!(stage.start(elsewhere("r4", 0)).await.is_ok());

    let follow = wire::WatchResizeRequest {
        resize_id: "r1".to_owned(),
    };
    let mut stream = stage
        .client
        .watch_resize(follow)
        .await
        .unwrap()
        .into_inner();
    let mut last = None;
    loop {
        tokio::select! {
            message = stream.message() => match message.unwrap() {
                Some(message) => last = message.resize,
                None => break,
            },
            () = tokio::time::sleep(Duration::from_millis(1)) => clock.advance(Duration::from_secs(5)),
        }
    }
    assert_eq!(last.unwrap().phase(), ResizePhase::Succeeded);
    let stops = stage.fake.calls();
    let stops = stops
        .iter()
        .filter(|call| call.operation == Operation::Stop && !call.dry_run && call.instance_id == ID)
        .count();
    assert_eq!(stops, 1);
    // Long after: the same answer, no second resize.
    let again = stage.start(leased("r1", 6)).await.unwrap();
    assert_eq!(again.phase(), ResizePhase::Succeeded);
}

#[tokio::test]
async fn a_dry_run_checks_and_changes_nothing_whoever_asks_for_it() {
    for (configured, asked) in [(true, false), (false, true), (true, true)] {
        let mut stage = Stage::with(Config {
            dry_run: configured,
            ..config()
        })
        .await;
        let request = wire::StartResizeRequest {
            dry_run: asked,
            ..request("r1")
        };
        let started = stage.start(request).await.unwrap();
        assert!(started.dry_run);
        let resize = stage.watch("r1").await.pop().unwrap();
        assert_eq!(resize.phase(), ResizePhase::DryRun);
        assert!(resize.dry_run);
        assert_eq!(resize.running_instance_type, FROM);
        assert_eq!(super::support::names(&resize), ["preflight"]);
        assert_eq!(stage.fake.mutations(), 0);
        assert!(
            stage
                .fake
                .calls()
                .iter()
                .any(|call| call.operation == Operation::Stop && call.dry_run)
        );

        let response = stage
            .client
            .configure_monitoring(wire::ConfigureMonitoringRequest {
                instance_id: ID.to_owned(),
                dry_run: asked,
            })
            .await
            .unwrap()
            .into_inner();
        assert!(response.dry_run);
        assert_eq!(response.command_id, "");
        assert_eq!(stage.fake.mutations(), 0);
    }
    // What would be refused is refused in dry run too.
    let mut stage = Stage::with(Config {
        dry_run: true,
        ..config()
    })
    .await;
    stage.fake.set_stop_protected(ID, true);
    assert_eq!(stage.resize().await.phase(), ResizePhase::Refused);
}

#[tokio::test]
async fn monitoring_is_set_up_on_its_own() {
    let mut stage = Stage::new().await;
    let request = wire::ConfigureMonitoringRequest {
        instance_id: ID.to_owned(),
        dry_run: false,
    };
    let response = stage
        .client
        .configure_monitoring(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.monitoring(), MonitoringState::Ok);
    assert!(
        !response.command_id.is_empty() && response.output.contains("running"),
        "{response:?}"
    );
    stage.fake.set_scripts_succeed(false);
    let response = stage
        .client
        .configure_monitoring(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.monitoring(), MonitoringState::Degraded);
}

#[tokio::test]
async fn preflight_tells_every_check_and_a_failing_one() {
    let mut stage = Stage::new().await;
    let ask = |target: &str| wire::PreflightRequest {
        instance_id: ID.to_owned(),
        target_instance_type: target.to_owned(),
    };
    let good = stage
        .client
        .preflight(ask(TARGET))
        .await
        .unwrap()
        .into_inner();
    assert!(good.ok, "{good:?}");
    assert!(good.checks.len() >= 20, "{} checks", good.checks.len());
    for (target, name) in [
        (FROM, "type_differs"),
        ("t2.gigantic", "target_known"),
        ("t4g.small", "architecture"),
        ("t3.small", "xen_to_nitro"),
    ] {
        let bad = stage
            .client
            .preflight(ask(target))
            .await
            .unwrap()
            .into_inner();
        assert!(!bad.ok, "{target}");
        let check = bad.checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(
            check.verdict(),
            PreflightVerdict::Block,
            "{target}: {check:?}"
        );
    }
    assert_eq!(stage.fake.mutations(), 0);
}

#[tokio::test]
async fn a_check_that_cannot_be_made_counts_by_policy_and_the_agents_never_blocks() {
    for (operation, policy, expected) in [
        (
            Operation::StopProtection,
            actuator::UnknownChecks::Block,
            ResizePhase::Refused,
        ),
        (
            Operation::StopProtection,
            actuator::UnknownChecks::Allow,
            ResizePhase::Succeeded,
        ),
        (
            Operation::SsmOnline,
            actuator::UnknownChecks::Block,
            ResizePhase::Succeeded,
        ),
    ] {
        let mut stage = Stage::with(Config {
            unknown_checks: policy,
            ..config()
        })
        .await;
        stage
            .fake
            .inject_calls(operation, 1..=1, Effect::Fail(ErrorKind::Internal));
        assert_eq!(
            stage.resize().await.phase(),
            expected,
            "{operation:?} {policy:?}"
        );
    }
}

#[tokio::test]
async fn watching_shows_every_step_also_when_it_is_late() {
    let mut stage = Stage::new().await;
    let last = stage.resize().await;
    let messages = stage.watch("r1").await;
    assert_eq!(messages.len(), last.steps.len());
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message.steps.len(), index + 1);
        assert_eq!(message.finished_at.is_some(), index + 1 == messages.len());
    }
    let phases: Vec<_> = messages.iter().map(wire::Resize::phase).collect();
    assert_eq!(phases.first(), Some(&ResizePhase::Preflight));
    assert_eq!(phases.last(), Some(&ResizePhase::Succeeded));
    let (code, _) = refused(
        stage
            .client
            .watch_resize(wire::WatchResizeRequest {
                resize_id: "unheard-of".to_owned(),
            })
            .await
            .map(drop),
    );
    assert_eq!(code, Code::NotFound);
}

#[tokio::test]
async fn resizes_are_listed_newest_first() {
    let mut stage = Stage::new().await;
    stage.resize().await;
    let back = wire::StartResizeRequest {
        target_instance_type: FROM.to_owned(),
        expected_instance_type: TARGET.to_owned(),
        ..request("r2")
    };
    stage.start(back).await.unwrap();
    stage.watch("r2").await;
    let mut list = async |instance_id: &str, active_only, page_size| {
        let request = wire::ListResizesRequest {
            instance_id: instance_id.to_owned(),
            active_only,
            page_size,
        };
        let response = stage.client.list_resizes(request).await?;
        let resizes = response.into_inner().resizes;
        Ok::<_, tonic::Status>(
            resizes
                .into_iter()
                .map(|resize| resize.resize_id)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(list("", false, 0).await.unwrap(), ["r2", "r1"]);
    assert_eq!(list(ID, false, 1).await.unwrap(), ["r2"]);
    assert_eq!(list("i-00000000", false, 0).await.unwrap(), [""; 0]);
    assert_eq!(list("", true, 0).await.unwrap(), [""; 0]);
    assert_eq!(
        refused(list("", false, 1_001).await).0,
        Code::InvalidArgument
    );
    assert_eq!(stage.runs(), running(FROM));
}

#[tokio::test]
async fn a_resize_outlives_the_call_that_asked_for_it() {
    let mut stage = Stage::new().await;
    stage.fake.inject_calls(
        Operation::Stop,
        1..=1,
        Effect::Delay(Duration::from_secs(30)),
    );
    let hurried = metadata::outgoing(request("r1"), Duration::from_millis(200));
    let _ = stage.client.start_resize(hurried).await;
    stage.start(request("r1")).await.unwrap();
    assert_eq!(
        stage.watch("r1").await.pop().unwrap().phase(),
        ResizePhase::Succeeded
    );
    assert_eq!(stage.fake.count(Operation::Stop), 1);
}

#[tokio::test]
async fn the_limit_on_resizes_at_once_makes_the_next_wait_and_then_refuses_it() {
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let mut stage = Stage::on(
        Config {
            max_concurrent: 1,
            ..config()
        },
        clock.clone(),
    )
    .await;
    let other = "i-0fedcba9876543210";
    stage.fake.add_instance(other, FROM);
    stage.fake.set_stop_hangs(ID, true);
    stage.start(request("r1")).await.unwrap();
    // Its turn is over only when it ends, and its stop hangs.
    while stage.fake.count(Operation::Stop) == 0 {
        tokio::task::yield_now().await;
    }
    let second = wire::StartResizeRequest {
        instance_id: other.to_owned(),
        ..request("r2")
    };
    stage.start(second).await.unwrap();
    let mut client = stage.client.clone();
    let resize = loop {
        clock.advance(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let request = wire::GetResizeRequest {
            resize_id: "r2".to_owned(),
        };
        let resize = client
            .get_resize(request)
            .await
            .unwrap()
            .into_inner()
            .resize
            .unwrap();
        if resize.finished_at.is_some() {
            break resize;
        }
    };
    assert_eq!(resize.phase(), ResizePhase::Refused);
    assert!(
        resize.error.contains("actuator.max_concurrent"),
        "{}",
        resize.error
    );
    assert_eq!(super::support::names(&resize)[0], "queue");
    assert!(clock.now().as_second() >= 300);
}

#[tokio::test]
async fn the_service_is_ready_when_calls_can_be_signed() {
    let stage = Stage::new().await;
    let url = grpc::local_url(stage.address);
    let mut health = Health::NotServing;
    while health != Health::Serving {
        health = health::check(grpc::channel(&url).unwrap(), Duration::from_secs(2)).await;
    }
    let text = metrics(&stage.metrics_url).await;
    assert!(text.contains("autoscaler_actuator_build_info"), "{text}");

    // Credentials that lack: it listens, says so, and is not ready.
    let config = config();
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let fake = simulator::cloud::FakeCloud::new(clock.clone());
    fake.inject_calls(
        Operation::Ready,
        1..=1_000,
        Effect::Fail(ErrorKind::CredentialsMissing),
    );
    fake.inject_calls(
        Operation::DescribeInstance,
        1..=1,
        Effect::Fail(ErrorKind::CredentialsMissing),
    );
    let mut stage = Stage::over(config, clock, fake).await;
    let url = grpc::local_url(stage.address);
    let channel = grpc::channel(&url).unwrap();
    let (code, message) = refused(stage.start(request("r1")).await);
    assert_eq!(code, Code::Unavailable);
    for part in ["AWS_PROFILE", "AWS_ACCESS_KEY_ID"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(
        health::check(channel, Duration::from_secs(2)).await,
        Health::NotServing
    );
}

#[tokio::test]
async fn outcomes_are_counted() {
    let mut stage = Stage::new().await;
    stage.resize().await;
    assert_eq!(stage.fake.state(ID), Some(InstanceState::Running));
    let text = metrics(&stage.metrics_url).await;
    for line in [
        "autoscaler_actuator_resizes_total{outcome=\"succeeded\"} 1",
        "autoscaler_actuator_resizes_active 0",
        "autoscaler_actuator_resize_seconds_count{outcome=\"succeeded\"} 1",
        "autoscaler_actuator_monitoring_setups_total{result=\"ok\"} 1",
        "autoscaler_actuator_grpc_calls_total{method=\"StartResize\",code=\"OK\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}
