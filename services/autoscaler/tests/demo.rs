//! What `make run` starts, as fast as it can: it ends by itself or at Ctrl-C, with its summary and exit code 0.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod support;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use support::process::Process;

/// The demo, with nothing of this machine's environment.
fn demo(folder: &Path, arguments: &[&str]) -> Command {
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

fn assert_sums_up(text: &str) {
    let (_, summary) = text.split_once("Summary of ").unwrap();
    for part in [
        "HOURS PER TYPE",
        "LARGEST ALWAYS ON",
        "SATURATED",
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
    let mut process = Process::start("demo", folder.path(), &mut demo(folder.path(), &[]));
    let log = folder.path().join("demo.log");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    process
        .wait_for("a decision", Duration::from_secs(60), async || {
            read().contains("forecast")
        })
        .await;
    let pid = process.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(process.exit_code().await, Some(0), "{}", read());
    assert_sums_up(&read());
}
