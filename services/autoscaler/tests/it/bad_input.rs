//! What an operator gets wrong: one clear line that names cause and remedy, no panic, nothing scaled.

use std::time::Duration;

use testkit::{
    moto::Moto,
    prometheus::{Prometheus, Query, login_page, status},
};

use crate::support::{autoscaler::Autoscaler, prometheus::cpu};

const LABEL: &str = "10.0.0.1:9100";
const ABSENT_INSTANCE: &str = "i-0123456789abcdef0";

fn busy() -> impl Fn(&Query) -> axum::response::Response {
    cpu(90.0, vec![LABEL.to_owned()])
}

fn target(prometheus: &str, instance_id: &str) -> String {
    format!(
        "prometheus:\n  url: {prometheus}\n  timeout_seconds: 2\ntargets:\n- id: web\n  instance_id: {instance_id}\n  label: {LABEL}"
    )
}

/// Runs one tick and returns the result of its only target. The process must live on.
async fn tick(autoscaler: &Autoscaler) -> serde_json::Value {
    let mut running = autoscaler.run().await;
    let result = autoscaler.tick().await.remove(0);
    let log = running.log();
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(running.terminate().await, Some(0), "{log}");
    assert_eq!(result["action"], "hold", "{result:#}\n{log}");
    assert_eq!(result["actionTaken"], "none", "{result:#}\n{log}");
    result
}

/// The error, or else the reason, is one line with all of `words`.
fn assert_says(result: &serde_json::Value, words: &[&str]) {
    let said = match result["error"].as_str() {
        Some(error) if !error.is_empty() => error,
        _ => result["reason"].as_str().unwrap(),
    };
    assert!(!said.contains('\n'), "{said:?}");
    for word in words {
        assert!(said.contains(word), "{said:?} lacks {word:?}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_named_with_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let autoscaler =
        Autoscaler::configure(folder.path(), "key", &[("policy", "scale_up_cpuu: 80")]);
    for arguments in [&["run"][..], &["check-config"], &["tick"]] {
        let output = autoscaler.output(arguments).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        if arguments == ["tick"] {
            // A client reads only the addresses; it must not fail for another's section, only for want of a server.
            assert_eq!(output.status.code(), Some(69), "{stderr}");
        } else {
            assert_eq!(output.status.code(), Some(64), "{stderr}");
            let said = "autoscaler: unknown configuration key `policy.scale_up_cpuu`; did you mean `scale_up_cpu`? (";
            let stderr = stderr.trim_end();
            assert!(stderr.starts_with(said), "{stderr}");
            // With the file and the line.
            let (_, line) = stderr.rsplit_once(".yaml, line ").unwrap();
            assert!(
                line.trim_end_matches(')').parse::<usize>().is_ok(),
                "{stderr}"
            );
        }
    }
}

#[tokio::test]
async fn values_out_of_range_are_refused_before_anything_listens() {
    for (section, line, key) in [
        ("policy", "scale_up_cpu: 140", "policy.scale_up_cpu"),
        ("policy", "scale_up_cpu: 20", "policy.scale_"),
        ("policy", "ladder: []", "policy.ladder"),
        (
            "scheduler",
            "tick_interval_seconds: 0",
            "scheduler.tick_interval_seconds",
        ),
        (
            "scheduler",
            "targets: [{id: a, instance_id: 'i-1;rm -rf /'}]",
            "scheduler.targets",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let autoscaler = Autoscaler::configure(folder.path(), "value", &[(section, line)]);
        let output = autoscaler.output(&["run"]).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{line}: {stderr}");
        assert!(stderr.contains(key), "{line}: {stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{line}: {stderr}");
    }
}

/// What `check-config` and `run` say of a configuration that they refuse, each in good time.
async fn refused(autoscaler: &Autoscaler, more: &[&str]) -> String {
    let mut said = String::new();
    for command in ["check-config", "run"] {
        let started = std::time::Instant::now();
        let output = autoscaler.output(&[more, &[command]].concat()).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{command}: {stderr}");
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
        assert!(started.elapsed() < Duration::from_secs(20), "{command}");
        let first = stderr.lines().next().unwrap_or_default();
        assert!(first.len() < 700, "{command}: {first}");
        said = format!("{said}{command}: {first}\n");
    }
    said
}

fn assert_both_say(said: &str, words: &str) {
    assert_eq!(said.matches(words).count(), 2, "{said} lacks {words:?}");
}

#[tokio::test]
async fn what_would_turn_a_guard_off_silently_is_refused_by_name() {
    for (section, lines, words) in [
        ("actuator", "limits: []", "actuator.limits"),
        ("actuator", "limits: [1, 2]", "actuator.limits"),
        ("actuator", "unknown_checks: 1", "actuator.unknown_checks"),
        (
            "scheduler",
            "targets: [[web, i-01234567, 'a:9100']]",
            "scheduler.targets.0",
        ),
        (
            "actuator",
            "protected_instances: [web-1]",
            "actuator.protected_instances",
        ),
        ("actuator", "region: Frankfurt", "actuator.region"),
        ("actuator", "profile: \"prod\\r\"", "actuator.profile"),
        (
            "telemetry",
            "filter: 'info,actuator=loud'",
            "telemetry.filter",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut autoscaler = Autoscaler::configure(folder.path(), "guard", &[(section, lines)]);
        if section == "telemetry" {
            autoscaler.append(&format!("telemetry:\n  {lines}\n"));
            autoscaler = autoscaler.with("RUST_LOG", "");
        }
        assert_both_say(&refused(&autoscaler, &[]).await, words);
    }
    for (name, value, words) in [
        (
            "AUTOSCALER__ACTUATOR__LIMITS",
            "[0,0,0]",
            "AUTOSCALER__ACTUATOR__LIMITS",
        ),
        (
            "AUTOSCALER__ACTUATOR__REGION",
            &"{a=".repeat(20_000),
            "AUTOSCALER__ACTUATOR__REGION",
        ),
        (
            "AUTOSCALER__ACTUATOR__PROFILE",
            "prod\r",
            "AUTOSCALER__ACTUATOR__PROFILE",
        ),
        (
            "AUTOSCALER__SCHEDULER__PROMETHEUS__BEARER_TOKEN",
            "abc\r",
            "BEARER_TOKEN",
        ),
        (
            "AUTOSCALER__SCHEDULER__PROMETHEUS__TENANT",
            "acme\u{a0}",
            "TENANT",
        ),
        (
            "AUTOSCALER_ACTUATOR__DRY_RUN",
            "false",
            "`AUTOSCALER__ACTUATOR__DRY_RUN`?",
        ),
        (
            "autoscaler__actuator__dry_run",
            "false",
            "`AUTOSCALER__ACTUATOR__DRY_RUN`?",
        ),
        ("dry_run", "false", "`DRY_RUN`?"),
        ("DRY_RUN", "maybe", "from DRY_RUN"),
        ("DRY_RUN", "", "from DRY_RUN"),
        ("AUTOSCALER__", "1", "`AUTOSCALER__`"),
        ("AWS_REGION", "Frankfurt", "AWS_REGION"),
        ("AWS_DEFAULT_REGION", "eu-central", "AWS_DEFAULT_REGION"),
        (
            "AWS_ENDPOINT_URL_EC2",
            "http://127.0.0.1:1\r",
            "AWS_ENDPOINT_URL_EC2",
        ),
        ("AWS_SESSION_TOKEN", "abcé", "AWS_SESSION_TOKEN"),
        ("RUST_LOG", "a=b=c", "RUST_LOG"),
        ("RUST_LOG", "=====[[[", "RUST_LOG"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let autoscaler = Autoscaler::configure(folder.path(), "variable", &[]).with(name, value);
        assert_both_say(&refused(&autoscaler, &[]).await, words);
    }
}

#[tokio::test]
async fn files_that_are_no_configuration_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let autoscaler = Autoscaler::configure(folder.path(), "files", &[]);
    let at = |name: &str| folder.path().join(name).display().to_string();
    for unit in ["[", "{a: "] {
        std::fs::write(at("deep.yaml"), unit.repeat(100_000)).unwrap();
        let said = refused(&autoscaler, &["--config", &at("deep.yaml")]).await;
        assert_both_say(&said, "deep.yaml");
    }
    let large = std::fs::File::create(at("large.yaml")).unwrap();
    large.set_len(100 << 20).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(at("pipe"))
        .status();
    assert!(made.unwrap().success());
    for name in [
        &at("large.yaml"),
        &at("pipe"),
        "/dev/zero",
        &at("absent.yaml"),
    ] {
        assert_both_say(&refused(&autoscaler, &["--config", name]).await, name);
    }
    for name in [&at("pipe"), "/dev/zero", &at("absent.env")] {
        assert_both_say(&refused(&autoscaler, &["--env-file", name]).await, name);
    }
}

#[tokio::test]
async fn an_env_file_that_is_named_takes_the_place_of_the_one_here() {
    let folder = tempfile::tempdir().unwrap();
    let autoscaler = Autoscaler::configure(folder.path(), "env", &[]);
    std::fs::write(folder.path().join("env/.env"), "DRY_RUN=maybe\n").unwrap();
    let named = folder.path().join("named.env");
    std::fs::write(
        &named,
        "export DRY_RUN=False # to act\nAUTOSCALER__ACTUATOR__PROFILE='a b'x\n",
    )
    .unwrap();
    let named = named.display().to_string();
    assert_both_say(&refused(&autoscaler, &[]).await, "from DRY_RUN");
    assert_both_say(
        &refused(&autoscaler, &["--env-file", &named]).await,
        "actuator.profile",
    );
    std::fs::write(
        &named,
        "DRY_RUN=False\nAUTOSCALER__ACTUATOR__PROFILE=prod\n",
    )
    .unwrap();
    let config = autoscaler
        .json(&["--env-file", &named, "check-config"])
        .await;
    assert_eq!(config["actuator"]["dry_run"], false);
    assert_eq!(config["actuator"]["profile"], "prod");
}

#[tokio::test]
async fn one_file_is_not_both_databases() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("one/data");
    std::fs::create_dir_all(&data).unwrap();
    std::os::unix::fs::symlink("../decision.db", data.join("link.db")).unwrap();
    let absolute = folder.path().join("one/decision.db").display().to_string();
    for same in [absolute.as_str(), "./data/../decision.db", "data/link.db"] {
        let database = format!("database: {same}");
        let autoscaler = Autoscaler::configure(folder.path(), "one", &[("actuator", &database)]);
        assert_both_say(&refused(&autoscaler, &[]).await, "decision.database");
    }
}

#[tokio::test]
async fn a_profile_file_is_refused_by_file_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let autoscaler =
        Autoscaler::configure(folder.path(), "profile", &[("actuator", "profile: ops")]);
    let home = folder.path().join("profile/.aws");
    std::fs::create_dir_all(&home).unwrap();
    let text = "[default]\naws_access_key_id = HIDDEN\u{200b}\n[ops]\naws_access_key_id = HIDDEN\n";
    std::fs::write(home.join("credentials"), text).unwrap();
    let output = autoscaler.output(&["check-config"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for dirt in ["\u{a0}", "\u{200b}", "\0", "\r\r"] {
        let text =
            format!("[ops]\naws_access_key_id = AKIA\naws_secret_access_key = HIDDEN{dirt}\n");
        std::fs::write(home.join("credentials"), text).unwrap();
        let said = refused(&autoscaler, &[]).await;
        assert_both_say(
            &said,
            ".aws/credentials: `aws_secret_access_key` of profile `ops`",
        );
        assert!(!said.contains("HIDDEN"), "{said}");
    }
}

#[tokio::test]
async fn a_window_too_short_for_the_evidence_is_refused_by_check_config() {
    for (window, history, code) in [
        ("7200", "", 64),
        (
            "7200",
            "down_history_seconds: 3600\ndown_observed_seconds: 1800",
            0,
        ),
        ("172800", "", 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let scheduler = format!("prometheus: {{window_seconds: {window}}}");
        let sections = [("scheduler", scheduler.as_str()), ("policy", history)];
        let autoscaler = Autoscaler::configure(folder.path(), "window", &sections);
        let output = autoscaler.output(&["check-config"]).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        if code != 0 {
            for words in [
                "scheduler.prometheus.window_seconds",
                "policy.down_history_seconds (86400)",
            ] {
                assert!(stderr.contains(words), "{stderr}");
            }
        }
    }
}

#[tokio::test]
async fn no_scheduler_is_said_with_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let autoscaler = Autoscaler::configure(folder.path(), "client", &[]);
    let output = autoscaler.output(&["status"]).await;
    assert_eq!(output.status.code(), Some(69));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let address = format!("http://127.0.0.1:{}", autoscaler.ports.scheduler);
    assert!(
        stderr.contains(&address) && stderr.contains("can't be reached"),
        "{stderr}"
    );
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
}

#[tokio::test]
async fn absent_credentials_are_said_and_the_rest_stays_up() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(busy()).await;
    let section = target(&prometheus.url, ABSENT_INSTANCE);
    let autoscaler = Autoscaler::configure(
        folder.path(),
        "credentials",
        &[
            ("scheduler", &section),
            ("actuator", "dry_run: false\nallow_public_ip_change: true"),
        ],
    );
    let mut running = autoscaler.run().await;
    let result = autoscaler.tick().await.remove(0);
    assert_eq!(result["action"], "hold", "{result:#}");
    assert_says(&result, &["credentials", "AWS_"]);
    let health = autoscaler.json(&["health"]).await;
    assert_eq!(health["ok"], false, "{health:#}");
    let states: Vec<(&str, &str)> = health["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| {
            let text = |key: &str| service[key].as_str().unwrap();
            (text("service"), text("state"))
        })
        .collect();
    assert!(states.contains(&("actuator", "not_serving")), "{states:?}");
    assert!(states.contains(&("predictor", "serving")), "{states:?}");
    assert!(!running.log().contains("panicked"), "{}", running.log());
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test]
async fn what_is_wrong_around_it_is_named_and_nothing_is_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let moto = Moto::start().await;
    let small = moto.run_instance("t2.small").await;
    let metal = moto.run_instance("m5.large").await;
    let prometheus = Prometheus::start(busy()).await;
    let configure = |name: &str, section: &str, predictor: &str| {
        let sections = [
            ("scheduler", section),
            ("predictor", predictor),
            ("actuator", "dry_run: false\nallow_public_ip_change: true"),
            ("policy", "strategy: threshold"),
        ];
        Autoscaler::configure(folder, name, &sections).with_aws(&moto.url)
    };

    // The same configuration without a fault scales: so the faults are what holds the others back.
    let sound = target(&prometheus.url, &small);
    let missing = configure("model", &sound, "artifact: /nowhere/cpu");
    let result = tick(&missing).await;
    assert_eq!(result["reasonCode"], "forecast_unavailable", "{result:#}");
    assert_says(&result, &["/nowhere/cpu"]);

    let down = configure("down", &target("http://127.0.0.1:9", &small), "");
    let result = tick(&down).await;
    assert_eq!(result["reasonCode"], "metrics_unknown", "{result:#}");
    assert_says(&result, &["http://127.0.0.1:9"]);

    prometheus.answer(|_| status(503, ""));
    let result = tick(&configure("unavailable", &sound, "")).await;
    assert_eq!(result["reasonCode"], "metrics_unknown", "{result:#}");
    assert_says(&result, &["503"]);

    prometheus.answer(|_| login_page());
    let result = tick(&configure("html", &sound, "")).await;
    assert_eq!(result["reasonCode"], "metrics_unknown", "{result:#}");
    assert_says(&result, &["text/html"]);

    prometheus.answer(busy());
    let result = tick(&configure(
        "absent",
        &target(&prometheus.url, ABSENT_INSTANCE),
        "",
    ))
    .await;
    assert_eq!(result["reasonCode"], "instance_unavailable", "{result:#}");
    assert_says(&result, &[ABSENT_INSTANCE]);

    let result = tick(&configure("ladder", &target(&prometheus.url, &metal), "")).await;
    assert_eq!(result["reasonCode"], "type_outside_ladder", "{result:#}");
    // The error is about sizes: this exporter tells those of the other machine.
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.contains("m5.large"), "{reason}");

    for (instance, machine_type) in [(&small, "t2.small"), (&metal, "m5.large")] {
        assert_eq!(
            moto.instance(instance).await,
            (machine_type.to_owned(), "running".to_owned())
        );
    }

    let good = configure("sound", &sound, "");
    let mut running = good.run().await;
    let result = good.tick().await.remove(0);
    assert_eq!(
        result["action"],
        "scale_up",
        "{result:#}\n{}",
        running.log()
    );
    running
        .wait_for("the resize", Duration::from_secs(30), async || {
            moto.instance(&small).await == ("t2.medium".to_owned(), "running".to_owned())
        })
        .await;
}
