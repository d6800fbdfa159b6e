//! The actuator's binary, killed and started again, against a cloud that speaks EC2's and SSM's protocols.
//!
//! The numbers are those of the list of faults.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use actuator::cloud::{ErrorKind, InstanceState, Operation};
use common::{
    clock::SystemClock,
    grpc,
    health::{self, Health},
};
use proto::actuator::v1::{
    MonitoringState, Resize, ResizePhase, StartResizeRequest, WatchResizeRequest,
    actuator_service_client::ActuatorServiceClient,
};
use simulator::{
    cloud::{Effect, FakeCloud, Hold, Moment, Timing},
    wire,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::Channel;

const ID: &str = "i-0123456789abcdef0";
const FROM: &str = "t3.small";
const TARGET: &str = "t3.medium";
const TAG: &str = "autoscaler:resize";

/// What outlives a process: the cloud and the disk.
struct Site {
    fake: FakeCloud,
    cloud_url: String,
    disk: TempDir,
    monitoring: bool,
}

struct Process {
    child: Child,
    client: ActuatorServiceClient<Channel>,
    channel: Channel,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Site {
    async fn new() -> Self {
        let fake = FakeCloud::new(Arc::new(SystemClock));
        fake.set_timing(Timing::faster(100));
        fake.add_instance(ID, FROM);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cloud_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(wire::serve(listener, fake.clone()));
        Self {
            fake,
            cloud_url,
            disk: tempfile::tempdir().unwrap(),
            monitoring: false,
        }
    }

    /// The binary as an operator starts it, listening.
    async fn boot(&self) -> Process {
        self.boot_on(self.disk.path()).await
    }

    async fn boot_on(&self, disk: &Path) -> Process {
        let process = self.spawn(disk);
        let listens = |health: &Health| !matches!(health, Health::Unreachable(_));
        process.until(listens).await;
        process
    }

    fn spawn(&self, disk: &Path) -> Process {
        // Taken and given back: as a rule nobody else on this machine takes it in between.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let child = Command::new(env!("CARGO_BIN_EXE_actuator"))
            .current_dir(disk)
            .env_clear()
            .env("HOME", disk)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", &self.cloud_url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("DRY_RUN", "false")
            // Of another disk.
            .env(
                "AUTOSCALER__ACTUATOR__BREADCRUMB_KEY",
                "0123456789abcdef0123456789abcdef",
            )
            .env("AUTOSCALER__ACTUATOR__LISTEN", address.to_string())
            .env("AUTOSCALER__ACTUATOR__METRICS_LISTEN", "127.0.0.1:0")
            .env("AUTOSCALER__ACTUATOR__POLL_SECONDS", "1")
            .env("AUTOSCALER__ACTUATOR__SETTLE_SECONDS", "3")
            .env(
                "AUTOSCALER__ACTUATOR__MONITORING__ENABLED",
                self.monitoring.to_string(),
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let channel = grpc::channel(&format!("http://{address}")).unwrap();
        Process {
            child,
            client: ActuatorServiceClient::new(channel.clone()),
            channel,
        }
    }

    fn runs(&self) -> (String, InstanceState) {
        (
            self.fake.instance_type(ID).unwrap(),
            self.fake.state(ID).unwrap(),
        )
    }

    /// A resize whose process is killed while that call is held, and what the next process makes of it.
    async fn killed_at(&self, operation: Operation, number: u32, moment: Moment) -> Resize {
        // Kept to the end: a call that was held before its effect never has one, once its caller is dead.
        let _held = self.kill_at(operation, number, moment).await;
        let next = self.boot().await;
        let resize = next.ends().await;
        next.until(|health| *health == Health::Serving).await;
        assert!(!self.fake.tags(ID).contains_key(TAG), "the tag stays");
        resize
    }

    async fn kill_at(&self, operation: Operation, number: u32, moment: Moment) -> Hold {
        let hold = self.fake.hold(operation, number, moment);
        let mut process = self.boot().await;
        process.until(|health| *health == Health::Serving).await;
        process.start().await;
        hold.arrived().await;
        // SIGKILL.
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        hold
    }
}

impl Process {
    async fn until(&self, wanted: impl Fn(&Health) -> bool) {
        for _ in 0..1_200 {
            let health = health::check(self.channel.clone(), Duration::from_secs(2)).await;
            if wanted(&health) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not after a minute");
    }

    /// The resize, once it has ended.
    async fn ends(&self) -> Resize {
        let request = WatchResizeRequest {
            resize_id: "r1".to_owned(),
        };
        let mut client = self.client.clone();
        let mut stream = client.watch_resize(request).await.unwrap().into_inner();
        let mut last = None;
        while let Some(message) = stream.message().await.unwrap() {
            last = message.resize;
        }
        last.unwrap()
    }

    async fn start(&mut self) {
        let request = StartResizeRequest {
            resize_id: "r1".to_owned(),
            instance_id: ID.to_owned(),
            target_instance_type: TARGET.to_owned(),
            expected_instance_type: FROM.to_owned(),
            lease_epoch: 1,
            dry_run: false,
            reason: "test".to_owned(),
        };
        self.client.start_resize(request).await.unwrap();
    }

    /// SIGTERM, and how long it took to end.
    async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            // Its client must go on to hear that it hangs up.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn running(instance_type: &str) -> (String, InstanceState) {
    (instance_type.to_owned(), InstanceState::Running)
}

async fn converges(operation: Operation, moment: Moment) {
    let site = Site::new().await;
    let resize = site.killed_at(operation, 1, moment).await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(site.runs(), running(TARGET));
    assert_eq!(site.fake.resizes(ID), 1);
    // A call that had no effect was counted when it came; every other one was made once.
    let stops = site.fake.count(Operation::Stop);
    let unheard = operation == Operation::Stop && moment == Moment::Before;
    assert_eq!(stops, if unheard { 2 } else { 1 });
}

#[tokio::test]
async fn case_1_killed_before_the_stop() {
    converges(Operation::Stop, Moment::Before).await;
}

#[tokio::test]
async fn case_2_killed_after_the_stop() {
    converges(Operation::Stop, Moment::After).await;
}

#[tokio::test]
async fn case_3_killed_before_the_modify() {
    converges(Operation::ModifyType, Moment::Before).await;
}

#[tokio::test]
async fn case_4_killed_after_the_modify() {
    converges(Operation::ModifyType, Moment::After).await;
}

#[tokio::test]
async fn case_5_killed_before_the_start() {
    converges(Operation::Start, Moment::Before).await;
}

#[tokio::test]
async fn case_6_killed_after_the_start() {
    converges(Operation::Start, Moment::After).await;
}

#[tokio::test]
async fn cases_7_and_8_killed_before_and_after_the_monitoring_command() {
    let converges = async |moment| {
        let site = Site {
            monitoring: true,
            ..Site::new().await
        };
        let resize = site.killed_at(Operation::SendScript, 1, moment).await;
        assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
        assert_eq!(resize.monitoring(), MonitoringState::Ok, "{resize:?}");
        assert_eq!(site.runs(), running(TARGET));
        assert_eq!(site.fake.count(Operation::Stop), 1);
    };
    tokio::join!(converges(Moment::Before), converges(Moment::After));
}

#[tokio::test]
async fn case_9_killed_during_the_roll_back() {
    let converges = async |operation, moment| {
        let site = Site::new().await;
        let no = Effect::Fail(ErrorKind::Unsupported);
        site.fake.inject_calls(Operation::Start, 1..=1, no);
        // The first of each is for the new type.
        let resize = site.killed_at(operation, 2, moment).await;
        assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
        assert_eq!(site.runs(), running(FROM));
        assert_eq!(site.fake.count(Operation::Stop), 1);
    };
    tokio::join!(
        converges(Operation::ModifyType, Moment::Before),
        converges(Operation::ModifyType, Moment::After),
        converges(Operation::Start, Moment::After),
    );
}

#[tokio::test]
async fn case_28_terminated_midway_leaves_at_once_and_goes_on_later() {
    let site = Site::new().await;
    // It is down, and stays so for as long as nobody is there.
    let held = site.fake.hold(Operation::ModifyType, 1, Moment::After);
    let mut process = site.boot().await;
    process.until(|health| *health == Health::Serving).await;
    process.start().await;
    held.arrived().await;
    let (status, took) = process.terminate().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(site.fake.count(Operation::Start), 0);
    let next = site.boot().await;
    let resize = next.ends().await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(site.runs(), running(TARGET));
    assert_eq!(site.fake.count(Operation::Stop), 1);
}

#[tokio::test]
async fn killed_with_its_disk_the_tag_brings_the_instance_back() {
    let site = Site::new().await;
    let _held = site.kill_at(Operation::ModifyType, 1, Moment::Before).await;
    assert_eq!(site.runs().1, InstanceState::Stopped);
    let another = tempfile::tempdir().unwrap();
    let next = site.boot_on(another.path()).await;
    next.until(|health| *health == Health::Serving).await;
    let resize = next.ends().await;
    assert_eq!(resize.phase(), ResizePhase::RolledBack, "{resize:?}");
    assert_eq!(site.runs(), running(FROM));
    assert!(!site.fake.tags(ID).contains_key(TAG));
}

#[tokio::test]
async fn a_second_process_waits_for_the_journal_and_takes_over_from_a_dead_one() {
    let site = Site::new().await;
    let held = site.fake.hold(Operation::Stop, 1, Moment::After);
    let mut first = site.boot().await;
    first.until(|health| *health == Health::Serving).await;
    first.start().await;
    held.arrived().await;
    let second = site.spawn(site.disk.path());
    let health = health::check(second.channel.clone(), Duration::from_secs(2)).await;
    assert!(matches!(health, Health::Unreachable(_)), "{health:?}");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    second.until(|health| *health == Health::Serving).await;
    let resize = second.ends().await;
    assert_eq!(resize.phase(), ResizePhase::Succeeded, "{resize:?}");
    assert_eq!(site.fake.count(Operation::Stop), 1);
}
