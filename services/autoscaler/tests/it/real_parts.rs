//! The whole loop on real parts: Debian's Prometheus and node exporter, this machine's own CPU, and moto as AWS.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use testkit::{
    http,
    moto::Moto,
    process::{Process, free_port},
    test_servers,
};

use crate::support::autoscaler::Autoscaler;

/// Keeps one core busy until dropped.
struct Load(Arc<AtomicBool>);

impl Load {
    fn start() -> Self {
        let run = Arc::new(AtomicBool::new(true));
        let running = Arc::clone(&run);
        std::thread::spawn(move || {
            let mut number = 0_u64;
            while running.load(Ordering::Relaxed) {
                number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(7));
            }
        });
        Self(run)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A node exporter on this machine and a Prometheus that scrapes it every second.
struct Monitoring {
    _exporter: Process,
    prometheus: Process,
    url: String,
    label: String,
}

impl Monitoring {
    async fn start(servers: &Path, folder: &Path) -> Self {
        let exporter_port = free_port();
        let label = format!("127.0.0.1:{exporter_port}");
        let mut command = Command::new(servers.join("usr/bin/prometheus-node-exporter"));
        command.args([
            &format!("--web.listen-address={label}"),
            "--collector.disable-defaults",
            "--collector.cpu",
            "--collector.meminfo",
            "--collector.diskstats",
        ]);
        let mut exporter = Process::start("exporter", folder, &mut command);
        exporter.wait_for_port(exporter_port).await;

        let config = folder.join("prometheus.yml");
        let scrape = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: node\n  static_configs:\n  - targets: ['{label}']\n"
        );
        std::fs::write(&config, scrape).unwrap();
        let port = free_port();
        let mut command = Command::new(servers.join("usr/bin/prometheus"));
        command.args([
            &format!("--config.file={}", config.display()),
            &format!("--storage.tsdb.path={}", folder.join("tsdb").display()),
            &format!("--web.listen-address=127.0.0.1:{port}"),
        ]);
        let mut prometheus = Process::start("prometheus", folder, &mut command);
        prometheus.wait_for_port(port).await;
        Self {
            _exporter: exporter,
            prometheus,
            url: format!("http://127.0.0.1:{port}"),
            label,
        }
    }

    /// Waits until there is a CPU rate to read for at least `seconds`.
    async fn wait_for_history(&mut self, seconds: usize) {
        let address = self.url.trim_start_matches("http://");
        let path = "/api/v1/query?query=count_over_time(node_memory_MemTotal_bytes%5B5m%5D)";
        self.prometheus
            .wait_for("history", Duration::from_secs(90), async || {
                let answer = http::get(address, path).await;
                let body = answer.split_once("\r\n\r\n").unwrap().1;
                let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
                let count = answer["data"]["result"][0]["value"][1].as_str();
                count.and_then(|count| count.parse().ok()) >= Some(seconds)
            })
            .await;
    }
}

fn sections(monitoring: &Monitoring, instance_id: &str) -> Vec<(&'static str, String)> {
    // The seed's expressions with a shorter rate window: this Prometheus is a minute old.
    let scheduler = format!(
        "prometheus:\n  \
           url: {}\n  \
           cpu_query: '100 - (avg by(instance)(rate(node_cpu_seconds_total{{mode=\"idle\"}}[10s])) * 100)'\n  \
           step_seconds: 5\n  \
           window_seconds: 600\n\
         targets:\n\
         - id: web\n  \
           instance_id: {instance_id}\n  \
           label: {}",
        monitoring.url, monitoring.label
    );
    vec![
        ("scheduler", scheduler),
        // A busy core is far above this, an idle machine far below.
        ("policy", "scale_up_cpu: 20\nscale_down_cpu: 1".to_owned()),
    ]
}

fn configure(
    folder: &Path,
    name: &str,
    sections: &[(&'static str, String)],
    actuator: &str,
    moto: &Moto,
) -> Autoscaler {
    let mut all: Vec<(&str, &str)> = sections
        .iter()
        .map(|(section, lines)| (*section, lines.as_str()))
        .collect();
    all.push(("actuator", actuator));
    Autoscaler::configure(folder, name, &all).with_aws(&moto.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_machine_grows_once_and_a_dry_run_changes_nothing() {
    let servers = test_servers();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _load = (Load::start(), Load::start());
    let mut monitoring = Monitoring::start(&servers, folder).await;
    let moto = Moto::start().await;
    let instance = moto.run_instance("t2.small").await;
    let untouched = moto.run_instance("t2.small").await;
    monitoring.wait_for_history(45).await;

    // Dry run first: twice the same decision, nothing at moto, no cooldown.
    let dry = configure(
        folder,
        "dry",
        &sections(&monitoring, &untouched),
        "dry_run: true\nallow_public_ip_change: true",
        &moto,
    );
    let mut running = dry.run().await;
    for _ in 0..2 {
        let result = dry.tick().await.remove(0);
        assert_eq!(
            result["action"],
            "scale_up",
            "{result:#}\n{}",
            running.log()
        );
        assert_eq!(result["actionTaken"], "dry_run", "{result:#}");
    }
    assert_eq!(
        moto.instance(&untouched).await,
        ("t2.small".into(), "running".into())
    );
    assert_eq!(moto.commands(&untouched).await.len(), 0);
    assert_eq!(running.terminate().await, Some(0));

    // Then for real.
    let sections = sections(&monitoring, &instance);
    let real = configure(
        folder,
        "real",
        &sections,
        "dry_run: false\nallow_public_ip_change: true",
        &moto,
    );
    let mut running = real.run().await;
    let result = real.tick().await.remove(0);
    assert_eq!(
        result["action"],
        "scale_up",
        "{result:#}\n{}",
        running.log()
    );
    assert_eq!(
        result["actionTaken"],
        "succeeded",
        "{result:#}\n{}",
        running.log()
    );
    assert_eq!(
        moto.instance(&instance).await,
        ("t2.medium".into(), "running".into())
    );
    let commands = moto.commands(&instance).await;
    assert_eq!(commands.len(), 1, "{commands:#?}");
    assert!(
        commands[0]["DocumentName"] == "CloudAutoscaler-SetupMonitoring",
        "{commands:#?}"
    );

    // The cooldown holds on the next tick.
    let result = real.tick().await.remove(0);
    assert_eq!(
        (&result["action"], &result["reasonCode"]),
        (&"hold".into(), &"cooldown".into()),
        "{result:#}\n{}",
        running.log()
    );
    // And after a kill and a restart.
    running.kill();
    let mut running = real.run().await;
    let result = real.tick().await.remove(0);
    assert_eq!(
        (&result["action"], &result["reasonCode"]),
        (&"hold".into(), &"cooldown".into()),
        "{result:#}\n{}",
        running.log()
    );
    assert_eq!(
        moto.instance(&instance).await,
        ("t2.medium".into(), "running".into())
    );
    assert_eq!(moto.commands(&instance).await.len(), 1);

    // The decision explains itself, and the history names how it ended.
    let decisions = real.json(&["decisions", "--actions"]).await;
    let decision = &decisions["decisions"][0];
    assert_eq!(decision["outcome"], "OUTCOME_SUCCEEDED", "{decisions:#}");
    let id = decision["decisionId"].as_str().unwrap();
    let explained = real.output(&["explain", id]).await;
    let text = String::from_utf8(explained.stdout).unwrap();
    assert!(
        text.contains("t2.small") && text.contains("t2.medium"),
        "{text}"
    );
    // It comes out the same again; by a policy that asks for more it does not.
    let replayed = real.output(&["replay", id]).await;
    let text = String::from_utf8(replayed.stdout).unwrap();
    assert!(replayed.status.success(), "{text}");
    assert!(text.contains("the same, to the letter"), "{text}");
    let careful = folder.join("careful.yaml");
    std::fs::write(
        &careful,
        "policy: {scale_up_cpu: 100, saturation_seconds: 0}\n",
    )
    .unwrap();
    let replayed = real
        .output(&["replay", id, "--policy", careful.to_str().unwrap()])
        .await;
    let text = String::from_utf8(replayed.stdout).unwrap();
    assert!(replayed.status.success(), "{text}");
    assert!(text.contains("hold on t2.small"), "{text}");
    assert_eq!(running.terminate().await, Some(0));
}
