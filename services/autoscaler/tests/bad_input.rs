//! What an operator gets wrong: one clear line that names cause and remedy, no panic, nothing scaled.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod support;

use std::time::Duration;

use support::{
    autoscaler::Autoscaler,
    moto::Moto,
    prometheus::{Answer, Prometheus},
    test_servers,
};

const LABEL: &str = "10.0.0.1:9100";
const ABSENT_INSTANCE: &str = "i-0123456789abcdef0";

fn busy() -> Answer {
    Answer::Cpu(90.0, vec![LABEL.to_owned()])
}

fn target(prometheus: &str, instance_id: &str) -> String {
    format!(
        "prometheus:\n  url: {prometheus}\n  timeout_seconds: 2\ntargets:\n- id: web\n  instance_id: {instance_id}\n  label: {LABEL}"
    )
}

/// Runs one tick and returns the result of its only target. The process must live on.
async fn tick(autoscaler: &Autoscaler) -> serde_json::Value {
    let running = autoscaler.run().await;
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
            assert_eq!(
                stderr.trim_end(),
                "autoscaler: unknown configuration key `policy.scale_up_cpuu`; did you mean `scale_up_cpu`?"
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
    let running = autoscaler.run().await;
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
    let Some(servers) = test_servers() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let moto = Moto::start(&servers, folder).await;
    let small = moto.run_instance("t2.small").await;
    let metal = moto.run_instance("m5.large").await;
    let prometheus = Prometheus::start(busy()).await;
    let configure = |name: &str, section: &str, predictor: &str| {
        let sections = [
            ("scheduler", section),
            ("predictor", predictor),
            ("actuator", "dry_run: false\nallow_public_ip_change: true"),
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

    prometheus.set(Answer::Unavailable);
    let result = tick(&configure("unavailable", &sound, "")).await;
    assert_eq!(result["reasonCode"], "metrics_unknown", "{result:#}");
    assert_says(&result, &["503"]);

    prometheus.set(Answer::Html);
    let result = tick(&configure("html", &sound, "")).await;
    assert_eq!(result["reasonCode"], "metrics_unknown", "{result:#}");
    assert_says(&result, &["text/html"]);

    prometheus.set(busy());
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
