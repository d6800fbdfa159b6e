//! The binary, a cloud that speaks EC2's and SSM's protocols, and a disk.

use std::{
    path::{Path, PathBuf},
    process::Command,
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
    GetLimitsRequest, Resize, StartResizeRequest, WatchResizeRequest,
    actuator_service_client::ActuatorServiceClient,
};
use simulator::{
    cloud::{FakeCloud, Hold, Moment, Timing},
    wire,
};
use tempfile::TempDir;
use testkit::{
    http,
    process::{Process, free_port},
    wait,
};
use tokio::net::TcpListener;
use tonic::{Status, transport::Channel};

pub const ID: &str = "i-0123456789abcdef0";
pub const FROM: &str = "t3.small";
pub const TARGET: &str = "t3.medium";
pub const TAG: &str = "autoscaler:resize";
/// A machine that is down runs again within this time of a start of the actuator, whose cloud is as fast as here.
const BOUND: Duration = Duration::from_secs(60);

/// The binary as an operator starts it.
pub struct Actuator {
    pub process: Process,
    pub client: ActuatorServiceClient<Channel>,
    pub url: String,
    metrics: String,
}

impl Actuator {
    /// Away from anybody's configuration, on ports and with a log of its own.
    pub fn start<'a>(
        folder: &Path,
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let [address, metrics] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_actuator"));
        command
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AUTOSCALER__ACTUATOR__LISTEN", &address)
            .env("AUTOSCALER__ACTUATOR__METRICS_LISTEN", &metrics)
            .env("AUTOSCALER__ACTUATOR__POLL_SECONDS", "1")
            .envs(environment);
        let url = format!("http://{address}");
        Self {
            process: Process::start(&format!("actuator-{address}"), folder, &mut command),
            client: ActuatorServiceClient::new(grpc::channel(&url).unwrap()),
            url,
            metrics,
        }
    }

    pub async fn health(&self) -> Health {
        let channel = grpc::channel(&self.url).unwrap();
        health::check(channel, Duration::from_secs(2)).await
    }

    pub async fn serves(&self) {
        wait::serving(&self.url).await;
    }

    pub async fn start_resize(&mut self, resize_id: &str, instance_id: &str) -> Result<(), Status> {
        let request = StartResizeRequest {
            resize_id: resize_id.to_owned(),
            instance_id: instance_id.to_owned(),
            target_instance_type: TARGET.to_owned(),
            expected_instance_type: FROM.to_owned(),
            lease_epoch: 1,
            dry_run: false,
            reason: "test".to_owned(),
        };
        self.client.start_resize(request).await.map(drop)
    }

    /// The resize, once it has ended.
    pub async fn ends(&mut self, resize_id: &str) -> Resize {
        let request = WatchResizeRequest {
            resize_id: resize_id.to_owned(),
        };
        let stream = self.client.watch_resize(request).await;
        let mut stream = stream.unwrap().into_inner();
        let mut last = None;
        while let Some(message) = stream.message().await.unwrap() {
            last = message.resize;
        }
        last.unwrap()
    }

    /// Why the journal is not used; empty when it is.
    pub async fn degraded(&mut self) -> String {
        let limits = self.client.get_limits(GetLimitsRequest {}).await.unwrap();
        limits.into_inner().journal_degraded
    }

    pub async fn exposition(&self) -> String {
        http::metrics(&self.metrics).await
    }
}

/// What outlives a process: the cloud and the disk.
pub struct Site {
    pub fake: FakeCloud,
    pub disk: TempDir,
    environment: Vec<(String, String)>,
}

impl Site {
    /// Without a machine, and with a key that the actuator makes.
    pub async fn new() -> Self {
        let fake = FakeCloud::new(Arc::new(SystemClock));
        fake.set_timing(Timing::faster(100));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cloud_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(wire::serve(listener, fake.clone()));
        let mut site = Self {
            fake,
            disk: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        };
        for (key, value) in [
            ("AWS_ENDPOINT_URL", cloud_url.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AUTOSCALER__ACTUATOR__DRY_RUN", "false"),
            ("AUTOSCALER__ACTUATOR__SETTLE_SECONDS", "3"),
            ("AUTOSCALER__ACTUATOR__MONITORING__ENABLED", "false"),
        ] {
            site.set(key, value);
        }
        site
    }

    /// A variable of processes that start from now on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    pub fn journal(&self) -> PathBuf {
        self.disk.path().join("data/actuator.db")
    }

    pub fn spawn(&self, journal: &Path) -> Actuator {
        let database = ("AUTOSCALER__ACTUATOR__DATABASE", journal.to_str().unwrap());
        let environment = self.environment.iter();
        let environment = environment.map(|(key, value)| (key.as_str(), value.as_str()));
        Actuator::start(self.disk.path(), environment.chain([database]))
    }

    /// A process that listens.
    pub async fn boot(&self) -> Actuator {
        self.boot_on(&self.journal()).await
    }

    pub async fn boot_on(&self, journal: &Path) -> Actuator {
        let actuator = self.spawn(journal);
        wait::listening(&actuator.url).await;
        actuator
    }

    /// A process that is killed half-way through its resize `r1`, while this call is held. A call that was held before its
    /// effect has none for as long as the hold is kept.
    pub async fn kill_at(&self, operation: Operation, number: u32, moment: Moment) -> Hold {
        let hold = self.fake.hold(operation, number, moment);
        let mut actuator = self.boot().await;
        actuator.serves().await;
        actuator.start_resize("r1", ID).await.unwrap();
        hold.arrived().await;
        actuator.process.kill();
        hold
    }

    /// A machine that its process left stopped.
    pub async fn left_down(&self) -> Hold {
        self.fake.add_instance(ID, FROM);
        let hold = self.kill_at(Operation::ModifyType, 1, Moment::Before).await;
        assert_eq!(self.fake.state(ID), Some(InstanceState::Stopped));
        hold
    }

    pub async fn runs_again(&self, id: &str, actuator: &Actuator) {
        let start = Instant::now();
        while self.fake.state(id) != Some(InstanceState::Running)
            || self.fake.tags(id).contains_key(TAG)
        {
            assert!(
                start.elapsed() < BOUND,
                "{id} is {:?}, {:?} after {BOUND:?}: {}",
                self.fake.state(id),
                self.fake.tags(id),
                actuator.process.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
