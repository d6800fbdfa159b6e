//! An EC2 that is quick, and the built binary as its operator, with one machine or several.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use actuator::cloud::InstanceState;
use common::{
    clock::SystemClock,
    grpc,
    health::{self, Health},
};
use simulator::{
    cloud::{FakeCloud, Timing},
    wire,
};
use tempfile::TempDir;

use super::{autoscaler::Autoscaler, process::free_port};

pub const ID: &str = "i-0123456789abcdef0";
pub const SOON: Duration = Duration::from_secs(30);

/// An EC2 that is quick, and a configuration whose log file nobody reads.
pub struct Site {
    pub folder: TempDir,
    pub fake: FakeCloud,
    pub autoscaler: Autoscaler,
    pub metrics_port: u16,
}

impl Site {
    pub async fn new(instances: &[&str], scheduler: &str) -> Self {
        let fake = FakeCloud::new(Arc::new(SystemClock));
        fake.set_timing(Timing::faster(100));
        for instance in instances {
            fake.add_instance(instance, "t2.small");
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(wire::serve(listener, fake.clone()));
        let folder = tempfile::tempdir().unwrap();
        let actuator = "dry_run: false\npoll_seconds: 1\nsettle_seconds: 3\nmonitoring: {enabled: false}\nlimits: {reads_per_second: 1000, read_burst: 1000, changes_per_second: 100, change_burst: 100}";
        let sections = [("actuator", actuator), ("scheduler", scheduler)];
        let autoscaler = Autoscaler::configure(folder.path(), "siege", &sections).with_aws(&url);
        let metrics_port = free_port();
        let autoscaler = autoscaler.with(
            "AUTOSCALER__ACTUATOR__METRICS_LISTEN",
            &format!("127.0.0.1:{metrics_port}"),
        );
        Self {
            folder,
            fake,
            autoscaler,
            metrics_port,
        }
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("siege")
    }

    pub fn log_on_a_fifo(self) -> Self {
        let fifo = self.data().join("decisions");
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        Self {
            autoscaler: self.autoscaler.with(
                "AUTOSCALER__SCHEDULER__LOG_FILE",
                &fifo.display().to_string(),
            ),
            ..self
        }
    }

    /// `autoscaler run` with this many descriptors and no more, its output going into a pipe that is full.
    pub fn run(&self, descriptors: u32, unread: bool) -> Running {
        let run = self.autoscaler.command(&["run"]);
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh"])
            .arg(descriptors.to_string())
            .arg(run.get_program())
            .args(run.get_args())
            .current_dir(run.get_current_dir().unwrap())
            .env_clear()
            .envs(
                run.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null());
        let mut pipe = None;
        if unread {
            let (reader, writer) = std::io::pipe().unwrap();
            fill(writer.try_clone().unwrap());
            command.stdout(writer.try_clone().unwrap()).stderr(writer);
            pipe = Some(reader);
        } else {
            let log = std::fs::File::options()
                .create(true)
                .append(true)
                .open(self.data().join("log"))
                .unwrap();
            command.stdout(log.try_clone().unwrap()).stderr(log);
        }
        Running {
            child: command.spawn().unwrap(),
            _pipe: pipe,
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data().join("log")).unwrap_or_default()
    }

    pub fn ports(&self) -> [u16; 6] {
        let ports = &self.autoscaler.ports;
        [
            ports.predictor,
            ports.decision,
            ports.actuator,
            ports.scheduler,
            ports.http,
            self.metrics_port,
        ]
    }

    pub async fn actuator_serves(&self) {
        let url = format!("http://127.0.0.1:{}", self.autoscaler.ports.actuator);
        let channel = grpc::channel(&url).unwrap();
        until("the actuator serves", async || {
            health::check(channel.clone(), Duration::from_secs(2)).await == Health::Serving
        })
        .await;
    }

    pub fn resize(&self, instance: &str) -> Child {
        let mut command = self
            .autoscaler
            .command(&["resize", instance, "t2.medium", "--yes"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub fn runs(&self, instance: &str) -> bool {
        self.fake.state(instance) == Some(InstanceState::Running)
    }

    pub async fn page(&self, port: u16, path: &str) -> String {
        let url = format!("http://127.0.0.1:{port}{path}");
        let get = async { reqwest::get(url).await.unwrap().text().await.unwrap() };
        tokio::time::timeout(SOON, get).await.unwrap()
    }
}

pub struct Running {
    pub child: Child,
    _pipe: Option<std::io::PipeReader>,
}

impl Running {
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn resident_megabytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kilobytes = line.split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() / 1_024
    }

    pub fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        open.unwrap().count()
    }

    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.ends()
    }

    pub fn ends(&mut self) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < SOON {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes until the pipe takes no more; the writer then waits for ever, as a log driver's program does.
fn fill(mut pipe: std::io::PipeWriter) {
    let full = std::thread::spawn(move || while pipe.write_all(&[b'.'; 4_096]).is_ok() {});
    std::thread::sleep(Duration::from_millis(200));
    assert!(!full.is_finished());
}

pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < SOON, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
