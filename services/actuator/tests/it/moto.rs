//! The real SDK client against a moto server: the wire format, and the happy path end to end.
//!
//! The server is looked for in `$AUTOSCALER_TEST_SERVERS`, else in `.test-servers` of the workspace; without it the test
//! says so and passes, except in CI.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::{
    grpc,
    health::{self, Health},
};
use proto::actuator::v1::{
    self as wire, MonitoringState, PreflightVerdict, ResizePhase,
    actuator_service_client::ActuatorServiceClient,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, transport::Channel};

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn moto_server() -> Option<PathBuf> {
    let folder = std::env::var_os("AUTOSCALER_TEST_SERVERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.test-servers"),
        PathBuf::from,
    );
    let program = folder.join("venv/bin/moto_server");
    if program.exists() {
        return Some(program);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is absent",
        program.display()
    );
    eprintln!(
        "skipped: {} is absent (make test-servers installs it)",
        program.display()
    );
    None
}

/// Taken and given back: as a rule nobody else on this machine takes it in between.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Starts moto and waits until it listens.
async fn moto() -> Option<(Process, String)> {
    let port = free_port();
    let process = Command::new(moto_server()?)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(process);
    let address = format!("127.0.0.1:{port}");
    for _ in 0..600 {
        if TcpStream::connect(&address).await.is_ok() {
            return Some((process, address));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("moto_server does not listen on {address} after a minute");
}

struct Actuator {
    process: Process,
    client: ActuatorServiceClient<Channel>,
    channel: Channel,
}

/// The binary as an operator starts it; AWS is where the environment says.
fn actuator(environment: &[(&str, &str)]) -> Actuator {
    let port = free_port();
    let folder = std::env::temp_dir();
    let process = Command::new(env!("CARGO_BIN_EXE_actuator"))
        // Away from anybody's autoscaler.yaml, .env and profile.
        .current_dir(&folder)
        .env_clear()
        .env("HOME", folder.join("nobody"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AUTOSCALER__ACTUATOR__LISTEN", format!("127.0.0.1:{port}"))
        .env("AUTOSCALER__ACTUATOR__METRICS_LISTEN", "127.0.0.1:0")
        .env("AUTOSCALER__ACTUATOR__POLL_SECONDS", "1")
        .env("AUTOSCALER__ACTUATOR__DATABASE", ":memory:")
        .env("AUTOSCALER__ACTUATOR__ALLOW_PUBLIC_IP_CHANGE", "true")
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let channel = grpc::channel(&format!("http://127.0.0.1:{port}")).unwrap();
    Actuator {
        process: Process(process),
        client: ActuatorServiceClient::new(channel.clone()),
        channel,
    }
}

impl Actuator {
    async fn wait_for(&self, wanted: Health) {
        let mut last = Health::NotServing;
        for _ in 0..300 {
            last = health::check(self.channel.clone(), Duration::from_secs(2)).await;
            if last == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("still {last} after half a minute");
    }

    async fn resize(&mut self, instance_id: &str) -> wire::Resize {
        let request = wire::StartResizeRequest {
            resize_id: "moto".to_owned(),
            instance_id: instance_id.to_owned(),
            target_instance_type: "t2.medium".to_owned(),
            expected_instance_type: "t2.small".to_owned(),
            ..wire::StartResizeRequest::default()
        };
        self.client.start_resize(request).await.unwrap();
        let request = wire::WatchResizeRequest {
            resize_id: "moto".to_owned(),
        };
        let mut stream = self
            .client
            .watch_resize(request)
            .await
            .unwrap()
            .into_inner();
        let mut last = None;
        while let Some(message) = stream.message().await.unwrap() {
            last = message.resize;
        }
        last.unwrap()
    }

    /// SIGTERM, and the exit code.
    async fn stop(mut self) -> Option<i32> {
        let kill = Command::new("kill")
            .arg(self.process.0.id().to_string())
            .status()
            .unwrap();
        assert!(kill.success());
        for _ in 0..300 {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it still runs half a minute after SIGTERM");
    }
}

/// One plain HTTP call to moto, so that nothing of ours vouches for itself.
async fn ask(address: &str, service: &str, target: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let content_type = match target {
        "" => "application/x-www-form-urlencoded",
        _ => "application/x-amz-json-1.1",
    };
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {service}.us-east-1.amazonaws.com\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nX-Amz-Target: {target}\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn run_instance(address: &str, instance_type: &str) -> String {
    let body = format!(
        "Action=RunInstances&Version=2016-11-15&ImageId=ami-12c6146b&MinCount=1&MaxCount=1&InstanceType={instance_type}"
    );
    let answer = ask(address, "ec2", "", &body).await;
    let (_, rest) = answer
        .split_once("<instanceId>")
        .unwrap_or_else(|| panic!("{answer}"));
    rest.split('<').next().unwrap().to_owned()
}

async fn describe(address: &str, instance_id: &str) -> String {
    let body = format!("Action=DescribeInstances&Version=2016-11-15&InstanceId.1={instance_id}");
    let answer = ask(address, "ec2", "", &body).await;
    let (_, reservations) = answer
        .split_once("<reservationSet>")
        .unwrap_or_else(|| panic!("{answer}"));
    reservations.to_owned()
}

#[tokio::test]
async fn the_binary_resizes_at_moto() {
    let Some((_moto, address)) = moto().await else {
        return;
    };
    let endpoint = format!("http://{address}");
    let environment = |dry_run| {
        [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("DRY_RUN", dry_run),
        ]
    };
    let instance_id = run_instance(&address, "t2.small").await;
    let before = describe(&address, &instance_id).await;

    // Dry run: all is asked, nothing is changed.
    let mut actuator = actuator(&environment("True"));
    actuator.wait_for(Health::Serving).await;
    what_moto_says_is_read(&mut actuator.client, &instance_id).await;
    let resize = actuator.resize(&instance_id).await;
    assert_eq!(resize.phase(), ResizePhase::DryRun, "{resize:?}");
    assert_eq!(describe(&address, &instance_id).await, before);
    assert!(!sent_commands(&address).await.contains(&instance_id));
    assert_eq!(actuator.stop().await, Some(0));

    let mut actuator = self::actuator(&environment("False"));
    actuator.wait_for(Health::Serving).await;
    let resize = actuator.resize(&instance_id).await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(resize.monitoring(), MonitoringState::Ok, "{resize:?}");
    let after = describe(&address, &instance_id).await;
    for part in [
        "<instanceType>t2.medium</instanceType>",
        "<name>running</name>",
    ] {
        assert!(after.contains(part), "{after}");
    }
    let commands = sent_commands(&address).await;
    for part in [instance_id.as_str(), "CloudAutoscaler-SetupMonitoring"] {
        assert!(commands.contains(part), "{commands}");
    }
    assert_eq!(actuator.stop().await, Some(0));
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

async fn sent_commands(address: &str) -> String {
    ask(address, "ssm", "AmazonSSM.ListCommands", "{}").await
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
        let mut actuator = actuator(environment);
        let request = wire::DescribeInstanceRequest {
            instance_id: "i-0123456789abcdef0".to_owned(),
        };
        let status = loop {
            let status = actuator
                .client
                .describe_instance(request.clone())
                .await
                .unwrap_err();
            // Until it listens.
            if status.code() != Code::Unavailable || !status.message().contains("connect") {
                break status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for part in parts {
            assert!(status.message().contains(part), "{status}");
        }
        assert!(!status.message().contains('\n'), "{status}");
        actuator.wait_for(Health::NotServing).await;
        assert_eq!(actuator.stop().await, Some(0));
    }
}
