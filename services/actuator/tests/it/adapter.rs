//! One suite for every cloud: the fake, the SDK adapter over the fake's wire, and the SDK adapter over moto where moto
//! allows. What they answer must be the same. Then the faults of the wire, as the SDK meets them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actuator::{
    AwsTimeouts, Cloud, Config,
    cloud::{
        Bindings, Checks, CommandStatus, Commands as _, Delivery, ErrorKind, GroupMember,
        InstanceState, Machines as _, Mean, Metric, MetricStore as _, Mutation, Operation, Script,
        Standing, Stretch, Types as _, aws, quota, requests,
    },
};
use common::clock::SystemClock;
use jiff::Timestamp;
use simulator::{
    cloud::{Deed, Effect, FakeCloud, Fault, Moment, Timing},
    wire,
};
use testkit::moto::Moto;
use tokio::net::TcpListener;

const ID: &str = "i-0123456789abcdef0";

/// The fake on the machine's clock, very fast.
fn fake() -> FakeCloud {
    let fake = FakeCloud::new(Arc::new(SystemClock));
    fake.set_timing(Timing::faster(1_000));
    fake.add_instance(ID, "t2.small");
    fake
}

/// The real adapter, pointed at `address`.
async fn adapter(address: SocketAddr) -> impl Cloud {
    let config = Config {
        region: Some("us-east-1".to_owned()),
        aws: AwsTimeouts {
            read_seconds: 5,
            ..AwsTimeouts::default()
        },
        ..Config::default()
    };
    aws::connect_to(&config, &format!("http://{address}")).await
}

async fn over_the_wire(fake: &FakeCloud) -> impl Cloud {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(wire::serve(listener, fake.clone()));
    adapter(address).await
}

async fn until(cloud: &dyn Cloud, id: &str, state: InstanceState) {
    for _ in 0..500 {
        if cloud.describe_instance(id).await.unwrap().state == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} is not {state} after 5 s");
}

/// What every cloud must do alike.
async fn a_machine_is_resized_and_found_again(cloud: &dyn Cloud, id: &str) {
    let before = cloud.describe_instance(id).await.unwrap();
    assert_eq!(before.instance_id, id);
    assert_eq!(before.instance_type, "t2.small");
    assert_eq!(before.state, InstanceState::Running);
    assert_eq!(before.root_device_type, "ebs");
    assert!(
        !before.spot && !before.hibernation && before.network_interfaces >= 1,
        "{before:?}"
    );

    let names = ["t2.small", "m6i.large", "x9.tiny"].map(str::to_owned);
    let mut types = cloud.describe_types(&names).await.unwrap();
    types.sort_by(|a, b| a.name.cmp(&b.name));
    let [m6i, t2] = &types[..] else {
        panic!("{types:?}");
    };
    assert_eq!((t2.vcpus, t2.memory_mib, t2.burstable), (1, 2_048, true));
    assert_eq!((t2.nitro, m6i.nitro, m6i.ena_required), (false, true, true));
    assert_eq!(
        (t2.max_network_interfaces, m6i.max_network_interfaces),
        (3, 3)
    );
    assert!(m6i.boot_modes.contains(&"uefi".to_owned()), "{m6i:?}");

    let offered = cloud
        .offered_types("t2", &before.availability_zone)
        .await
        .unwrap();
    assert!(offered.contains(&"t2.medium".to_owned()), "{offered:?}");
    assert_eq!(cloud.status(id).await.unwrap().checks, Checks::Ok);
    assert!(!cloud.stop_protected(id).await.unwrap());
    assert_eq!(cloud.group_member(id).await.unwrap(), None);

    for mutation in [
        Mutation::Stop,
        Mutation::ModifyType("t2.medium".to_owned()),
        Mutation::Start,
    ] {
        cloud.permitted(id, &mutation).await.unwrap();
    }
    until(cloud, id, InstanceState::Running).await;

    cloud
        .set_tag(id, "autoscaler:resize", "r1 t2.small")
        .await
        .unwrap();
    let found = cloud.find_tagged("autoscaler:resize").await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].tags["autoscaler:resize"], "r1 t2.small");
    cloud.remove_tag(id, "autoscaler:resize").await.unwrap();
    cloud.remove_tag(id, "autoscaler:resize").await.unwrap();
    assert!(
        cloud
            .find_tagged("autoscaler:resize")
            .await
            .unwrap()
            .is_empty()
    );

    cloud.mutate(id, &Mutation::Stop).await.unwrap();
    until(cloud, id, InstanceState::Stopped).await;
    let modify = Mutation::ModifyType("t2.medium".to_owned());
    cloud.mutate(id, &modify).await.unwrap();
    cloud.mutate(id, &Mutation::Start).await.unwrap();
    until(cloud, id, InstanceState::Running).await;
    let after = cloud.describe_instance(id).await.unwrap();
    assert_eq!(after.instance_type, "t2.medium");

    const ABSENT: &str = "i-00000000000000bad";
    let absent = cloud.describe_instance(ABSENT).await;
    assert_eq!(absent.unwrap_err().kind, ErrorKind::NotFound);
    let ids = [ABSENT, id].map(str::to_owned);
    assert_eq!(cloud.describe_instances(&ids).await.unwrap(), [after]);
}

/// What moto can't do.
async fn the_rest(cloud: &dyn Cloud, fake: &FakeCloud) {
    fake.set_group(ID, "web", "Standby");
    let member = GroupMember {
        group: "web".to_owned(),
        lifecycle: "Standby".to_owned(),
    };
    assert_eq!(cloud.group_member(ID).await.unwrap(), Some(member));
    let used = cloud
        .vcpu_use(quota::of("t2.small").unwrap())
        .await
        .unwrap();
    assert_eq!((used.limit, used.running), (1_000, 2));
    fake.set_credit_mode_of(ID, "unlimited");
    assert_eq!(
        cloud.credit_mode(ID).await.unwrap().as_deref(),
        Some("unlimited")
    );
    cloud.set_credit_mode(ID, "standard").await.unwrap();
    assert_eq!(fake.credit_mode_of(ID).as_deref(), Some("standard"));

    while !cloud.ssm_online(ID).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let script = Script {
        name: "CloudAutoscaler-SetupMonitoring",
        text: "#!/bin/sh\necho '<&>'\n",
    };
    let limit = Duration::from_secs(60);
    let absent = cloud.look_at_script(script).await.unwrap();
    assert_eq!(absent, Standing::Absent);
    let published = cloud.publish_script(script).await.unwrap();
    assert_eq!(cloud.publish_script(script).await.unwrap(), published);
    let current = cloud.look_at_script(script).await.unwrap();
    assert_eq!(current, Standing::Current(published.clone()));
    let other = Script {
        text: "#!/bin/sh\n",
        ..script
    };
    let other = cloud.look_at_script(other).await.unwrap();
    assert_eq!(other, Standing::Other(published.clone()));
    assert_eq!(fake.count(Operation::PublishScript), 1, "nothing was new");
    let ours = Delivery::Document {
        name: script.name,
        sha256: &published.sha256,
    };
    let shell = Delivery::Shell { text: script.text };
    for delivery in [ours, shell] {
        let command = cloud.send_script(ID, delivery, limit).await.unwrap();
        loop {
            match cloud.poll_command(ID, &command).await.unwrap() {
                CommandStatus::Running => tokio::time::sleep(Duration::from_millis(5)).await,
                CommandStatus::Succeeded { output } => {
                    assert!(output.contains("are running"), "{output}");
                    break;
                }
                failed => panic!("{failed:?}"),
            }
        }
    }
    let changed = Delivery::Document {
        name: script.name,
        sha256: "00",
    };
    assert!(cloud.send_script(ID, changed, limit).await.is_err());
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let fake = fake();
    a_machine_is_resized_and_found_again(&fake, ID).await;
    // The fake publishes whatever it is given; over the wire the adapter looks first.
    let used = fake.vcpu_use(quota::of("t2.small").unwrap()).await.unwrap();
    assert_eq!((used.limit, used.running), (1_000, 2));
}

#[tokio::test]
async fn the_adapter_keeps_the_contract_over_the_wire() {
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    a_machine_is_resized_and_found_again(&cloud, ID).await;
    the_rest(&cloud, &fake).await;
}

#[tokio::test]
async fn the_adapter_reads_off_the_wire_what_the_fake_holds() {
    let fake = fake();
    fake.somebody(
        ID,
        simulator::cloud::Deed::Edit(|instance| {
            instance.public_ip = Some("203.0.113.7".to_owned());
            instance.elastic_ip = true;
            instance.volumes = 3;
            instance.addresses_per_interface = 2;
            instance.placement_group = Some("hpc".to_owned());
            instance.tenancy = "host".to_owned();
            instance.spot = true;
            instance.hibernation = true;
            instance
                .tags
                .insert("Name".to_owned(), "<a & b>".to_owned());
        }),
    );
    fake.set_events(ID, &["reboot planned"]);
    let cloud = over_the_wire(&fake).await;
    assert_eq!(
        cloud.describe_instance(ID).await.unwrap(),
        fake.describe_instance(ID).await.unwrap()
    );
    assert_eq!(
        cloud.status(ID).await.unwrap(),
        fake.status(ID).await.unwrap()
    );
    let names: Vec<String> = ["t2.small", "t3.large", "t4g.small", "m6i.8xlarge"]
        .map(str::to_owned)
        .into();
    assert_eq!(
        cloud.describe_types(&names).await.unwrap(),
        fake.describe_types(&names).await.unwrap()
    );
}

#[tokio::test]
async fn the_adapter_keeps_the_contract_at_moto() {
    let moto = Moto::start().await;
    let id = moto.run_instance("t2.small").await;
    let cloud = adapter(moto.address.parse().unwrap()).await;
    a_machine_is_resized_and_found_again(&cloud, &id).await;
    let script = Script {
        name: "CloudAutoscaler-SetupMonitoring",
        text: "#!/bin/sh\necho one\n",
    };
    let absent = cloud.look_at_script(script).await.unwrap();
    assert_eq!(absent, Standing::Absent);
    let first = cloud.publish_script(script).await.unwrap();
    assert_eq!(cloud.publish_script(script).await.unwrap(), first);
    let changed = Script {
        text: "#!/bin/sh\necho two\n",
        ..script
    };
    let other = cloud.look_at_script(changed).await.unwrap();
    assert_eq!(other, Standing::Other(first.clone()));
    let second = cloud.publish_script(changed).await.unwrap();
    assert_ne!(first.sha256, second.sha256);
    assert_eq!(cloud.publish_script(changed).await.unwrap(), second);
    let delivery = Delivery::Document {
        name: script.name,
        sha256: &second.sha256,
    };
    let limit = Duration::from_secs(60);
    let command = cloud.send_script(&id, delivery, limit).await.unwrap();
    let status = cloud.poll_command(&id, &command).await.unwrap();
    assert!(
        matches!(status, CommandStatus::Succeeded { .. }),
        "{status:?}"
    );
}

/// Every kind of error that AWS can answer, through codes, HTTP and the SDK, and back.
#[tokio::test]
async fn errors_mean_the_same_on_both_sides_of_the_wire() {
    let kinds = [
        ErrorKind::InsufficientCapacity,
        ErrorKind::Unsupported,
        ErrorKind::NotForThisInstance,
        ErrorKind::LimitExceeded,
        ErrorKind::Throttled,
        ErrorKind::Unauthorized,
        ErrorKind::CredentialsMissing,
        ErrorKind::CredentialsExpired,
        ErrorKind::NotFound,
        ErrorKind::WrongState,
        ErrorKind::TypeMismatch,
        ErrorKind::Protected,
        ErrorKind::Internal,
        ErrorKind::LostReply,
        ErrorKind::Invalid,
    ];
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    for (number, kind) in (1..).zip(kinds) {
        fake.inject_calls(Operation::Start, number..=number, Effect::Fail(kind));
        let error = cloud.mutate(ID, &Mutation::Start).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.message.contains('\n'), "{error}");
    }
    assert_eq!(
        fake.count(Operation::Start),
        kinds.len(),
        "no call is repeated"
    );

    let kinds = [
        ErrorKind::Throttled,
        ErrorKind::Unauthorized,
        ErrorKind::CredentialsExpired,
        ErrorKind::NotOnline,
        ErrorKind::Internal,
        ErrorKind::LostReply,
        ErrorKind::Invalid,
    ];
    let shell = Delivery::Shell { text: "true" };
    for (number, kind) in (1..).zip(kinds) {
        fake.inject_calls(Operation::SendScript, number..=number, Effect::Fail(kind));
        let limit = Duration::from_secs(60);
        let error = cloud.send_script(ID, shell, limit).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    let absent = cloud.poll_command(ID, "11111111-1111-4111-8111-111111111111");
    assert_eq!(absent.await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_question_that_is_denied_is_told_from_one_that_is_granted() {
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    fake.set_permitted(Operation::Stop, false);
    let error = cloud.permitted(ID, &Mutation::Stop).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized, "{error}");
    cloud.permitted(ID, &Mutation::Start).await.unwrap();
    fake.inject(Fault {
        operation: Operation::Start,
        calls: 2..=2,
        dry_run: true,
        effect: Effect::Fail(ErrorKind::Unauthorized),
    });
    let error = cloud.permitted(ID, &Mutation::Start).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized, "{error}");
    assert_eq!(fake.mutations(), 0);
}

#[tokio::test]
async fn lost_answers_and_slow_ones_are_uncertain_and_reads_are_repeated() {
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    fake.inject_calls(Operation::Stop, 1..=1, Effect::DropBefore);
    fake.inject_calls(Operation::Stop, 2..=2, Effect::DropAfter);
    for (stop, expected) in [(1, InstanceState::Running), (2, InstanceState::Stopping)] {
        fake.set_timing(Timing::default());
        let error = cloud.mutate(ID, &Mutation::Stop).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::LostReply, "stop {stop}: {error}");
        assert_eq!(fake.state(ID), Some(expected), "stop {stop}");
    }
    // Longer than the read timeout of this test's adapter.
    let slow = Effect::Delay(Duration::from_secs(30));
    fake.inject_calls(Operation::Start, 1..=1, slow);
    let error = cloud.mutate(ID, &Mutation::Start).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LostReply, "{error}");

    let number = fake.count(Operation::DescribeInstance) as u32;
    fake.inject_calls(
        Operation::DescribeInstance,
        number + 1..=number + 2,
        Effect::DropBefore,
    );
    cloud.describe_instance(ID).await.unwrap();
    assert_eq!(fake.count(Operation::DescribeInstance) as u32, number + 3);
}

#[tokio::test]
async fn a_call_can_be_held_before_and_after_its_effect() {
    let fake = fake();
    fake.set_timing(Timing::default());
    let cloud = Arc::new(over_the_wire(&fake).await);
    for (number, moment, expected) in [
        (1, Moment::Before, InstanceState::Running),
        (2, Moment::After, InstanceState::Stopping),
    ] {
        let hold = fake.hold(Operation::Stop, number, moment);
        let caller = Arc::clone(&cloud);
        let call = tokio::spawn(async move { caller.mutate(ID, &Mutation::Stop).await });
        hold.arrived().await;
        assert_eq!(fake.state(ID), Some(expected), "{moment:?}");
        hold.lose();
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind, ErrorKind::LostReply);
        assert_eq!(fake.state(ID), Some(expected), "{moment:?}");
    }
    let hold = fake.hold(Operation::SetTag, 1, Moment::Before);
    let caller = Arc::clone(&cloud);
    let call = tokio::spawn(async move { caller.set_tag(ID, "a", "b").await });
    fake.until_called(Operation::SetTag, 1).await;
    assert!(fake.tags(ID).is_empty());
    hold.release();
    call.await.unwrap().unwrap();
    assert_eq!(fake.tags(ID)["a"], "b");
}

/// What binds a machine to some types is read alike on both sides.
#[tokio::test]
async fn what_binds_a_machine_is_read_from_the_wire() {
    let fake = fake();
    fake.somebody(
        ID,
        Deed::Edit(|instance| {
            instance.bindings = Bindings {
                ebs_optimized: true,
                reservation: Some("cr-0123456789abcdef0".to_owned()),
                only_in_reservations: true,
                capacity_block: Some("cb-1".to_owned()),
                cores: Some(2),
                threads_per_core: Some(1),
                processor_features: vec!["amd-sev-snp".to_owned()],
                enclave: true,
                tpm: Some("v2.0".to_owned()),
                efa_interfaces: 1,
                network_cards: 1,
                ipv6_per_interface: 3,
                bandwidth_weighting: Some("vpc-1".to_owned()),
                outpost: Some("arn:aws:outposts:x".to_owned()),
                licensed: true,
                marketplace: vec!["abc".to_owned()],
                platform: "Windows".to_owned(),
                operator: Some("eks.amazonaws.com".to_owned()),
                ..Bindings::default()
            };
        }),
    );
    let cloud = over_the_wire(&fake).await;
    let over = cloud.describe_instance(ID).await.unwrap();
    assert_eq!(over, fake.describe_instance(ID).await.unwrap());
    let names = ["t2.small", "m6i.xlarge"].map(str::to_owned);
    let over = cloud.describe_types(&names).await.unwrap();
    assert_eq!(over, fake.describe_types(&names).await.unwrap());
}

#[tokio::test]
async fn a_start_that_never_works_is_told_from_one_that_does_not_work_here() {
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    cloud.mutate(ID, &Mutation::Stop).await.unwrap();
    until(&cloud, ID, InstanceState::Stopped).await;
    for words in [
        "Unsupported: The requested configuration is currently not supported.",
        "ReservationCapacityExceeded: The requested reservation does not have sufficient compatible and available capacity",
        "InvalidParameterCombination: Enclaves is not supported for the selected instance type",
    ] {
        fake.set_refused("t2.small", Some(words));
        let error = cloud.mutate(ID, &Mutation::Start).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotForThisInstance, "{error}");
        assert_eq!(error.message, words);
    }
}

/// Counts what a call sends beyond its first request.
#[derive(Default)]
struct Meter {
    further: std::sync::atomic::AtomicU32,
    pauses: std::sync::atomic::AtomicU32,
}

#[async_trait::async_trait]
impl requests::Meter for Meter {
    fn further(&self) {
        self.further
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    async fn pause(&self) {
        self.pauses
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

async fn counted<T>(call: impl Future<Output = T>) -> (T, u32, u32) {
    use std::sync::atomic::Ordering;
    let meter = Arc::new(Meter::default());
    let answer = requests::metered(Arc::clone(&meter) as Arc<dyn requests::Meter>, call).await;
    let further = meter.further.load(Ordering::Relaxed);
    (answer, further, meter.pauses.load(Ordering::Relaxed))
}

#[tokio::test]
async fn pages_and_repetitions_are_counted_as_aws_counts_them() {
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    let (found, further, _) = counted(cloud.describe_instance(ID)).await;
    assert!(found.is_ok());
    assert_eq!(further, 0);
    // Two that the SDK repeats, and the one that is answered.
    let throttled = Effect::Fail(ErrorKind::Throttled);
    fake.inject_calls(Operation::DescribeInstance, 2..=3, throttled);
    let (found, further, _) = counted(cloud.describe_instance(ID)).await;
    assert!(found.is_ok(), "{found:?}");
    assert_eq!(further, 2);
    // 1,201 machines are three pages.
    for number in 0..1_200 {
        fake.add_instance(&format!("i-{number:017x}"), "t2.small");
    }
    for number in 0..1_200 {
        fake.somebody(
            &format!("i-{number:017x}"),
            Deed::Edit(|instance| {
                instance
                    .tags
                    .insert("autoscaler:resize".to_owned(), "x".to_owned());
            }),
        );
    }
    let (found, further, pauses) = counted(cloud.find_tagged("autoscaler:resize")).await;
    assert_eq!(found.unwrap().len(), 1_200);
    assert_eq!(further, 2);
    assert!(pauses >= 3, "{pauses}");
    // A quota is one request and all that runs, over pages.
    let (_, further, _) = counted(cloud.vcpu_use(quota::of("t2.small").unwrap())).await;
    assert_eq!(further, 3);
}

/// Means of `metric`, one each five minutes from `from` on.
fn means(from: i64, values: &[f64]) -> Vec<Mean> {
    let at = |number: usize| Timestamp::from_second(from + 300 * number as i64).unwrap();
    let means = values.iter().enumerate();
    means
        .map(|(number, value)| Mean {
            from: at(number),
            value: *value,
        })
        .collect()
}

#[tokio::test]
async fn metrics_are_read_over_the_wire_in_as_few_requests_as_they_fit_in() {
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    let ids: Vec<String> = (0..600).map(|number| format!("i-{number:017x}")).collect();
    for id in &ids {
        fake.set_metric(id, Metric::CpuUtilization, means(3_000, &[10.0, 20.5]));
    }
    fake.set_metric(&ids[1], Metric::MemoryUsed, means(3_300, &[61.5]));
    let stretch = Stretch {
        start: Timestamp::from_second(3_000).unwrap(),
        end: Timestamp::from_second(3_600).unwrap(),
        period_seconds: 300,
    };
    let metrics = [
        Metric::CpuUtilization,
        Metric::CpuCreditBalance,
        Metric::MemoryUsed,
    ];
    let read = cloud
        .read_metrics(&ids[..3], &metrics, stretch)
        .await
        .unwrap();
    assert_eq!(read.gaps, Vec::<String>::new());
    // CPU and credits of three, and memory of the one whose agent hands it in.
    assert_eq!(read.charged, 7);
    let found: Vec<_> = read
        .series
        .iter()
        .map(|series| {
            let values: Vec<f64> = series.means.iter().map(|mean| mean.value).collect();
            (series.instance_id.as_str(), series.metric, values)
        })
        .filter(|(.., values)| !values.is_empty())
        .collect();
    let cpu = || (Metric::CpuUtilization, vec![10.0, 20.5]);
    assert_eq!(
        found,
        [
            (ids[0].as_str(), cpu().0, cpu().1),
            (ids[1].as_str(), cpu().0, cpu().1),
            (ids[1].as_str(), Metric::MemoryUsed, vec![61.5]),
            (ids[2].as_str(), cpu().0, cpu().1),
        ]
    );
    assert_eq!(read.series[0].means[1].from.as_second(), 3_300);
    assert_eq!(fake.count(Operation::ReadMetrics), 1);

    // 600 metrics are two requests.
    let cpu_alone = [Metric::CpuUtilization];
    let read = cloud.read_metrics(&ids, &cpu_alone, stretch).await.unwrap();
    assert_eq!((read.series.len(), read.charged), (600, 600));
    assert_eq!(fake.count(Operation::ReadMetrics), 3);
}

#[tokio::test]
async fn metrics_without_the_right_say_which_and_memory_alone_is_a_gap() {
    let fake = fake();
    let cloud = over_the_wire(&fake).await;
    fake.set_metric(ID, Metric::CpuUtilization, means(3_000, &[10.0]));
    let stretch = Stretch {
        start: Timestamp::from_second(3_000).unwrap(),
        end: Timestamp::from_second(3_600).unwrap(),
        period_seconds: 300,
    };
    let metrics = [Metric::CpuUtilization, Metric::MemoryUsed];
    let ids = [ID.to_owned()];
    fake.set_permitted(Operation::ListMetrics, false);
    let read = cloud.read_metrics(&ids, &metrics, stretch).await.unwrap();
    assert_eq!(read.series.len(), 1);
    assert!(
        read.gaps[0].contains("cloudwatch:ListMetrics") && read.gaps[0].contains("deploy/iam"),
        "{:?}",
        read.gaps
    );

    fake.set_permitted(Operation::ReadMetrics, false);
    let error = cloud
        .read_metrics(&ids, &metrics, stretch)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(
        error.to_string().contains("cloudwatch:GetMetricData"),
        "{error}"
    );

    // A throttle is known for one.
    fake.set_permitted(Operation::ReadMetrics, true);
    fake.inject_calls(
        Operation::ReadMetrics,
        1..=20,
        Effect::Fail(ErrorKind::Throttled),
    );
    let error = cloud
        .read_metrics(&ids, &metrics, stretch)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled, "{error}");
}
