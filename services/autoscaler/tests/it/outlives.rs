//! The built binary in one process: whatever else can't run, the actuator brings up what is down, and says what is wrong.

use std::{fs, net::TcpListener, path::PathBuf, time::Duration};

use actuator::cloud::Operation;
use common::{
    grpc,
    health::{self, Health},
};
use simulator::cloud::Moment;
use testkit::wait::{SOON, until};

use crate::support::site::{ID, Site};

const EXIT_FAILURE: i32 = 1;
const EXIT_USAGE: i32 = 64;

/// A machine that is down in the middle of a resize, and nobody who works on it.
async fn stopped_halfway() -> Site {
    let site = Site::new(&[ID], "").await;
    let held = site.fake.hold(Operation::ModifyType, 1, Moment::Before);
    let mut running = site.run(1_024, false);
    site.actuator_serves().await;
    let mut command = site.resize(ID);
    tokio::time::timeout(SOON, held.arrived()).await.unwrap();
    running.kill();
    let _ = command.kill();
    let _ = command.wait();
    assert!(!site.runs(ID));
    site
}

fn database(site: &Site) -> PathBuf {
    site.data().join("decision.db")
}

fn without_database(site: &Site) -> PathBuf {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(site.data().join(format!("decision.db{suffix}")));
    }
    database(site)
}

fn rewrite(site: &Site, change: impl FnOnce(String) -> String) {
    let file = site.data().join("autoscaler.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, change(text)).unwrap();
}

/// It starts again, the machine comes up, and it ends with this code, having said this.
async fn comes_up(what: &str, site: &Site, code: i32, says: &[&str]) {
    let mut running = site.run(1_024, false);
    until(&format!("{what}: the machine runs"), async || site.runs(ID)).await;
    assert_eq!(
        running.exit_code().await,
        Some(code),
        "{what}:\n{}",
        site.log()
    );
    let log = site.log();
    for text in says {
        assert!(log.contains(text), "{what}: no {text:?} in\n{log}");
    }
    // Not a second time, and nothing was left to the next start.
    assert_eq!(site.fake.count(Operation::Stop), 1, "{what}");
    assert!(site.runs(ID), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_database_that_can_not_be_used() {
    type Damage = fn(&Site);
    let damages: [(&str, Damage, &str); 5] = [
        (
            "garbage",
            |site| fs::write(without_database(site), b"garbage".repeat(1_000)).unwrap(),
            "file is not a database",
        ),
        (
            "a header and nothing behind it",
            |site| {
                let mut bytes = b"SQLite format 3\0".to_vec();
                bytes.resize(8_192, 7);
                fs::write(without_database(site), bytes).unwrap();
            },
            "decision",
        ),
        (
            "a directory",
            |site| fs::create_dir(without_database(site)).unwrap(),
            "can't be opened",
        ),
        (
            "a link to nowhere",
            |site| {
                let nowhere = "/proc/nowhere/decision.db";
                std::os::unix::fs::symlink(nowhere, without_database(site)).unwrap();
            },
            "decision",
        ),
        (
            "a device without room",
            |site| std::os::unix::fs::symlink("/dev/full", without_database(site)).unwrap(),
            "decision",
        ),
    ];
    for (what, damage, says) in damages {
        let site = stopped_halfway().await;
        damage(&site);
        comes_up(what, &site, EXIT_FAILURE, &["autoscaler: decision: ", says]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken() {
    for part in ["scheduler", "HTTP", "predictor", "actuator"] {
        let site = stopped_halfway().await;
        let ports = &site.autoscaler.ports;
        let port = match part {
            "scheduler" => ports.scheduler,
            "HTTP" => ports.http,
            "predictor" => ports.predictor,
            _ => ports.actuator,
        };
        let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = format!("cannot listen on 127.0.0.1:{port}");
        comes_up(part, &site, EXIT_FAILURE, &["autoscaler: ", &address]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_can_not_be_used() {
    type Change = fn(String) -> String;
    let changes: [(&str, Change, &str); 7] = [
        (
            "a policy that contradicts itself",
            |text| {
                text.replace(
                    "policy:\n",
                    "policy: {scale_up_cpu: 10, scale_down_cpu: 50}\n",
                )
            },
            "policy.",
        ),
        (
            "an unknown key",
            |text| text.replace("policy:\n", "policy: {surprise: 1}\n"),
            "policy.surprise",
        ),
        (
            "a section that is a number",
            |text| text.replace("policy:\n", "policy: 7\n"),
            "policy",
        ),
        (
            "an unknown section",
            |text| text + "surprise: {}\n",
            "surprise",
        ),
        (
            "what is not YAML",
            |text| text.replace("policy:\n", "policy: [\n"),
            "is not YAML",
        ),
        (
            "a limit of the actuator",
            |text| text.replace("poll_seconds: 1", "poll_seconds: 0"),
            "actuator.poll_seconds",
        ),
        (
            "how logs are written",
            |text| text + "telemetry: {format: pretty}\n",
            "telemetry.format",
        ),
    ];
    for (what, change, says) in changes {
        let site = stopped_halfway().await;
        rewrite(&site, change);
        comes_up(what, &site, EXIT_USAGE, &["autoscaler: ", says]).await;
    }
}

/// Dry run can't be told: the machine starts, on the type that it has.
#[tokio::test(flavor = "multi_thread")]
async fn variables_that_contradict_each_other() {
    let site = stopped_halfway().await;
    let site = Site {
        autoscaler: site
            .autoscaler
            .with("DRY_RUN", "false")
            .with("AUTOSCALER__ACTUATOR__DRY_RUN", "true"),
        ..site
    };
    comes_up("contradiction", &site, EXIT_USAGE, &["DRY_RUN"]).await;
    assert_eq!(site.fake.instance_type(ID).as_deref(), Some("t2.small"));
}

/// Without a region nobody knows where the machine is: nothing is guessed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_needed_to_bring_up_and_is_wrong_ends_at_once() {
    for wrong in ["regoin: eu-central-1", "database: 7", "region: [a]"] {
        let site = Site::new(&[ID], "").await;
        rewrite(&site, |text| {
            text.replace("actuator:\n", &format!("actuator:\n  {wrong}\n"))
        });
        let mut running = site.run(1_024, false);
        assert_eq!(
            running.exit_code().await,
            Some(EXIT_USAGE),
            "{}",
            site.log()
        );
        assert!(site.fake.calls().is_empty());
        assert!(!site.data().join("data").exists());
    }
}

/// While a machine is down: who can't run says so by health, and nothing new is begun.
#[tokio::test(flavor = "multi_thread")]
async fn health_tells_what_can_not_run_until_the_machine_is_up() {
    let site = stopped_halfway().await;
    fs::write(without_database(&site), b"garbage".repeat(1_000)).unwrap();
    let start = site.fake.hold(Operation::Start, 1, Moment::Before);
    let mut running = site.run(1_024, false);
    tokio::time::timeout(SOON, start.arrived()).await.unwrap();
    let ports = &site.autoscaler.ports;
    for port in [ports.decision, ports.actuator] {
        until("it does not serve", async || {
            let channel = grpc::channel(&format!("http://127.0.0.1:{port}")).unwrap();
            health::check(channel, Duration::from_secs(2)).await == Health::NotServing
        })
        .await;
    }
    let health = site.page(ports.http, "/health").await;
    assert!(health.contains("degraded"), "{health}");
    let pause = site.autoscaler.output(&["pauses"]).await;
    let stderr = String::from_utf8_lossy(&pause.stderr).into_owned();
    assert!(stderr.contains("file is not a database"), "{stderr}");
    let resize = site
        .autoscaler
        .output(&["resize", ID, "t2.large", "--yes"])
        .await;
    let stderr = String::from_utf8_lossy(&resize.stderr).into_owned();
    assert!(stderr.contains("shutting down"), "{resize:?}");
    assert_eq!(running.ended(), None);
    start.lose();
    until("the machine runs", async || site.runs(ID)).await;
    assert_eq!(
        running.exit_code().await,
        Some(EXIT_FAILURE),
        "{}",
        site.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_down_it_ends_soon() {
    let site = Site::new(&[ID], "").await;
    let _taken = TcpListener::bind(("127.0.0.1", site.autoscaler.ports.http)).unwrap();
    let began = std::time::Instant::now();
    let mut running = site.run(1_024, false);
    assert_eq!(running.exit_code().await, Some(EXIT_FAILURE));
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
}
