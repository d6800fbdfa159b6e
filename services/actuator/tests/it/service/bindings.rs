//! Attributes that bind a machine to some types, and types that EC2 refused for good.

use std::sync::Arc;

use actuator::{
    Config, LimitsConfig, StackMembers, UnknownChecks,
    cloud::{ErrorKind, Instance, Operation},
};
use common::clock::ManualClock;
use proto::actuator::v1::{self as wire, PreflightVerdict, ResizePhase};
use simulator::cloud::{Deed, Effect, FakeCloud};
use testkit::http::metrics;

use super::support::{FROM, ID, Stage, TARGET, config, request, running};

const WORDS: &str = "Unsupported: The requested configuration is currently not supported.";

async fn preflight(stage: &mut Stage, id: &str) -> wire::PreflightResponse {
    let request = wire::PreflightRequest {
        instance_id: id.to_owned(),
        target_instance_type: TARGET.to_owned(),
    };
    stage.client.preflight(request).await.unwrap().into_inner()
}

async fn resize(stage: &mut Stage, resize_id: &str, id: &str) -> wire::Resize {
    let request = wire::StartResizeRequest {
        instance_id: id.to_owned(),
        ..request(resize_id)
    };
    stage.start(request).await.unwrap();
    stage.watch(resize_id).await.pop().unwrap()
}

fn against(preflight: &wire::PreflightResponse) -> Vec<(&str, PreflightVerdict, &str)> {
    let checks = preflight.checks.iter();
    checks
        .filter(|check| check.verdict() != PreflightVerdict::Pass)
        .map(|check| (check.name.as_str(), check.verdict(), check.detail.as_str()))
        .collect()
}

#[tokio::test]
async fn every_attribute_that_binds_a_machine_to_some_types_is_a_check() {
    use PreflightVerdict::{Block, Unknown};
    type Edit = fn(&mut Instance);
    let cases: [(&str, PreflightVerdict, &str, Edit); 22] = [
        (
            "ebs_optimized",
            Block,
            "it is EBS-optimized, t2.medium is not",
            |i| {
                i.bindings.ebs_optimized = true;
            },
        ),
        (
            "capacity_reservation",
            Block,
            "it is bound to capacity reservation cr-0123456789abcdef0, which is of t2.small",
            |i| i.bindings.reservation = Some("cr-0123456789abcdef0".to_owned()),
        ),
        (
            "capacity_reservation",
            Unknown,
            "capacity reservations of arn:",
            |i| {
                i.bindings.reservation = Some("arn:aws:resource-groups:x".to_owned());
            },
        ),
        (
            "capacity_reservation",
            Unknown,
            "in capacity reservations only",
            |i| {
                i.bindings.only_in_reservations = true;
            },
        ),
        ("capacity_reservation", Block, "capacity block cb-1", |i| {
            i.bindings.capacity_block = Some("cb-1".to_owned());
        }),
        ("cpu_options", Block, "3 cores of 1 threads", |i| {
            i.bindings.cores = Some(3)
        }),
        ("cpu_options", Block, "threads", |i| {
            i.bindings.threads_per_core = Some(2)
        }),
        ("processor_features", Block, "amd-sev-snp", |i| {
            i.bindings.processor_features = vec!["amd-sev-snp".to_owned()];
        }),
        ("enclave", Block, "Nitro Enclaves", |i| {
            i.bindings.enclave = true
        }),
        ("tpm", Block, "TPM", |i| {
            i.bindings.tpm = Some("v2.0".to_owned())
        }),
        ("network_features", Block, "Elastic Fabric", |i| {
            i.bindings.efa_interfaces = 1
        }),
        ("network_features", Block, "network cards", |i| {
            i.bindings.network_cards = 2
        }),
        ("network_features", Block, "ENA Express", |i| {
            i.bindings.ena_express = true
        }),
        ("network_features", Block, "IPv6", |i| {
            i.bindings.ipv6_per_interface = 7
        }),
        ("network_features", Unknown, "trunk", |i| {
            i.bindings.trunk = true
        }),
        ("network_features", Block, "weighting", |i| {
            i.bindings.bandwidth_weighting = Some("vpc-1".to_owned());
        }),
        ("image_allows_type", Unknown, "Marketplace", |i| {
            i.bindings.marketplace = vec!["abc".to_owned()];
        }),
        ("image_allows_type", Unknown, "License Manager", |i| {
            i.bindings.licensed = true
        }),
        ("no_outpost", Unknown, "arn:aws:outposts", |i| {
            i.bindings.outpost = Some("arn:aws:outposts:x".to_owned());
        }),
        ("run_by_nobody_else", Block, "eks.amazonaws.com", |i| {
            i.bindings.operator = Some("eks.amazonaws.com".to_owned());
        }),
        ("run_by_nobody_else", Block, "Karpenter", |i| {
            i.tags
                .insert("karpenter.sh/nodepool".to_owned(), "a".to_owned());
        }),
        (
            "not_in_stack",
            Unknown,
            "CloudFormation stack web-prod",
            |i| {
                i.tags.insert(
                    "aws:cloudformation:stack-name".to_owned(),
                    "web-prod".to_owned(),
                );
            },
        ),
    ];
    for (name, verdict, words, edit) in cases {
        let mut stage = Stage::new().await;
        stage.fake.somebody(ID, Deed::Edit(edit));
        let found = preflight(&mut stage, ID).await;
        let [(which, how, detail)] = &against(&found)[..] else {
            panic!("{name}: {:?}", against(&found));
        };
        assert_eq!((*which, *how), (name, verdict), "{detail}");
        assert!(detail.contains(words), "{name}: {detail}");
        // A stack warns; the rest blocks, as what is unknown does by default.
        assert_eq!(found.ok, name == "not_in_stack", "{name}");
        let resize = stage.resize().await;
        assert_eq!(
            resize.phase() == ResizePhase::Refused,
            !found.ok,
            "{resize:?}"
        );
        if !found.ok {
            assert_eq!(stage.fake.mutations(), 0, "{name}");
        }
    }
}

#[tokio::test]
async fn members_of_a_stack_are_left_alone_by_a_setting() {
    let mut stage = Stage::with(Config {
        cloudformation: StackMembers::Block,
        unknown_checks: UnknownChecks::Allow,
        ..config()
    })
    .await;
    stage.fake.somebody(
        ID,
        Deed::Edit(|i| {
            i.tags
                .insert("aws:cloudformation:stack-name".to_owned(), "web".to_owned());
        }),
    );
    let resize = stage.resize().await;
    assert_eq!(resize.phase(), ResizePhase::Refused, "{resize:?}");
    assert!(resize.error.contains("not_in_stack"), "{}", resize.error);
}

#[tokio::test]
async fn a_type_refused_for_good_is_one_outage_and_a_restart_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        database: folder.path().join("actuator.db").display().to_string(),
        ..config()
    };
    let start = "2026-03-01T12:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::leaping(start));
    let fake = FakeCloud::new(clock.clone());
    fake.set_refused(TARGET, Some(WORDS));
    let mut stage = Stage::over(config.clone(), clock.clone(), fake.clone()).await;
    let first = resize(&mut stage, "r1", ID).await;
    assert_eq!(first.phase(), ResizePhase::RolledBack, "{first:?}");
    assert!(first.refused_for_good);
    assert_eq!(stage.runs(), running(FROM));
    stage.shutdown.cancel();
    stage.served.await.unwrap().unwrap();

    let mut stage = Stage::boot(config, clock, fake.clone()).await;
    let found = preflight(&mut stage, ID).await;
    let [(name, verdict, detail)] = &against(&found)[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (*name, *verdict),
        ("not_refused_before", PreflightVerdict::Block)
    );
    assert!(detail.contains(WORDS), "{detail}");
    let second = resize(&mut stage, "r2", ID).await;
    assert_eq!(second.phase(), ResizePhase::Refused, "{second:?}");
    assert_eq!(fake.count(Operation::Stop), 1);

    let list = wire::ListRefusalsRequest {};
    let list = stage.client.list_refusals(list).await.unwrap().into_inner();
    let [known] = &list.refusals[..] else {
        panic!("{list:?}");
    };
    assert_eq!(
        (known.instance_id.as_str(), known.instance_type.as_str()),
        (ID, TARGET)
    );
    assert!(known.detail.contains(WORDS), "{known:?}");
    // Another type is forgotten; this one stays. Then it goes, and is tried again.
    for (instance_type, gone) in [("t2.large", 0), (TARGET, 1)] {
        let forget = wire::ForgetRefusalsRequest {
            instance_id: ID.to_owned(),
            instance_type: instance_type.to_owned(),
        };
        let answer = stage.client.forget_refusals(forget).await.unwrap();
        assert_eq!(answer.into_inner().forgotten, gone);
    }
    fake.set_refused(TARGET, None);
    let third = resize(&mut stage, "r3", ID).await;
    assert_eq!(third.phase(), ResizePhase::Succeeded, "{third:?}");
}

#[tokio::test]
async fn what_passes_is_not_remembered() {
    for (kind, times) in [
        (ErrorKind::Unsupported, 1),
        (ErrorKind::InsufficientCapacity, 3),
        (ErrorKind::LimitExceeded, 1),
    ] {
        let mut stage = Stage::with(Config {
            limits: LimitsConfig {
                shortage_memory_seconds: 0,
                ..LimitsConfig::default()
            },
            ..config()
        })
        .await;
        stage
            .fake
            .inject_calls(Operation::Start, 1..=times, Effect::Fail(kind));
        let resize = resize(&mut stage, "r1", ID).await;
        assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
        assert!(!resize.refused_for_good, "{kind:?}");
        assert!(preflight(&mut stage, ID).await.ok, "{kind:?}");
    }
    // A reservation that is full is not one that is of another type.
    let mut stage = Stage::new().await;
    let full = "ReservationCapacityExceeded: no available capacity";
    stage.fake.set_refused(TARGET, Some(full));
    let first = resize(&mut stage, "r1", ID).await;
    assert_eq!(first.phase(), ResizePhase::RolledBack, "{first:?}");
    assert!(preflight(&mut stage, ID).await.ok);
}

#[tokio::test]
async fn three_hundred_alike_are_two_outages_and_one_page_and_the_breaker_stays_closed() {
    let mut stage = Stage::with(Config {
        limits: LimitsConfig {
            breaker_failures: 1,
            fleet_per_day: 0,
            ..LimitsConfig::default()
        },
        ..config()
    })
    .await;
    stage.fake.set_refused(TARGET, Some(WORDS));
    let ids: Vec<String> = (0..300).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        stage.fake.add_instance(id, FROM);
    }
    let mut rolled_back = 0;
    for (number, id) in ids.iter().enumerate() {
        let resize = resize(&mut stage, &format!("r{number}"), id).await;
        match resize.phase() {
            ResizePhase::RolledBack => rolled_back += 1,
            ResizePhase::Refused => assert!(resize.error.contains(WORDS), "{}", resize.error),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rolled_back, 2);
    assert_eq!(stage.fake.count(Operation::Stop), 2);
    let text = metrics(&stage.metrics_url).await;
    for line in [
        "actuator_resizes_paged_total 1",
        "actuator_types_refused_for_good_total 2",
        "actuator_circuit_breaker_open 0",
    ] {
        assert!(text.contains(line), "{line}");
    }
    // Another kind of machine is none of that.
    stage.fake.somebody(
        ID,
        Deed::Edit(|instance| instance.boot_mode = Some("legacy-bios".to_owned())),
    );
    stage
        .fake
        .somebody(ID, Deed::Edit(|instance| instance.ena = Some(false)));
    assert!(preflight(&mut stage, ID).await.ok);
}
