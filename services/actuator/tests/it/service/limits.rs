//! What may be stopped, and how fast the cloud is called: kill switch, budgets, circuit breaker, rates, shortages.

use std::{sync::Arc, time::Duration};

use actuator::{
    Config, LimitsConfig,
    cloud::{InstanceState, Operation},
};
use common::clock::{ManualClock, SharedClock};
use proto::actuator::v1::{self as wire, PreflightVerdict, ResizePhase};
use simulator::cloud::{Deed, FakeCloud, Moment};
use testkit::http::metrics;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::support::{FROM, ID, Stage, TARGET, config, refused, request, running};

async fn turn(stage: &mut Stage, on: bool) -> wire::KillSwitch {
    let request = wire::SetKillSwitchRequest {
        on,
        reason: "incident 7".to_owned(),
    };
    let response = stage.client.set_kill_switch(request).await.unwrap();
    response.into_inner().kill_switch.unwrap()
}

async fn limits(stage: &mut Stage) -> wire::GetLimitsResponse {
    let response = stage.client.get_limits(wire::GetLimitsRequest {}).await;
    response.unwrap().into_inner()
}

/// One more resize, there and back in turn.
async fn resize(stage: &mut Stage, number: u32) -> wire::Resize {
    let (target_instance_type, expected_instance_type) = match stage.runs().0.as_str() {
        FROM => (TARGET.to_owned(), FROM.to_owned()),
        _ => (FROM.to_owned(), TARGET.to_owned()),
    };
    let id = format!("r{number}");
    let request = wire::StartResizeRequest {
        target_instance_type,
        expected_instance_type,
        ..request(&id)
    };
    stage.start(request).await.unwrap();
    stage.watch(&id).await.pop().unwrap()
}

#[tokio::test]
async fn case_30_a_kill_switch_thrown_while_it_is_stopped_does_not_hold_the_start_back() {
    let mut stage = Stage::new().await;
    let hold = stage.fake.hold(Operation::ModifyType, 1, Moment::Before);
    stage.start(request("r1")).await.unwrap();
    hold.arrived().await;
    assert_eq!(stage.fake.state(ID), Some(InstanceState::Stopped));
    assert!(turn(&mut stage, true).await.on);
    hold.release();
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(stage.runs(), running(TARGET));
}

#[tokio::test]
async fn the_kill_switch_stops_every_stop_until_it_is_off() {
    let mut stage = Stage::new().await;
    // Between the admission and the stop.
    let hold = stage.fake.hold(Operation::Status, 1, Moment::After);
    stage.start(request("r1")).await.unwrap();
    hold.arrived().await;
    turn(&mut stage, true).await;
    hold.release();
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
    assert!(resize.error.contains("incident 7"), "{}", resize.error);
    assert_eq!(stage.fake.count(Operation::Stop), 0);
    assert_eq!(stage.runs(), running(FROM));

    let (code, message) = refused(stage.start(request("r2")).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(
        message.contains("kill switch is on: incident 7"),
        "{message}"
    );
    // What changes nothing goes on.
    let dry_run = wire::StartResizeRequest {
        dry_run: true,
        ..request("r3")
    };
    stage.start(dry_run).await.unwrap();
    let resize = stage.watch("r3").await.pop().unwrap();
    assert_eq!(resize.phase(), ResizePhase::DryRun, "{resize:?}");

    assert!(!turn(&mut stage, false).await.on);
    let resize = self::resize(&mut stage, 4).await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
}

#[tokio::test]
async fn with_the_kill_switch_on_failing_checks_stop_nothing_again() {
    let mut stage = Stage::new().await;
    stage.fake.set_healthy(TARGET, false);
    let hold = stage.fake.hold(Operation::Start, 1, Moment::After);
    stage.start(request("r1")).await.unwrap();
    hold.arrived().await;
    turn(&mut stage, true).await;
    hold.release();
    let resize = stage.watch("r1").await.pop().unwrap();
    assert_eq!(stage.fake.count(Operation::Stop), 1, "{resize:?}");
    assert_eq!(stage.runs(), running(TARGET));
    assert!(!resize.error.is_empty(), "{resize:?}");
}

#[tokio::test]
async fn the_kill_switch_survives_a_restart_and_wants_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        database: folder.path().join("actuator.db").display().to_string(),
        ..config()
    };
    let mut stage = Stage::with(config.clone()).await;
    let nothing = wire::SetKillSwitchRequest {
        on: true,
        reason: " ".to_owned(),
    };
    let (code, message) = refused(stage.client.set_kill_switch(nothing).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("reason"), "{message}");
    turn(&mut stage, true).await;
    stage.shutdown.cancel();
    stage.served.await.unwrap().unwrap();

    let mut stage = Stage::with(config).await;
    let switch = limits(&mut stage).await.kill_switch.unwrap();
    assert!(switch.on && switch.since.is_some(), "{switch:?}");
    assert_eq!(switch.reason, "incident 7");
    let (code, _) = refused(stage.start(request("r1")).await);
    assert_eq!(code, Code::FailedPrecondition);
}

#[tokio::test]
async fn budgets_are_refused_with_the_time_they_come_free() {
    let limits = LimitsConfig {
        instance_per_day: 2,
        ..LimitsConfig::default()
    };
    let mut stage = Stage::with(Config { limits, ..config() }).await;
    for number in 1..=2 {
        let resize = resize(&mut stage, number).await;
        assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    }
    let status = stage.start(request("r3")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("instance_per_day"), "{status}");
    let wait = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay)
        .unwrap();
    // A day after the first, which was some minutes ago.
    let hours = wait.as_secs_f64() / 3_600.0;
    assert!((23.0..24.0).contains(&hours), "{wait:?}");
    let fleet = self::limits(&mut stage).await.fleet.unwrap();
    assert_eq!((fleet.used, fleet.limit), (2, 1_000));
}

#[tokio::test]
async fn the_circuit_breaker_opens_on_roll_backs_and_a_person_closes_it() {
    let mut stage = Stage::with(Config {
        limits: LimitsConfig {
            shortage_memory_seconds: 0,
            ..LimitsConfig::default()
        },
        ..config()
    })
    .await;
    stage.fake.set_capacity(TARGET, false);
    for number in 1..=3 {
        let resize = resize(&mut stage, number).await;
        assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
    }
    let status = stage.start(request("r4")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("circuit breaker"), "{status}");
    assert!(status.get_details_retry_info().is_some());
    let breaker = limits(&mut stage).await.breaker.unwrap();
    assert_eq!((breaker.failures, breaker.limit), (3, 3));
    assert!(breaker.open_until.is_some());

    let closed = stage.client.close_breaker(wire::CloseBreakerRequest {});
    let closed = closed.await.unwrap().into_inner().breaker.unwrap();
    assert_eq!((closed.failures, closed.open_until), (0, None));
    stage.fake.set_capacity(TARGET, true);
    let resize = resize(&mut stage, 5).await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
}

#[tokio::test]
async fn a_shortage_is_remembered_for_some_minutes() {
    let clock: SharedClock = Arc::new(ManualClock::leaping(
        "2026-03-01T12:00:00Z".parse().unwrap(),
    ));
    let mut stage = Stage::on(config(), Arc::clone(&clock)).await;
    stage.fake.set_capacity(TARGET, false);
    let resize = resize(&mut stage, 1).await;
    assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
    let stops = stage.fake.count(Operation::Stop);

    let again = self::resize(&mut stage, 2).await;
    assert_eq!(again.phase(), ResizePhase::Refused, "{again:?}");
    assert!(again.error.contains("room_in_zone"), "{}", again.error);
    assert_eq!(stage.fake.count(Operation::Stop), stops);

    clock.sleep(Duration::from_secs(301)).await;
    stage.fake.set_capacity(TARGET, true);
    let later = self::resize(&mut stage, 3).await;
    assert_eq!(later.phase(), ResizePhase::Succeeded, "{later:?}");
}

#[tokio::test]
async fn calls_keep_to_their_rate_and_starts_have_a_reserve() {
    let limits = LimitsConfig {
        reads_per_second: 1.0,
        read_burst: 1,
        changes_per_second: 0.1,
        change_burst: 2,
        starts_reserve: 1,
        ..LimitsConfig::default()
    };
    let mut stage = Stage::with(Config { limits, ..config() }).await;
    let resize = resize(&mut stage, 1).await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    let calls = stage.fake.calls();
    let reads: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == Operation::DescribeInstance)
        .collect();
    for pair in reads.windows(2) {
        let between = pair[1].at.duration_since(pair[0].at).as_secs_f64();
        assert!(between >= 0.999, "{between} s between {pair:?}");
    }
    let at = |operation| {
        let mut real = calls.iter().filter(|call| !call.dry_run);
        real.find(|call| call.operation == operation).unwrap().at
    };
    let between = |first, second| at(second).duration_since(at(first)).as_secs_f64();
    // One of the two is kept for a start: what brings a machine down waits until there are two again, ten seconds each.
    let down = between(Operation::SetTag, Operation::Stop);
    let modified = between(Operation::Stop, Operation::ModifyType);
    assert!(down >= 9.99 && modified >= 9.99, "{down} {modified}");
    let up = between(Operation::ModifyType, Operation::Start);
    assert!(up < 5.0, "{up} s although a call was kept for it");
}

#[tokio::test]
async fn the_preflight_knows_every_limit_of_a_type_and_the_account() {
    type Prepare = fn(&FakeCloud);
    let edit = |fake: &FakeCloud, edit| fake.somebody(ID, Deed::Edit(edit));
    let cases: [(&str, Prepare); 8] = [
        ("vcpu_quota", |fake| fake.set_vcpu_limit(1)),
        ("not_our_own", |fake| fake.set_own_instance_id(ID)),
        ("not_in_auto_scaling_group", |fake| {
            fake.set_group(ID, "web", "InService")
        }),
        ("kill_switch", |_| {}),
        ("volumes", |_| {}),
        ("addresses", |_| {}),
        ("boot_mode", |_| {}),
        ("", |fake| fake.set_group(ID, "web", "Standby")),
    ];
    for (name, prepare) in cases {
        let mut stage = Stage::new().await;
        prepare(&stage.fake);
        match name {
            "kill_switch" => drop(turn(&mut stage, true).await),
            "volumes" => edit(&stage.fake, |instance| instance.volumes = 41),
            "addresses" => edit(&stage.fake, |instance| instance.addresses_per_interface = 7),
            "boot_mode" => edit(&stage.fake, |instance| {
                instance.boot_mode = Some("uefi".to_owned());
            }),
            _ => {}
        }
        let request = wire::PreflightRequest {
            instance_id: ID.to_owned(),
            target_instance_type: TARGET.to_owned(),
        };
        let preflight = stage.client.preflight(request).await.unwrap().into_inner();
        assert_eq!(preflight.ok, name.is_empty(), "{name}: {preflight:#?}");
        for check in &preflight.checks {
            let expected = match check.name == name {
                true => PreflightVerdict::Block,
                false => PreflightVerdict::Pass,
            };
            assert_eq!(check.verdict(), expected, "{name}: {check:?}");
        }
        assert_eq!(stage.fake.mutations(), 0);
    }
}

#[tokio::test]
async fn a_check_that_the_role_may_not_make_is_unknown_and_says_the_right() {
    for (operation, check) in [
        (Operation::GroupMember, "not_in_auto_scaling_group"),
        (Operation::VcpuUse, "vcpu_quota"),
    ] {
        let mut stage = Stage::new().await;
        stage.fake.set_permitted(operation, false);
        let resize = stage.resize().await;
        assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
        assert!(resize.error.contains(check), "{}", resize.error);
        assert!(
            resize.error.contains(operation.action()),
            "{}",
            resize.error
        );
        assert_eq!(stage.fake.mutations(), 0);
    }
}

/// Sixteen at once, each of another instance or all of one; returns those that were taken on, and what the others were
/// told.
async fn race(limits: LimitsConfig, same_instance: bool) -> (usize, Vec<(Code, String)>) {
    // Time stands still, so that nothing ends while they race.
    let clock: SharedClock = Arc::new(common::clock::SystemClock);
    let mut stage = Stage::on(Config { limits, ..config() }, clock).await;
    let hold = stage.fake.hold(Operation::Stop, 1, Moment::Before);
    let others: Vec<String> = (0..16).map(|n| format!("i-{n:017x}")).collect();
    for other in &others {
        stage.fake.add_instance(other, FROM);
    }
    // Nothing of a first call's set-up keeps them apart.
    limits_of(&mut stage).await;
    let calls = others.into_iter().enumerate().map(|(number, other)| {
        let mut client = stage.client.clone();
        let request = wire::StartResizeRequest {
            instance_id: if same_instance { ID.to_owned() } else { other },
            ..request(&format!("race-{number}"))
        };
        tokio::spawn(async move { client.start_resize(request).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut taken = 0;
    let mut told = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => taken += 1,
            Err(status) => told.push((status.code(), status.message().to_owned())),
        }
    }
    drop(hold);
    stage.shutdown.cancel();
    (taken, told)
}

async fn limits_of(stage: &mut Stage) {
    drop(limits(stage).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_at_once_do_not_pass_a_budget_of_one() {
    for (instance_per_day, fleet_per_day, same_instance) in
        [(0, 1, false), (0, 5, false), (1, 0, true)]
    {
        let limits = LimitsConfig {
            instance_per_day,
            fleet_per_day,
            ..LimitsConfig::default()
        };
        let (taken, told) = race(limits, same_instance).await;
        let allowed = instance_per_day.max(fleet_per_day) as usize;
        assert_eq!(taken, allowed, "{told:?}");
        for (code, message) in told {
            assert_eq!(code, Code::ResourceExhausted, "{message}");
            assert!(message.contains("_per_day"), "{message}");
        }
    }
}

#[tokio::test]
async fn every_limit_has_a_code_of_its_own_and_shows_in_metrics_and_answers() {
    let limits = LimitsConfig {
        instance_per_day: 1,
        breaker_failures: 1,
        ..LimitsConfig::default()
    };
    let code = |status: &tonic::Status| {
        let precondition = status.get_details_precondition_failure();
        let kind = precondition.map(|found| found.violations[0].r#type.clone());
        kind.or_else(|| status.get_details_error_info().map(|info| info.reason))
    };
    let mut stage = Stage::with(Config { limits, ..config() }).await;
    resize(&mut stage, 1).await;
    let back = wire::StartResizeRequest {
        target_instance_type: FROM.to_owned(),
        expected_instance_type: TARGET.to_owned(),
        ..request("r2")
    };
    let status = stage.start(back.clone()).await.unwrap_err();
    assert_eq!(code(&status).as_deref(), Some("INSTANCE_BUDGET"));
    let standing = self::limits(&mut stage).await;
    let [one] = &standing.instances[..] else {
        panic!("{standing:?}");
    };
    let budget = one.budget.unwrap();
    assert_eq!(
        (one.instance_id.as_str(), budget.used, budget.limit),
        (ID, 1, 1)
    );
    assert!(budget.frees_at.is_some());
    assert!(!standing.dry_run);

    turn(&mut stage, true).await;
    let status = stage.start(back).await.unwrap_err();
    assert_eq!(code(&status).as_deref(), Some("KILL_SWITCH"));

    let limits = LimitsConfig {
        fleet_per_day: 1,
        breaker_failures: 1,
        ..LimitsConfig::default()
    };
    let mut stage = Stage::with(Config { limits, ..config() }).await;
    stage.fake.set_capacity(TARGET, false);
    let rolled_back = resize(&mut stage, 1).await;
    assert_eq!(rolled_back.phase(), ResizePhase::RolledBack);
    let status = stage.start(request("r2")).await.unwrap_err();
    assert_eq!(code(&status).as_deref(), Some("CIRCUIT_BREAKER"));
    let close = wire::CloseBreakerRequest {};
    stage.client.close_breaker(close).await.unwrap();
    let status = stage.start(request("r3")).await.unwrap_err();
    assert_eq!(code(&status).as_deref(), Some("FLEET_BUDGET"));
    assert!(status.get_details_retry_info().is_some());
    let text = metrics(&stage.metrics_url).await;
    for line in [
        "actuator_objections_total{limit=\"circuit_breaker\"} 1",
        "actuator_objections_total{limit=\"fleet_budget\"} 1",
        "actuator_dry_run 0",
        "actuator_kill_switch_on 0",
        "actuator_fleet_budget_limit 1",
        "actuator_circuit_breaker_open 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
