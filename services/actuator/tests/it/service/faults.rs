//! What can go wrong in a type change, case by case (the numbers are those of the list of faults), over the fake cloud
//! and the real service.

use std::time::Duration;

use actuator::{
    Config,
    cloud::{ErrorKind, InstanceState, Operation},
};
use proto::actuator::v1::{self as actuator_wire, MonitoringState, ResizePhase};
use simulator::cloud::{Deed, Effect};
use testkit::http::metrics;

use super::support::{FROM, ID, Stage, TARGET, config, running};

#[tokio::test]
async fn a_resize_goes_through_all_steps_and_times_them() {
    let mut stage = Stage::new().await;
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(resize.monitoring(), MonitoringState::Ok);
    assert_eq!(resize.running_instance_type, TARGET);
    assert_eq!(resize.error, "");
    assert_eq!(stage.runs(), running(TARGET));
    assert_eq!(
        super::support::names(&resize),
        [
            "preflight",
            "mark",
            "recheck",
            "stop",
            "wait_stopped",
            "modify",
            "read_back",
            "start",
            "wait_running",
            "status_checks",
            "monitoring",
            "unmark"
        ]
    );
    for step in &resize.steps {
        assert!(!step.failed, "{step:?}");
        let took = step.finished_at.unwrap().seconds - step.started_at.unwrap().seconds;
        assert!((0..200).contains(&took), "{step:?}");
    }
    let took = resize.finished_at.unwrap().seconds - resize.created_at.unwrap().seconds;
    assert!((120..400).contains(&took), "{took} s");
    let script = stage
        .fake
        .calls()
        .into_iter()
        .find(|call| call.operation == Operation::SendScript);
    assert_eq!(script.unwrap().detail, "CloudAutoscaler-SetupMonitoring");
}

#[tokio::test]
async fn case_10_no_capacity_for_the_target_runs_the_old_type() {
    let mut stage = Stage::new().await;
    stage.fake.set_capacity(TARGET, false);
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::RolledBack);
    assert!(
        resize.error.contains("InsufficientInstanceCapacity"),
        "{}",
        resize.error
    );
    assert_eq!(resize.running_instance_type, FROM);
    assert_eq!(stage.runs(), running(FROM));
}

#[tokio::test]
async fn case_11_no_capacity_for_target_and_old_runs_a_fallback() {
    let mut stage = Stage::new().await;
    stage.fake.set_capacity(TARGET, false);
    stage.fake.set_capacity(FROM, false);
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::FellBack);
    // The next size up in the family.
    assert_eq!(stage.runs(), running("t2.large"));
    assert_eq!(resize.running_instance_type, "t2.large");
}

#[tokio::test]
async fn case_12_no_capacity_anywhere_for_an_hour_keeps_trying() {
    let mut stage = Stage::new().await;
    for size in [
        "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge",
    ] {
        stage.fake.set_capacity(&format!("t2.{size}"), false);
    }
    stage.start(super::support::request("r1")).await.unwrap();
    // Time passes with every wait of the resize, so its calls tell when an hour is over.
    let first = loop {
        let calls = stage.fake.calls();
        let starts: Vec<_> = calls
            .iter()
            .filter(|call| call.operation == Operation::Start && !call.dry_run)
            .collect();
        match (starts.first(), starts.last()) {
            (Some(first), Some(last)) if last.at.duration_since(first.at).as_secs() > 3_600 => {
                break first.at;
            }
            _ => tokio::task::yield_now().await,
        }
    };
    let metrics = metrics(&stage.metrics_url).await;
    // Paged once, however often it has failed since.
    for line in [
        "autoscaler_actuator_resizes_need_a_person 1",
        "autoscaler_actuator_resizes_paged_total 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    stage.fake.set_capacity("t2.large", true);
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::FellBack);
    assert_eq!(stage.runs(), running("t2.large"));
    assert!(resize.steps.len() <= 60, "{} steps", resize.steps.len());
    let in_the_hour = stage
        .fake
        .calls()
        .iter()
        .filter(|call| {
            call.operation == Operation::Start && call.at.duration_since(first).as_secs() <= 3_600
        })
        .count();
    assert!(
        (20..200).contains(&in_the_hour),
        "{in_the_hour} starts in an hour"
    );
    let metrics = testkit::http::metrics(&stage.metrics_url).await;
    assert!(
        metrics.contains("autoscaler_actuator_resizes_need_a_person 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn case_13_a_type_that_is_not_known_everywhere_is_waited_for() {
    let mut stage = Stage::new().await;
    stage.fake.set_lag(Duration::from_secs(12));
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(stage.runs(), running(TARGET));
    assert_eq!(stage.fake.resizes(ID), 1);
}

#[tokio::test]
async fn case_14_a_stop_that_hangs_changes_no_type() {
    let mut stage = Stage::new().await;
    stage.fake.set_stop_hangs(ID, true);
    stage.start(super::support::request("r1")).await.unwrap();
    while !metrics(&stage.metrics_url)
        .await
        .contains("resizes_need_a_person 1")
    {
        tokio::task::yield_now().await;
    }
    stage.fake.set_stop_hangs(ID, false);
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
    assert_eq!(stage.fake.count(Operation::ModifyType), 0);
    assert_eq!(stage.runs(), running(FROM));
}

#[tokio::test]
async fn case_15_pending_to_stopped_is_seen_and_undone() {
    let mut stage = Stage::new().await;
    stage.fake.set_boots(TARGET, false);
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::RolledBack);
    assert!(
        resize.error.contains("booted and stopped again"),
        "{}",
        resize.error
    );
    assert_eq!(stage.runs(), running(FROM));
}

#[tokio::test]
async fn case_16_impaired_checks_roll_back() {
    let mut stage = Stage::new().await;
    stage.fake.set_healthy(TARGET, false);
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::RolledBack);
    assert!(resize.error.contains("status checks"), "{}", resize.error);
    assert_eq!(stage.runs(), running(FROM));
    assert_eq!(stage.fake.count(Operation::Stop), 2);
}

#[tokio::test]
async fn case_17_throttled_twenty_times_then_starts() {
    let mut stage = Stage::new().await;
    stage
        .fake
        .inject_calls(Operation::Start, 1..=20, Effect::Fail(ErrorKind::Throttled));
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded);
    assert_eq!(stage.fake.count(Operation::Start), 21);
    let start = resize
        .steps
        .iter()
        .find(|step| step.name == "start")
        .unwrap();
    assert!(start.detail.contains("21 attempts"), "{start:?}");
    assert_eq!(stage.runs(), running(TARGET));
}

#[tokio::test]
async fn case_18_credentials_that_run_out_midway_are_waited_for() {
    let mut stage = Stage::new().await;
    stage.fake.inject_calls(
        Operation::Start,
        1..=4,
        Effect::Fail(ErrorKind::CredentialsExpired),
    );
    stage.fake.inject_calls(
        Operation::DescribeInstance,
        5..=9,
        Effect::Fail(ErrorKind::CredentialsExpired),
    );
    assert_eq!(stage.resize().await.phase(), ResizePhase::Succeeded);
    assert_eq!(stage.runs(), running(TARGET));
}

#[tokio::test]
async fn case_19_a_right_that_lacks_refuses_before_the_stop() {
    for operation in [Operation::Stop, Operation::ModifyType, Operation::Start] {
        let mut stage = Stage::new().await;
        stage.fake.set_permitted(operation, false);
        let resize = stage.resize().await;
        assert_eq!(resize.phase(), ResizePhase::Refused, "{operation:?}");
        assert!(
            resize.error.contains(operation.action()),
            "{}",
            resize.error
        );
        assert!(resize.error.contains("deploy/iam"), "{}", resize.error);
        assert_eq!(stage.fake.mutations(), 0);
        assert_eq!(stage.runs(), running(FROM));
    }
}

#[tokio::test]
async fn case_20_a_tag_removed_midway_still_starts() {
    let mut stage = Stage::with(Config {
        required_tag: Some("autoscaler=enabled".to_owned()),
        ..config()
    })
    .await;
    let tag: fn(&mut actuator::cloud::Instance) = |instance| {
        instance.tags.insert("autoscaler".into(), "enabled".into());
    };
    stage.fake.somebody(ID, Deed::Edit(tag));
    stage.fake.inject_calls(
        Operation::Stop,
        1..=1,
        Effect::Somebody(Deed::Edit(|instance| instance.tags.clear())),
    );
    assert_eq!(stage.resize().await.phase(), ResizePhase::Succeeded);
    assert_eq!(stage.runs(), running(TARGET));
}

#[tokio::test]
async fn case_21_terminated_midway_is_gone() {
    for operation in [Operation::Stop, Operation::ModifyType, Operation::Start] {
        let mut stage = Stage::new().await;
        stage
            .fake
            .inject_calls(operation, 1..=1, Effect::Somebody(Deed::Terminate));
        let resize = stage.resize().await;
        assert_eq!(resize.phase(), ResizePhase::Gone, "{operation:?}");
        assert_eq!(resize.running_instance_type, "");
    }
}

#[tokio::test]
async fn case_22_what_must_not_be_touched_is_refused_untouched() {
    type Prepare = fn(&Stage);
    let edit = |stage: &Stage, edit| stage.fake.somebody(ID, Deed::Edit(edit));
    let cases: [(&str, Prepare); 12] = [
        ("not_stop_protected", |stage| {
            stage.fake.set_stop_protected(ID, true)
        }),
        ("not_spot", |_| {}),
        ("not_in_auto_scaling_group", |_| {}),
        ("ebs_root", |_| {}),
        ("no_hibernation", |_| {}),
        ("default_tenancy", |_| {}),
        ("no_placement_group", |_| {}),
        ("address_stays", |_| {}),
        ("architecture", |_| {}),
        ("network_interfaces", |_| {}),
        ("status_checks", |stage| stage.fake.set_healthy(FROM, false)),
        ("no_scheduled_events", |stage| {
            stage.fake.set_events(ID, &["reboot planned"])
        }),
    ];
    for (check, prepare) in cases {
        let mut stage = Stage::new().await;
        prepare(&stage);
        match check {
            "not_spot" => edit(&stage, |instance| instance.spot = true),
            "not_in_auto_scaling_group" => edit(&stage, |instance| {
                instance
                    .tags
                    .insert("aws:autoscaling:groupName".into(), "web".into());
            }),
            "ebs_root" => edit(&stage, |instance| {
                instance.root_device_type = "instance-store".into()
            }),
            "no_hibernation" => edit(&stage, |instance| instance.hibernation = true),
            "default_tenancy" => edit(&stage, |instance| instance.tenancy = "host".into()),
            "no_placement_group" => edit(&stage, |instance| {
                instance.placement_group = Some("hpc".into())
            }),
            "address_stays" => edit(&stage, |instance| {
                instance.public_ip = Some("203.0.113.7".into())
            }),
            "architecture" => edit(&stage, |instance| instance.architecture = "arm64".into()),
            "network_interfaces" => edit(&stage, |instance| instance.network_interfaces = 9),
            _ => {}
        }
        let resize = stage.resize().await;
        assert_eq!(resize.phase(), ResizePhase::Refused, "{check}");
        assert!(resize.error.contains(check), "{check}: {}", resize.error);
        assert_eq!(stage.fake.mutations(), 0, "{check}");
    }
}

#[tokio::test]
async fn case_23_an_agent_that_never_registers_degrades_monitoring_only() {
    let mut stage = Stage::new().await;
    stage.fake.set_ssm(ID, false);
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded);
    assert_eq!(resize.monitoring(), MonitoringState::Degraded);
    assert_eq!(stage.runs(), running(TARGET));
    let named = |step: &&actuator_wire::ResizeStep| step.name == "monitoring";
    let step = resize.steps.iter().find(named).unwrap();
    assert!(step.failed && step.detail.contains("SSM"), "{step:?}");
}

#[tokio::test]
async fn a_script_that_fails_degrades_monitoring_only() {
    let mut stage = Stage::new().await;
    stage.fake.set_scripts_succeed(false);
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded);
    assert_eq!(resize.monitoring(), MonitoringState::Degraded);
    assert!(
        resize
            .steps
            .iter()
            .any(|step| step.name == "monitoring" && step.detail.contains("cannot download")),
        "{resize:?}"
    );
}

#[tokio::test]
async fn lost_answers_are_settled_by_looking_again() {
    for operation in [Operation::Stop, Operation::ModifyType, Operation::Start] {
        for effect in [
            Effect::DropBefore,
            Effect::DropAfter,
            Effect::Fail(ErrorKind::Internal),
        ] {
            let mut stage = Stage::new().await;
            stage.fake.inject_calls(operation, 1..=1, effect);
            let resize = stage.resize().await;
            assert_eq!(
                resize.phase(),
                ResizePhase::Succeeded,
                "{operation:?} {effect:?}"
            );
            assert_eq!(stage.runs(), running(TARGET));
            assert_eq!(stage.fake.resizes(ID), 1);
        }
    }
}

#[tokio::test]
async fn refused_changes_and_starts_end_on_the_old_type() {
    for (operation, kind) in [
        (Operation::ModifyType, ErrorKind::Unauthorized),
        (Operation::ModifyType, ErrorKind::Invalid),
        (Operation::Start, ErrorKind::Unsupported),
        (Operation::Start, ErrorKind::NotForThisInstance),
        (Operation::Start, ErrorKind::LimitExceeded),
        (Operation::Start, ErrorKind::Unauthorized),
    ] {
        let mut stage = Stage::new().await;
        stage
            .fake
            .inject_calls(operation, 1..=1, Effect::Fail(kind));
        let resize = stage.resize().await;
        assert_eq!(
            resize.phase(),
            ResizePhase::RolledBack,
            "{operation:?} {kind:?}"
        );
        assert_eq!(stage.runs(), running(FROM));
    }
}

#[tokio::test]
async fn a_person_who_is_faster_wins() {
    // Stopped between the checks and our stop: it stays stopped, as its owner wants it.
    let mut stage = Stage::new().await;
    stage
        .fake
        .inject_calls(Operation::Status, 1..=1, Effect::Somebody(Deed::Stop));
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::Refused);
    assert_eq!(stage.fake.count(Operation::Stop), 0);
    assert_eq!(stage.fake.count(Operation::Start), 0);
    assert_ne!(stage.runs().1, InstanceState::Running);

    // Given another type while we had it stopped: it starts with that one.
    let mut stage = Stage::new().await;
    stage.fake.inject_calls(
        Operation::DescribeInstance,
        9..=9,
        Effect::Somebody(Deed::Edit(|instance| {
            if instance.state == InstanceState::Stopping {
                instance.instance_type = "c6i.large".into();
            }
        })),
    );
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::FellBack, "{resize:?}");
    assert_eq!(stage.runs(), running("c6i.large"));
}
