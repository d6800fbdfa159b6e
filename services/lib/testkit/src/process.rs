//! Child processes with a log, killed when dropped.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::wait::LONG;

/// A running child; its output goes to a file.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output added to `folder/name.log`.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self::start_unlogged(name, command, log)
    }

    /// Starts `command`, whose output goes where it says.
    pub fn start_unlogged(name: &str, command: &mut Command, log: PathBuf) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self {
            name: name.to_owned(),
            child: child.unwrap_or_else(|error| panic!("{name} does not start: {error}")),
            log,
        }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for `condition`; panics with the log when it does not come true, or when the process ends first.
    pub async fn wait_for<F>(&mut self, what: &str, within: Duration, mut condition: F)
    where
        F: AsyncFnMut() -> bool,
    {
        let start = Instant::now();
        while !condition().await {
            let ended = self.ended();
            assert!(
                ended.is_none() && start.elapsed() < within,
                "{}: {what} did not come true within {within:?} (ended: {ended:?}):\n{}",
                self.name,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until something listens on `port`.
    pub async fn wait_for_port(&mut self, port: u16) {
        self.wait_for("its port", LONG, async || {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port));
            stream.await.is_ok()
        })
        .await;
    }

    /// Sends a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then its exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.exit_code().await
    }

    /// Its exit code, once it has ended; `None` when a signal killed it.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status.code();
            }
            let (name, log) = (&self.name, self.log());
            assert!(start.elapsed() < LONG, "{name} did not end:\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Resident memory, MiB.
    pub fn resident_mib(&self) -> f64 {
        resident_mib(&self.id().to_string())
    }

    /// How many files and sockets it has open.
    pub fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.id()));
        open.unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of a process, or of `self`, MiB.
pub fn resident_mib(process: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    kib / 1_024.0
}

/// A port that was free a moment ago, for servers that can't be told to choose one.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
