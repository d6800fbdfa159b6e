//! What `make run` starts, as fast as it can: it ends by itself or at Ctrl-C, with its summary and exit code 0.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use testkit::process::Process;

/// The demo, on ports that no other test has.
fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = demo_on_its_ports(folder, arguments);
    command.arg("--any-port");
    command
}

/// The demo, with nothing of this machine's environment.
fn demo_on_its_ports(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autoscaler"));
    command
        .args(["demo", "--day-seconds", "0"])
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null());
    command
}

/// What it printed when Ctrl-C ended it after its first decision.
async fn interrupted(folder: &Path, arguments: &[&str]) -> String {
    let logs = tempfile::tempdir().unwrap();
    let mut process = Process::start("demo", logs.path(), &mut demo(folder, arguments));
    let log = logs.path().join("demo.log");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    process
        .wait_for("a decision", Duration::from_secs(60), async || {
            read().contains("forecast")
        })
        .await;
    process.signal("INT");
    assert_eq!(process.exit_code().await, Some(0), "{}", read());
    read()
}

fn assert_sums_up(text: &str) {
    let (_, summary) = text.split_once("Summary of ").unwrap();
    for part in [
        "HOURS PER TYPE",
        "SATURATED",
        "BEST FIXED TYPE",
        "LARGEST TYPE",
        "RESIZES",
        "Fleet: ",
        "Forecast error",
    ] {
        assert!(summary.contains(part), "{part} is not in {summary}");
    }
}

#[test]
fn a_day_ends_with_decisions_resizes_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--days", "1"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{stderr}");
    assert_eq!(stderr, "", "{text}");
    assert!(text.contains("Nothing here touches AWS"), "{text}");
    assert!(text.contains("scale_up"), "{text}");
    assert!(text.contains("succeeded"), "{text}");
    assert!(text.contains("Summary of 1.00 simulated days"), "{text}");
    assert_sums_up(&text);
    assert!(!text.contains('\u{1b}'), "colours without a terminal");
    // It leaves nothing behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn it_costs_less_than_the_best_fixed_types_and_saturates_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--days", "2", "--json"];
    let output = demo(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let machines = summary["machines"].as_array().unwrap();
    let count = |key: &str| -> u64 {
        let counts = machines
            .iter()
            .map(|machine| machine[key].as_u64().unwrap());
        counts.sum()
    };
    let (up, down) = (count("resizesUp"), count("resizesDown"));
    assert!(down > 0, "{summary:#}");
    // Two a machine and day, on average: a machine with a steep day is worth three.
    assert!(up + down <= 2 * 2 * machines.len() as u64, "{summary:#}");
    assert_eq!(count("resizesFailed"), 0, "{summary:#}");
    let fleet = &summary["fleet"];
    let (best, largest) = (&fleet["bestFixed"], &fleet["largest"]);
    let number = |of: &serde_json::Value, key: &str| of[key].as_f64().unwrap();
    let cost = |of| number(of, "costUsd");
    assert!(cost(fleet) < cost(best), "{summary:#}");
    assert!(cost(best) < cost(largest), "{summary:#}");
    let saturated = |of| number(of, "saturatedShare");
    assert!(saturated(fleet) <= saturated(best) + 0.003, "{summary:#}");
}

#[test]
fn a_trace_of_ones_own_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "timestamp,cpu\n".to_owned();
    for point in 0..288 {
        let cpu = if (96..192).contains(&point) {
            92.0
        } else {
            12.0
        };
        csv += &format!("{},{}\n", 300 * point, cpu + f64::from(point % 5));
    }
    let trace = folder.path().join("my.csv");
    std::fs::write(&trace, csv).unwrap();
    let arguments = ["--days", "1", "--trace", trace.to_str().unwrap()];
    let output = demo(folder.path(), &arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_sums_up(&text);

    let arguments = ["--days", "1", "--trace", "absent.csv"];
    let output = demo(folder.path(), &arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_ne!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("absent.csv"), "{stderr}");
}

#[tokio::test]
async fn ctrl_c_ends_it_with_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    assert_sums_up(&interrupted(folder.path(), &[]).await);
}

#[tokio::test]
async fn it_moves_to_other_ports_only_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    // Whoever has it, it is taken.
    let _held = std::net::TcpListener::bind("127.0.0.1:50053");
    let output = demo_on_its_ports(folder.path(), &["--days", "1"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    for words in ["cannot listen on 127.0.0.1:", "--any-port"] {
        assert!(stderr.contains(words), "{words} is not in {stderr}");
    }
    let text = interrupted(folder.path(), &[]).await;
    assert!(!text.contains("127.0.0.1:50053"), "{text}");
}

#[tokio::test]
async fn a_file_of_ones_own_decides_and_the_summary_is_there_for_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.yaml");
    let yaml = "policy: {scale_up_cpu: 60, ladder: [t3.medium, t3.xlarge]}\n\
                decision: {database: mine.db}\n\
                actuator: {region: eu-west-1, database: 'postgres://u:p@127.0.0.1:9/x'}\n\
                scheduler: {prometheus: {url: 'http://127.0.0.1:9'}}\n";
    std::fs::write(&file, yaml).unwrap();
    let arguments = ["--days", "1", "--config", file.to_str().unwrap()];
    let text = interrupted(folder.path(), &arguments).await;
    for words in [
        "web (t3.medium, t3.xlarge)",
        "Policy (threshold): up above 60 %",
        "without a meaning here: actuator.database, actuator.region, decision.database, scheduler.prometheus.url.",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }

    let output = demo(folder.path(), &[&arguments[..], &["--json"]].concat())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["simulatedSeconds"], 86_400, "{summary:#}");
    assert_eq!(summary["keysLeftOut"].as_array().unwrap().len(), 4);
    let machines = summary["machines"].as_array().unwrap();
    let ids: Vec<_> = machines.iter().map(|machine| &machine["id"]).collect();
    assert_eq!(ids, ["web", "worker", "api"]);
    for machine in machines {
        let types = machine["secondsByType"].as_object().unwrap();
        let known = ["t3.medium", "t3.xlarge"];
        assert!(
            types.keys().all(|name| known.contains(&name.as_str())),
            "{machine:#}"
        );
        assert!(machine["costUsd"].as_f64().unwrap() > 0.0, "{machine:#}");
    }
    assert!(
        machines[0]["resizesUp"].as_u64().unwrap() > 0,
        "{summary:#}"
    );
    let listing = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(listing.count(), 1, "nothing but the file");

    // A type that the simulation doesn't sell, and a key that nobody knows.
    std::fs::write(&file, "policy: {ladder: [t3.small, m5.large]}\n").unwrap();
    let output = demo(folder.path(), &arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("does not sell m5.large"), "{stderr}");
    std::fs::write(&file, "policy: {scale_up_cpus: 60}\n").unwrap();
    let output = demo(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn the_same_seed_gives_the_same_summary_however_busy_the_machine_is() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let arguments = ["--days", "1", "--seed", "7", "--json"];
        demo(folder.path(), &arguments).output()
    };
    let at_rest = run().unwrap();
    let stop = AtomicBool::new(false);
    let busy = || {
        while !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    };
    let under_load = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(busy);
        }
        let output = run();
        stop.store(true, Ordering::Relaxed);
        output.unwrap()
    });
    assert_eq!(at_rest.status.code(), Some(0), "{at_rest:?}");
    let [at_rest, under_load] =
        [at_rest, under_load].map(|output| String::from_utf8(output.stdout).unwrap());
    assert_eq!(at_rest, under_load);
}
