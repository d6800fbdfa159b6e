//! The built binary: started with a configuration of the test's own, and asked through its own commands.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use testkit::process::{Process, free_port};

/// Ports and files of one autoscaler; it can be started, killed and started again on them.
pub struct Autoscaler {
    folder: PathBuf,
    config: PathBuf,
    environment: Vec<(String, String)>,
    pub ports: Ports,
}

/// Where it listens.
pub struct Ports {
    pub predictor: u16,
    pub decision: u16,
    pub actuator: u16,
    pub scheduler: u16,
    pub http: u16,
}

impl Autoscaler {
    /// Writes a configuration: `sections` holds the lines below each section's key, beside the ports and the database.
    pub fn configure(folder: &Path, name: &str, sections: &[(&str, &str)]) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let ports = Ports {
            predictor: free_port(),
            decision: free_port(),
            actuator: free_port(),
            scheduler: free_port(),
            http: free_port(),
        };
        let extra = |section: &str| -> String {
            sections
                .iter()
                .filter(|(name, _)| *name == section)
                .flat_map(|(_, lines)| lines.lines())
                .map(|line| format!("  {line}\n"))
                .collect()
        };
        let database = folder.join("decision.db");
        let yaml = format!(
            "predictor:\n  listen: 127.0.0.1:{}\n  metrics_listen: null\n{}\
             policy:\n{}\
             decision:\n  listen: 127.0.0.1:{}\n  metrics_listen: null\n  database: {}\n{}\
             actuator:\n  listen: 127.0.0.1:{}\n  metrics_listen: null\n{}\
             scheduler:\n  listen: 127.0.0.1:{}\n  metrics_listen: null\n  http_listen: 127.0.0.1:{}\n  \
             predictor_url: http://127.0.0.1:{}\n  decision_url: http://127.0.0.1:{}\n  \
             actuator_url: http://127.0.0.1:{}\n  run_clock: false\n{}",
            ports.predictor,
            extra("predictor"),
            extra("policy"),
            ports.decision,
            database.display(),
            extra("decision"),
            ports.actuator,
            extra("actuator"),
            ports.scheduler,
            ports.http,
            ports.predictor,
            ports.decision,
            ports.actuator,
            extra("scheduler"),
        );
        let config = folder.join("autoscaler.yaml");
        std::fs::write(&config, yaml).unwrap();
        let environment = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("RUST_LOG", "info"),
        ];
        let environment = environment
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        Self {
            folder,
            config,
            environment,
            ports,
        }
    }

    /// More lines for the configuration.
    pub fn append(&self, lines: &str) {
        let yaml = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, yaml + lines).unwrap();
    }

    /// One more environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Test credentials, and `url` in the place of AWS.
    #[must_use]
    pub fn with_aws(self, url: &str) -> Self {
        self.with("AWS_ENDPOINT_URL", url)
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// A command on this configuration, with nothing of the machine's environment but what programs need.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_autoscaler")), arguments)
    }

    fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AUTOSCALER_CONFIG", &self.config)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts all four in one process and waits until the scheduler listens.
    pub async fn run(&self) -> Process {
        let mut process = Process::start("autoscaler", &self.folder, &mut self.command(&["run"]));
        process.wait_for_port(self.ports.scheduler).await;
        process.wait_for_port(self.ports.http).await;
        process
    }

    /// Starts the four services as processes of their own.
    pub async fn run_apart(&self) -> Vec<Process> {
        let mut processes = Vec::new();
        for (service, port) in [
            ("predictor", self.ports.predictor),
            ("decision", self.ports.decision),
            ("actuator", self.ports.actuator),
            ("scheduler", self.ports.scheduler),
        ] {
            let mut process = self.start_service(service);
            process.wait_for_port(port).await;
            processes.push(process);
        }
        processes
    }

    /// Starts one service as a process of its own.
    pub fn start_service(&self, service: &str) -> Process {
        let binary = Path::new(env!("CARGO_BIN_EXE_autoscaler")).with_file_name(service);
        assert!(
            binary.exists(),
            "{} is not built: `cargo build --workspace` first",
            binary.display()
        );
        Process::start(
            service,
            &self.folder,
            &mut self.command_of(&binary, &["serve"]),
        )
    }

    /// Runs a command to its end.
    pub async fn output(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::from(self.command(arguments));
        tokio::time::timeout(Duration::from_secs(120), command.output())
            .await
            .unwrap_or_else(|_| panic!("{arguments:?} did not end"))
            .unwrap()
    }

    /// Runs a command with `--json` and reads its answer, whatever its exit code.
    pub async fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.output(&[&["--json"], arguments].concat()).await;
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{arguments:?}: {error}\n{}\n{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }

    /// Runs a tick to the end of its resizes; the results by target.
    pub async fn tick(&self) -> Vec<serde_json::Value> {
        let answer = self.json(&["tick", "--wait"]).await;
        answer["tick"]["results"]
            .as_array()
            .unwrap_or_else(|| panic!("no results: {answer}"))
            .clone()
    }
}
