//! The real SDK client against a moto server: the wire format, and the happy path end to end.

use common::health::Health;
use proto::actuator::v1::{
    self as wire, MonitoringState, PreflightVerdict, ResizePhase,
    actuator_service_client::ActuatorServiceClient,
};
use testkit::{moto::Moto, wait};
use tonic::{Code, transport::Channel};

use crate::support::Actuator;

/// The binary; AWS is where the environment says.
fn actuator(folder: &std::path::Path, environment: &[(&'static str, &str)]) -> Actuator {
    let always = [
        ("AUTOSCALER__ACTUATOR__DATABASE", ":memory:"),
        ("AUTOSCALER__ACTUATOR__ALLOW_PUBLIC_IP_CHANGE", "true"),
    ];
    Actuator::start(folder, environment.iter().copied().chain(always))
}

async fn resize(actuator: &mut Actuator, instance_id: &str) -> wire::Resize {
    let request = wire::StartResizeRequest {
        resize_id: "moto".to_owned(),
        instance_id: instance_id.to_owned(),
        target_instance_type: "t2.medium".to_owned(),
        expected_instance_type: "t2.small".to_owned(),
        ..wire::StartResizeRequest::default()
    };
    actuator.client.start_resize(request).await.unwrap();
    actuator.ends("moto").await
}

#[tokio::test]
async fn the_binary_resizes_at_moto() {
    let moto = Moto::start().await;
    let folder = tempfile::tempdir().unwrap();
    let environment = |dry_run| {
        [
            ("AWS_ENDPOINT_URL", moto.url.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("DRY_RUN", dry_run),
        ]
    };
    let instance_id = moto.run_instance("t2.small").await;
    let before = moto.describe(&instance_id).await;

    // Dry run: all is asked, nothing is changed.
    let mut actuator = actuator(folder.path(), &environment("True"));
    actuator.serves().await;
    what_moto_says_is_read(&mut actuator.client, &instance_id).await;
    let resize = resize(&mut actuator, &instance_id).await;
    assert_eq!(resize.phase(), ResizePhase::DryRun, "{resize:?}");
    assert_eq!(moto.describe(&instance_id).await, before);
    assert!(moto.commands(&instance_id).await.is_empty());
    assert_eq!(actuator.process.terminate().await, Some(0));

    let mut actuator = self::actuator(folder.path(), &environment("False"));
    actuator.serves().await;
    let resize = self::resize(&mut actuator, &instance_id).await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(resize.monitoring(), MonitoringState::Ok, "{resize:?}");
    let after = moto.describe(&instance_id).await;
    for part in [
        "<instanceType>t2.medium</instanceType>",
        "<name>running</name>",
    ] {
        assert!(after.contains(part), "{after}");
    }
    let commands = moto.commands(&instance_id).await;
    assert!(
        commands[0]["DocumentName"] == "CloudAutoscaler-SetupMonitoring",
        "{commands:#?}"
    );
    assert_eq!(actuator.process.terminate().await, Some(0));
}

async fn what_moto_says_is_read(client: &mut ActuatorServiceClient<Channel>, instance_id: &str) {
    let describe = |instance_id: &str| wire::DescribeInstanceRequest {
        instance_id: instance_id.to_owned(),
    };
    let response = client
        .describe_instance(describe(instance_id))
        .await
        .unwrap()
        .into_inner();
    assert!(response.dry_run);
    let instance = response.instance.unwrap();
    assert_eq!(instance.instance_type, "t2.small");
    assert_eq!(instance.state(), wire::InstanceState::Running);
    assert_eq!(instance.root_device_type, "ebs");
    assert!(
        instance.availability_zone.starts_with("us-east-1"),
        "{instance:?}"
    );

    let absent = client
        .describe_instance(describe("i-00000000000000bad"))
        .await
        .unwrap_err();
    assert_eq!(absent.code(), Code::NotFound);
    assert!(absent.message().contains("i-00000000000000bad"), "{absent}");

    let request = wire::ListInstanceTypesRequest {
        instance_types: ["t2.small", "m6i.xlarge", "x9.tiny"]
            .map(str::to_owned)
            .into(),
    };
    let types = client
        .list_instance_types(request)
        .await
        .unwrap()
        .into_inner()
        .instance_types;
    assert_eq!(types.len(), 2, "{types:?}");
    let xlarge = types
        .iter()
        .find(|found| found.instance_type == "m6i.xlarge")
        .unwrap();
    assert_eq!(
        (xlarge.vcpus, xlarge.memory_mib, xlarge.burstable),
        (4, 16_384, false)
    );

    let request = wire::PreflightRequest {
        instance_id: instance_id.to_owned(),
        target_instance_type: "t2.medium".to_owned(),
    };
    let preflight = client.preflight(request).await.unwrap().into_inner();
    assert!(preflight.ok, "{preflight:#?}");
    for check in &preflight.checks {
        // moto answers 500 to the question for the agent.
        let expected = match check.name.as_str() {
            "ssm_online" => PreflightVerdict::Unknown,
            _ => PreflightVerdict::Pass,
        };
        assert_eq!(check.verdict(), expected, "{check:?}");
    }
}

#[tokio::test]
async fn without_credentials_or_region_it_is_not_ready_and_says_why() {
    for (environment, parts) in [
        (
            &[("AWS_REGION", "us-east-1")][..],
            ["credentials", "AWS_PROFILE"],
        ),
        (
            &[
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ],
            ["region", "actuator.region"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut actuator = actuator(folder.path(), environment);
        // Until it listens.
        wait::listening(&actuator.url).await;
        let request = wire::DescribeInstanceRequest {
            instance_id: "i-0123456789abcdef0".to_owned(),
        };
        let status = actuator.client.describe_instance(request).await;
        let status = status.unwrap_err();
        for part in parts {
            assert!(status.message().contains(part), "{status}");
        }
        assert!(!status.message().contains('\n'), "{status}");
        wait::health(&actuator.url, |health| *health == Health::NotServing).await;
        assert_eq!(actuator.process.terminate().await, Some(0));
    }
}
