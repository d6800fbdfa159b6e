//! The built binary, where only a process will do: kill -9, a disk without room, exit codes.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use common::grpc::channel;
use common::metadata::outgoing;
use proto::decision::v1::{
    Action, DecideRequest, Decision, ListDecisionsRequest, ReasonCode,
    decision_service_client::DecisionServiceClient,
};
use sqlx::Connection as _;
use testkit::{
    process::Process,
    wait::{self, until},
};
use tonic::{Code, Status, transport::Channel};

const TIMEOUT: Duration = Duration::from_secs(10);

/// The running binary.
struct Service {
    process: Process,
    client: DecisionServiceClient<Channel>,
}

fn configuration(folder: &Path) -> String {
    let path = folder.join("autoscaler.yaml");
    let text = format!(
        "decision:\n  listen: 127.0.0.1:0\n  metrics_listen: null\n  database: {}\n",
        folder.join("decision.db").display()
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Starts the binary by `command`, and waits until it says where it listens.
async fn start(folder: &Path, mut command: Command) -> Service {
    let _ = fs::remove_file(folder.join("decision.log"));
    command.env_remove("RUST_LOG");
    let process = Process::start("decision", folder, &mut command);
    let listens = async || {
        let log = process.log();
        let (_, rest) = log.split_once("listen=")?;
        let (address, _) = rest.split_once(char::is_whitespace)?;
        Some(address.to_owned())
    };
    let address = wait::answer(listens, Option::is_some).await.unwrap();
    let client = DecisionServiceClient::new(channel(&format!("http://{address}")).unwrap());
    Service { process, client }
}

fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_decision"));
    command
        .args(["--config", &configuration(folder)])
        .current_dir(folder);
    command
}

/// A hold that needs no metrics, so no clock.
fn hold(tick: usize) -> DecideRequest {
    DecideRequest {
        tick_id: format!("tick-{tick}"),
        target_id: "web-1".into(),
        instance_id: "i-1".into(),
        unknown_reason: "prometheus did not answer, ".repeat(30),
        unknown_reason_code: ReasonCode::MetricsUnknown.into(),
        ..DecideRequest::default()
    }
}

async fn decide(service: &Service, tick: usize) -> Result<Decision, Status> {
    let response = service
        .client
        .clone()
        .decide(outgoing(hold(tick), TIMEOUT))
        .await?;
    Ok(response.into_inner().decision.unwrap())
}

async fn count(service: &Service) -> usize {
    let request = ListDecisionsRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let response = service
        .client
        .clone()
        .list_decisions(outgoing(request, TIMEOUT))
        .await;
    let decisions = response.unwrap().into_inner().decisions;
    // Holds in a row count with the newest of them.
    let counted = decisions.iter().map(|decision| match &decision.run {
        Some(run) if run.newest_decision_id == decision.decision_id => run.holds as usize,
        Some(_) => 0,
        None => 1,
    });
    counted.sum()
}

#[tokio::test]
async fn what_was_answered_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = 0;
    for round in 0..3 {
        let mut service = start(folder.path(), binary(folder.path())).await;
        assert_eq!(count(&service).await, answered);
        for tick in 0..20 {
            decide(&service, round * 20 + tick).await.unwrap();
            answered += 1;
        }
        service.process.kill();
    }
    let service = start(folder.path(), binary(folder.path())).await;
    assert_eq!(count(&service).await, answered);
}

#[tokio::test]
async fn fault_46_a_disk_without_room_takes_no_action_and_the_process_lives() {
    let folder = tempfile::tempdir().unwrap();
    // Files of this process can't grow beyond 2,000 blocks (of 512 bytes or 1 KiB, by shell): writes fail as on a full disk.
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --config \"$1\"",
        ])
        .arg(env!("CARGO_BIN_EXE_decision"))
        .arg(configuration(folder.path()));
    let service = start(folder.path(), command).await;
    let mut written = 0;
    let status = loop {
        match decide(&service, written).await {
            Ok(decision) => assert_eq!(decision.action(), Action::Hold),
            Err(status) => break status,
        }
        written += 1;
        assert!(written < 1_000, "the limit does not hold");
    };
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        status.message().contains("is the disk full or read-only?"),
        "{status}"
    );
    // What was answered is there, and nothing else.
    assert_eq!(count(&service).await, written);
    assert_eq!(
        decide(&service, written).await.unwrap_err().code(),
        Code::Unavailable
    );
    drop(service);

    // With room again, all is as it was answered.
    let service = start(folder.path(), binary(folder.path())).await;
    assert_eq!(count(&service).await, written);
    decide(&service, written).await.unwrap();
}

/// `timeout`, shells and supervisors signal the process and then its group.
#[tokio::test]
async fn a_signal_that_is_sent_twice_at_once_is_one_request_to_finish() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(folder.path(), binary(folder.path())).await;
    let database = format!("sqlite://{}", folder.path().join("decision.db").display());
    let mut writer = sqlx::SqliteConnection::connect(&database).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut writer)
        .await
        .unwrap();
    // It waits for the writer, and the end of the process for it.
    let client = service.client.clone();
    let waiting =
        tokio::spawn(async move { client.clone().decide(outgoing(hold(0), TIMEOUT)).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    service.process.signal("TERM");
    until("it has heard", async || {
        service.process.log().contains("SIGTERM: finishing")
    })
    .await;
    service.process.signal("TERM");
    tokio::time::sleep(Duration::from_millis(100)).await;
    sqlx::query("ROLLBACK").execute(&mut writer).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(service.process.exit_code().await, Some(0));
}

/// Runs the binary with a configuration that it must refuse; exit code and what it said.
fn refused(yaml: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("autoscaler.yaml");
    fs::write(&path, yaml).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_decision"))
        .arg("--config")
        .arg(&path)
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let said = said.replace(&path.display().to_string(), "autoscaler.yaml");
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_bad_configuration_is_one_line_that_names_the_key_and_where_it_stands() {
    for (yaml, line) in [
        (
            "policy: {scale_down_cpu: 80}",
            "decision: configuration key `policy.scale_down_cpu`: 80 is not below scale_up_cpu (75): every forecast would ask for an action (autoscaler.yaml, line 1)\n",
        ),
        (
            "decision: {databse: x.db}",
            "decision: unknown configuration key `decision.databse`; did you mean `database`? (autoscaler.yaml, line 1)\n",
        ),
    ] {
        assert_eq!(refused(yaml), (Some(64), line.to_owned()));
    }
}

#[test]
fn fault_47_a_corrupt_database_is_one_line_and_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("decision.db");
    fs::write(
        &database,
        "this is not a database, it only looks like one from afar",
    )
    .unwrap();
    let (code, said) = refused(&format!(
        "decision: {{listen: '127.0.0.1:0', metrics_listen: null, database: '{}'}}",
        database.display()
    ));
    assert_eq!(code, Some(1), "{said}");
    let line = said.lines().last().unwrap();
    assert!(
        line.starts_with("decision: database ") && line.contains("is damaged"),
        "{said}"
    );
    assert!(line.contains("restore a backup"), "{said}");
}
