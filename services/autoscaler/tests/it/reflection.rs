//! Two clients that know no proto file list and call every method by reflection: `buf curl`, and Python's grpcio.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use testkit::{moto::Moto, prometheus::Prometheus, test_servers};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{autoscaler::Autoscaler, prometheus::cpu};

const LABEL: &str = "10.0.0.1:9100";

/// A request for each method that can't do with an empty one, and the code that it must get where that isn't OK.
fn requests(instance_id: &str, client: &str) -> BTreeMap<&'static str, (Value, &'static str)> {
    let timestamps: Vec<i64> = (0..300).map(|point| 1_767_571_200 + 300 * point).collect();
    let cpu: Vec<f64> = (0..300).map(|point| 40.0 + f64::from(point % 12)).collect();
    let batch =
        json!({"series": [{"series_id": "web", "timestamps_seconds": timestamps, "cpu": cpu}]});
    let policy = json!({
        "strategy": "STRATEGY_THRESHOLD", "scale_up_cpu": 80, "scale_down_cpu": 20, "min_confidence": 0.6,
        "cooldown_seconds": 600, "ladder": ["t2.small", "t2.medium"], "horizon_seconds": 900,
        "memory_margin_percent": 10, "saturation_seconds": 600, "max_sample_age_seconds": 900,
    });
    let lease = json!({"resource": client, "holder": "me", "ttl_seconds": 60, "epoch": 1});
    let acquire = json!({"resource": client, "holder": "me", "ttl_seconds": 60});
    // `buf curl` lists by name: it releases before it renews.
    let release = json!({"resource": format!("{client}-released"), "holder": "me", "epoch": 1});
    let resize = json!({
        "resize_id": "by-reflection", "instance_id": instance_id, "target_instance_type": "t2.medium",
        "expected_instance_type": "t2.small", "dry_run": true, "reason": "a test",
    });
    let decide = json!({
        "tick_id": "tick-1", "target_id": "web", "instance_id": instance_id, "instance_type": "t2.small",
        "unknown_reason": "nothing was measured", "unknown_reason_code": "REASON_CODE_METRICS_UNKNOWN",
        // Without a lease, as a person asks.
        "dry_run": true,
    });
    let unknown_decision = json!({"decision_id": "019ac000-0000-7000-8000-000000000000"});
    let outcome = json!({
        "decision_id": "019ac000-0000-7000-8000-000000000000", "outcome": "OUTCOME_SUCCEEDED",
        "finished_at": "2026-01-05T00:00:00Z", "instance_type": "t2.medium",
    });
    BTreeMap::from([
        ("Forecast", (batch.clone(), "OK")),
        ("ForecastStream", (json!({"request": batch}), "OK")),
        ("Decide", (decide, "OK")),
        ("GetDecision", (unknown_decision.clone(), "NOT_FOUND")),
        ("ExplainDecision", (unknown_decision.clone(), "NOT_FOUND")),
        ("ReplayDecision", (unknown_decision, "NOT_FOUND")),
        ("ReportOutcome", (outcome, "NOT_FOUND")),
        ("ApplyPolicy", (json!({"policy": policy}), "OK")),
        ("ValidatePolicy", (json!({"policy": policy}), "OK")),
        (
            "Pause",
            (json!({"target_id": "web", "reason": "a test"}), "OK"),
        ),
        ("Resume", (json!({"target_id": "web"}), "OK")),
        ("GetTargetState", (json!({"target_id": "web"}), "OK")),
        // An epoch that was never given out, whether the scheduler holds its lease already or not.
        (
            "ReviewTarget",
            (
                json!({"target_id": "web", "demand": [0.5, 0.6], "lease_epoch": "1"}),
                "FAILED_PRECONDITION",
            ),
        ),
        ("AcquireLease", (acquire, "OK")),
        // An epoch is a time: this one was never given out.
        ("RenewLease", (lease, "ABORTED")),
        ("ReleaseLease", (release, "OK")),
        (
            "DescribeInstance",
            (json!({"instance_id": instance_id}), "OK"),
        ),
        (
            "DescribeInstances",
            (json!({"instance_ids": [instance_id]}), "OK"),
        ),
        (
            "ReadMetrics",
            (
                json!({
                    "instance_ids": [instance_id], "metrics": ["METRIC_CPU_UTILIZATION"],
                    "start": "2026-03-01T00:00:00Z", "end": "2026-03-01T01:00:00Z", "period_seconds": 300,
                }),
                // moto does not speak CloudWatch's protocol, CBOR.
                "FAILED_PRECONDITION",
            ),
        ),
        (
            "ListInstanceTypes",
            (json!({"instance_types": ["t2.small"]}), "OK"),
        ),
        (
            "Preflight",
            (
                json!({"instance_id": instance_id, "target_instance_type": "t2.medium"}),
                "OK",
            ),
        ),
        ("StartResize", (resize, "OK")),
        ("GetResize", (json!({"resize_id": "by-reflection"}), "OK")),
        ("WatchResize", (json!({"resize_id": "by-reflection"}), "OK")),
        (
            "ConfigureMonitoring",
            (json!({"instance_id": instance_id, "dry_run": true}), "OK"),
        ),
        // A stream of what happens from now on: nothing does.
        ("WatchEvents", (json!({}), "DEADLINE_EXCEEDED")),
        // The health service's stream begins with the state of now.
        ("Watch", (json!({}), "OK")),
    ])
}

fn methods_in_the_contract() -> Vec<String> {
    let pool = prost_reflect::DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let mut methods: Vec<String> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| method.full_name().to_owned())
        .filter(|name| name.starts_with("autoscaler."))
        .map(|name| {
            let (service, method) = name.rsplit_once('.').unwrap();
            format!("{service}/{method}")
        })
        .collect();
    methods.sort();
    methods
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_call_every_method_by_reflection() {
    let servers = test_servers();
    let folder = tempfile::tempdir().unwrap();
    let moto = Moto::start().await;
    let instance = moto.run_instance("t2.small").await;
    let prometheus = Prometheus::start(cpu(50.0, vec![LABEL.to_owned()])).await;
    let scheduler = format!(
        "prometheus: {{url: '{}'}}\ntargets: [{{id: web, instance_id: {instance}, label: '{LABEL}'}}]",
        prometheus.url
    );
    let autoscaler =
        Autoscaler::configure(folder.path(), "reflection", &[("scheduler", &scheduler)])
            .with_aws(&moto.url);
    let _running = autoscaler.run().await;
    let ports = [
        autoscaler.ports.predictor,
        autoscaler.ports.decision,
        autoscaler.ports.actuator,
        autoscaler.ports.scheduler,
    ];
    let by_method = requests(&instance, "python");
    let python = by_python(&servers, &ports, &by_method);
    let called: Vec<String> = python
        .keys()
        .filter(|method| method.starts_with("autoscaler."))
        .cloned()
        .collect();
    assert_eq!(called, methods_in_the_contract());
    for (method, (code, answer)) in &python {
        let name = method.rsplit_once('/').unwrap().1;
        let expected = by_method.get(name).map_or("OK", |(_, code)| code);
        assert_eq!(code, expected, "{method}: {answer}");
    }

    let by_method = requests(&instance, "buf");
    for port in ports {
        let address = format!("http://127.0.0.1:{port}");
        let listed = buf_curl(&servers, &["--list-methods", &address], 0);
        for method in listed
            .lines()
            .filter(|method| method.starts_with("autoscaler."))
        {
            let name = method.rsplit_once('/').unwrap().1;
            let empty = (json!({}), "OK");
            let (request, code) = by_method.get(name).unwrap_or(&empty);
            let url = format!("{address}/{method}");
            // It follows a stream to its end, which this one does not have.
            if name == "WatchEvents" {
                first_event(&servers, &url, &autoscaler).await;
                continue;
            }
            let data = request.to_string();
            // `buf curl` exits with the code shifted left by three.
            let exit = match *code {
                "OK" => 0,
                "NOT_FOUND" => 5 << 3,
                "FAILED_PRECONDITION" => 9 << 3,
                "ABORTED" => 10 << 3,
                other => panic!("the code {other} has no number here"),
            };
            buf_curl(&servers, &["--data", &data, &url], exit);
        }
    }
}

fn by_python(
    servers: &Path,
    ports: &[u16],
    requests: &BTreeMap<&str, (Value, &str)>,
) -> BTreeMap<String, (String, String)> {
    let bodies: BTreeMap<_, _> = requests
        .iter()
        .map(|(method, (request, _))| (method, request))
        .collect();
    let mut child = Command::new(servers.join("venv/bin/python"))
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/reflection_client.py"
        ))
        .args(ports.iter().map(|port| format!("127.0.0.1:{port}")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &bodies).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let mut field = || fields.next().unwrap();
            (field(), (field(), field()))
        })
        .collect()
}

/// Watches until a tick is heard of.
async fn first_event(servers: &Path, url: &str, autoscaler: &Autoscaler) {
    let mut child = tokio::process::Command::new(servers.join("venv/bin/buf"))
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
        .args(["--data", "{}", url])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..20 {
        // The first may come before it watches.
        autoscaler.tick().await;
        let line = tokio::time::timeout(Duration::from_secs(1), lines.next_line()).await;
        if let Ok(line) = line {
            let line = line.unwrap().unwrap();
            assert!(line.starts_with('{'), "{line}");
            return;
        }
    }
    panic!("no event in 20 ticks");
}

fn buf_curl(servers: &Path, arguments: &[&str], exit: i32) -> String {
    let output = Command::new(servers.join("venv/bin/buf"))
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(exit),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
