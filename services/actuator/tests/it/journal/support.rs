//! The binary, a cloud that speaks EC2's protocol, and a disk.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use actuator::cloud::{InstanceState, Operation};
use common::{
    clock::SystemClock,
    grpc,
    health::{self, Health},
};
use proto::actuator::v1::{
    GetLimitsRequest, StartResizeRequest, actuator_service_client::ActuatorServiceClient,
};
use simulator::{
    cloud::{FakeCloud, Hold, Moment, Timing},
    wire,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::{Status, transport::Channel};

pub const ID: &str = "i-0123456789abcdef0";
pub const FROM: &str = "t3.small";
pub const TARGET: &str = "t3.medium";
pub const TAG: &str = "autoscaler:resize";
/// A machine that is down runs again within this time of a start of the actuator, whose cloud is as fast as here.
const BOUND: Duration = Duration::from_secs(60);

/// What outlives a process: the cloud and the disk.
pub struct Site {
    pub fake: FakeCloud,
    pub cloud_url: String,
    pub disk: TempDir,
    pub environment: Vec<(&'static str, String)>,
}

pub struct Process {
    pub child: Child,
    pub client: ActuatorServiceClient<Channel>,
    channel: Channel,
    pub metrics: String,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Taken and given back: as a rule nobody else on this machine takes it in between.
fn free_address() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    port.local_addr().unwrap().to_string()
}

impl Site {
    pub async fn new() -> Self {
        let fake = FakeCloud::new(Arc::new(SystemClock));
        fake.set_timing(Timing::faster(100));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cloud_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(wire::serve(listener, fake.clone()));
        Self {
            fake,
            cloud_url,
            disk: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    pub fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.environment.push((key, value.into()));
    }

    pub fn journal(&self) -> PathBuf {
        self.disk.path().join("data/actuator.db")
    }

    /// The binary as an operator starts it, listening.
    pub async fn boot(&self) -> Process {
        self.boot_on(&self.journal()).await
    }

    pub async fn boot_on(&self, journal: &Path) -> Process {
        let (address, metrics) = (free_address(), free_address());
        let folder = self.disk.path();
        let log = folder.join(format!("log-{metrics}"));
        let child = Command::new(env!("CARGO_BIN_EXE_actuator"))
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", &self.cloud_url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AUTOSCALER__ACTUATOR__DRY_RUN", "false")
            .env("AUTOSCALER__ACTUATOR__DATABASE", journal)
            .env("AUTOSCALER__ACTUATOR__LISTEN", &address)
            .env("AUTOSCALER__ACTUATOR__METRICS_LISTEN", &metrics)
            .env("AUTOSCALER__ACTUATOR__POLL_SECONDS", "1")
            .env("AUTOSCALER__ACTUATOR__SETTLE_SECONDS", "3")
            .env("AUTOSCALER__ACTUATOR__MONITORING__ENABLED", "false")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let channel = grpc::channel(&format!("http://{address}")).unwrap();
        let process = Process {
            child,
            client: ActuatorServiceClient::new(channel.clone()),
            channel,
            metrics,
            log,
        };
        for _ in 0..600 {
            if !matches!(process.health().await, Health::Unreachable(_)) {
                return process;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not listen after 30 s: {}", process.log());
    }

    /// A machine that its process left stopped, half-way through a resize, by a kill. The call that was held has no
    /// effect for as long as the hold is kept.
    pub async fn left_down(&self) -> Hold {
        self.fake.add_instance(ID, FROM);
        let hold = self.fake.hold(Operation::ModifyType, 1, Moment::Before);
        let mut process = self.boot().await;
        process.serves().await;
        process.start("r1", ID).await.unwrap();
        hold.arrived().await;
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        assert_eq!(self.fake.state(ID), Some(InstanceState::Stopped));
        hold
    }

    pub async fn runs_again(&self, id: &str, process: &Process) {
        let start = Instant::now();
        while self.fake.state(id) != Some(InstanceState::Running)
            || self.fake.tags(id).contains_key(TAG)
        {
            assert!(
                start.elapsed() < BOUND,
                "{id} is {:?}, {:?} after {BOUND:?}: {}",
                self.fake.state(id),
                self.fake.tags(id),
                process.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Process {
    pub async fn health(&self) -> Health {
        health::check(self.channel.clone(), Duration::from_secs(2)).await
    }

    pub async fn serves(&self) {
        for _ in 0..1_200 {
            if self.health().await == Health::Serving {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not ready after a minute: {}", self.log());
    }

    pub async fn start(&mut self, resize_id: &str, instance_id: &str) -> Result<(), Status> {
        let request = StartResizeRequest {
            resize_id: resize_id.to_owned(),
            instance_id: instance_id.to_owned(),
            target_instance_type: TARGET.to_owned(),
            expected_instance_type: FROM.to_owned(),
            lease_epoch: 0,
            dry_run: false,
            reason: "test".to_owned(),
        };
        self.client.start_resize(request).await.map(drop)
    }

    /// Why the journal is not used; empty when it is.
    pub async fn degraded(&mut self) -> String {
        let limits = self.client.get_limits(GetLimitsRequest {}).await.unwrap();
        limits.into_inner().journal_degraded
    }

    pub async fn exposition(&self) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut socket = tokio::net::TcpStream::connect(&self.metrics).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
