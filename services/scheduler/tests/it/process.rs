//! The built binary: its lines, its exit codes, SIGTERM.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use proto::scheduler::v1::{RunTickRequest, scheduler_service_client::SchedulerServiceClient};

use crate::support::World;

fn binary(folder: &Path, yaml: &str) -> Command {
    let file = folder.join("autoscaler.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_scheduler"));
    command
        .current_dir(folder)
        .arg("--config")
        .arg(file)
        .env_remove("RUST_LOG")
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    command
}

fn text(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_bad_configuration_is_one_line_and_exit_64() {
    let folder = tempfile::tempdir().unwrap();
    for (yaml, words) in [
        (
            "scheduler: {tick_interval: 60}",
            "did you mean `tick_interval_seconds`?",
        ),
        (
            "scheduler: {prometheus: {url: 'http://169.254.169.254'}}",
            "`scheduler.prometheus.url`: 169.254.169.254 is blocked",
        ),
    ] {
        let output = binary(folder.path(), yaml).output().unwrap();
        let (_, stderr) = text(&output);
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!("scheduler: {{listen: '{address}', metrics_listen: null}}");
    let output = binary(folder.path(), &yaml).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains(&address.to_string()) && stderr.contains("gRPC"),
        "{stderr}"
    );
}

#[tokio::test]
async fn it_ticks_writes_its_lines_and_ends_with_0_on_sigterm() {
    let world = World::start().await;
    world.prometheus.cpu(&[90.0, 50.0, 20.0]);
    world.predictor.make_busy("web");
    let folder = tempfile::tempdir().unwrap();
    let config = world.config("log_file: logs/autoscaler.log");
    // Two ports that were free a moment ago.
    let free = [0, 1].map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [grpc, http] = free
        .each_ref()
        .map(|listener| listener.local_addr().unwrap());
    drop(free);
    let config = scheduler::Config {
        listen: grpc,
        http_listen: http,
        metrics_listen: None,
        print_decisions: true,
        ..config
    };
    // JSON is YAML.
    let yaml = serde_json::json!({"scheduler": config}).to_string();
    let mut command = binary(folder.path(), &yaml);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let ended = std::thread::spawn(move || child.wait_with_output());

    let url = format!("http://{grpc}");
    let tick = common::retry::on_unavailable(Duration::from_secs(10), || {
        let channel = common::grpc::channel(&url).unwrap();
        async move {
            SchedulerServiceClient::new(channel)
                .run_tick(RunTickRequest::default())
                .await
        }
    })
    .await
    .unwrap();
    assert_eq!(tick.into_inner().tick.unwrap().results.len(), 3);
    let health = binary(folder.path(), &yaml).arg("health").output().unwrap();
    assert_eq!(health.status.code(), Some(0));
    assert!(text(&health).0.contains("serving"));

    let killed = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(killed.success());
    let output = tokio::task::spawn_blocking(|| ended.join().unwrap().unwrap())
        .await
        .unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(world.decision.holder(), None, "the lease was given back");

    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    for (line, words) in lines.iter().zip([
        "decision=scale_up | action_taken=started | reason=forecast 90.0 % in 15 min is above 75 %, with probability \
         1.00; t2.small to t2.medium | target=web",
        "decision=noop | action_taken=none | reason=forecast 50.0 % in 15 min lies between 30 % and 75 % | \
         target=api",
        "decision=noop | action_taken=none | reason=forecast 20.0 % in 15 min is below 30 %, but t2.small is the \
         smallest type of the ladder | target=job",
    ]) {
        assert!(line.starts_with("timestamp="), "{line}");
        assert!(
            line.contains("| current_instance_type=t2.small | predicted_cpu="),
            "{line}"
        );
        assert!(line.contains(words), "{line}");
    }
    let logged = std::fs::read_to_string(folder.path().join("logs/autoscaler.log")).unwrap();
    assert_eq!(logged, stdout);

    let health = binary(folder.path(), &yaml).arg("health").output().unwrap();
    assert_eq!(health.status.code(), Some(1));
}
