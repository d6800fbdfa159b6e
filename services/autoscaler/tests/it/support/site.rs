//! An EC2 that is quick, and the built binary as its operator, with one machine or several.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use actuator::cloud::InstanceState;
use common::clock::SystemClock;
use simulator::{
    cloud::{FakeCloud, Timing},
    wire,
};
use tempfile::TempDir;
use testkit::{
    http,
    process::{Process, free_port},
    wait::{self, SOON},
};

use super::autoscaler::Autoscaler;

pub const ID: &str = "i-0123456789abcdef0";

/// An EC2 that is quick, and a configuration whose log file nobody reads.
pub struct Site {
    pub folder: TempDir,
    pub fake: FakeCloud,
    pub autoscaler: Autoscaler,
    pub metrics_port: u16,
}

impl Site {
    /// One that acts, and does not set monitoring up.
    pub async fn new(instances: &[&str], scheduler: &str) -> Self {
        let actuator = "dry_run: false\npoll_seconds: 1\nsettle_seconds: 3\nmonitoring: {enabled: false}\nlimits: {reads_per_second: 1000, read_burst: 1000, changes_per_second: 100, change_burst: 100}";
        Self::configured(
            instances,
            &[("actuator", actuator), ("scheduler", scheduler)],
        )
        .await
    }

    /// With these lines below the sections' keys.
    pub async fn configured(instances: &[&str], sections: &[(&str, &str)]) -> Self {
        let fake = FakeCloud::new(Arc::new(SystemClock));
        fake.set_timing(Timing::faster(100));
        for instance in instances {
            fake.add_instance(instance, "t2.small");
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(wire::serve(listener, fake.clone()));
        let folder = tempfile::tempdir().unwrap();
        let autoscaler = Autoscaler::configure(folder.path(), "site", sections).with_aws(&url);
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
        self.folder.path().join("site")
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
    pub fn run(&self, descriptors: u32, unread: bool) -> Process {
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
            );
        if !unread {
            return Process::start("autoscaler", &self.data(), &mut command);
        }
        let (reader, writer) = std::io::pipe().unwrap();
        fill(writer.try_clone().unwrap());
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        // It stays open, and nobody reads it, for as long as the test runs.
        std::mem::forget(reader);
        Process::start_unlogged("unread", &mut command, self.data().join("nowhere"))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data().join("autoscaler.log")).unwrap_or_default()
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
        wait::serving(&format!(
            "http://127.0.0.1:{}",
            self.autoscaler.ports.actuator
        ))
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
        let get = http::get(("127.0.0.1", port), path);
        tokio::time::timeout(SOON, get).await.unwrap()
    }
}

/// Writes until the pipe takes no more; the writer then waits for ever, as a log driver's program does.
fn fill(mut pipe: std::io::PipeWriter) {
    let full = std::thread::spawn(move || while pipe.write_all(&[b'.'; 4_096]).is_ok() {});
    std::thread::sleep(Duration::from_millis(200));
    assert!(!full.is_finished());
}
