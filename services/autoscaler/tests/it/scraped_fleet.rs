//! A fleet as Debian's Prometheus holds it: node exporters' series, scraped at the intervals that people use.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use common::clock::machine;
use testkit::{
    moto::Moto,
    process::{Process, free_port},
    test_servers,
};

use crate::support::autoscaler::Autoscaler;

const MACHINES: u64 = 200;
/// Seconds; one after the other among the machines.
const SCRAPE_INTERVALS: [u64; 3] = [15, 60, 120];
const HISTORY_SECONDS: u64 = 3 * 3_600;

fn scrape_interval(machine: u64) -> u64 {
    SCRAPE_INTERVALS[(machine % 3) as usize]
}

/// CPU that the machine is busy with all the time, percent.
fn busy_percent(machine: u64) -> f64 {
    20.0 + (machine % 40) as f64
}

fn label(machine: u64) -> String {
    format!("10.0.{}.{}:9100", machine / 100, machine % 100)
}

/// Scrapes go on while the test asks.
const FUTURE_SECONDS: u64 = 600;

/// What the machines' node exporters said until `end`, and will have said a while later, as OpenMetrics.
fn scraped(end: u64) -> String {
    let mut text = String::new();
    let metrics: [(&str, &str, f64); 7] = [
        ("node_cpu_seconds_total", "cpu=\"0\",mode=\"idle\"", 0.0),
        ("node_cpu_seconds_total", "cpu=\"0\",mode=\"user\"", 0.0),
        ("node_cpu_seconds_total", "cpu=\"0\",mode=\"iowait\"", 0.0),
        ("node_memory_MemTotal_bytes", "", 2_147_483_648.0),
        ("node_memory_MemAvailable_bytes", "", 1_288_490_188.0),
        ("node_disk_read_bytes_total", "device=\"xvda\"", 2_000.0),
        ("node_disk_written_bytes_total", "device=\"xvda\"", 1_000.0),
    ];
    for (name, labels, number) in metrics {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        // OpenMetrics names a family once, and a counter's without its end.
        if !labels.starts_with("cpu=\"0\"") || labels.contains("idle") {
            let family = name.trim_end_matches("_total");
            writeln!(text, "# TYPE {family} {kind}").unwrap();
        }
        for machine in 0..MACHINES {
            let busy = busy_percent(machine) / 100.0;
            let each_second = match labels {
                _ if labels.contains("idle") => 1.0 - busy,
                _ if labels.contains("user") => busy,
                _ => number,
            };
            let mut labels = labels.to_owned();
            if !labels.is_empty() {
                labels.push(',');
            }
            let instance = label(machine);
            // Scrapes are spread over the interval.
            let interval = scrape_interval(machine);
            let mut at = end - HISTORY_SECONDS + machine % interval;
            while at < end + FUTURE_SECONDS {
                let uptime = (at + HISTORY_SECONDS - end + 86_400) as f64;
                let value = match kind {
                    "counter" => each_second * uptime,
                    _ => number,
                };
                writeln!(
                    text,
                    "{name}{{{labels}instance=\"{instance}\",job=\"node\"}} {value} {at}"
                )
                .unwrap();
                at += interval;
            }
        }
    }
    text + "# EOF\n"
}

/// A Prometheus whose storage holds that.
async fn prometheus(servers: &Path, folder: &Path) -> (Process, String) {
    let storage = storage(servers, folder);
    let config = folder.join("prometheus.yml");
    std::fs::write(&config, "scrape_configs: []\n").unwrap();
    let port = free_port();
    let mut command = Command::new(servers.join("usr/bin/prometheus"));
    command.args([
        &format!("--config.file={}", config.display()),
        &format!("--storage.tsdb.path={}", storage.display()),
        &format!("--web.listen-address=127.0.0.1:{port}"),
    ]);
    let mut process = Process::start("prometheus", folder, &mut command);
    process.wait_for_port(port).await;
    (process, format!("http://127.0.0.1:{port}"))
}

fn storage(servers: &Path, folder: &Path) -> PathBuf {
    let now = machine().now().as_second();
    let (text, storage) = (folder.join("scraped.txt"), folder.join("tsdb"));
    std::fs::write(&text, scraped(now as u64)).unwrap();
    let made = Command::new(servers.join("usr/bin/promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&text, &storage])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    storage
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_scrape_interval_the_default_queries_give_every_machine_a_forecast() {
    let servers = test_servers();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_prometheus, url) = prometheus(&servers, folder).await;
    let moto = Moto::start().await;
    let mut targets = Vec::new();
    for machine in 0..MACHINES {
        let instance = moto.run_instance("t2.small").await;
        targets.push(format!(
            "{{id: m{machine}, instance_id: {instance}, label: '{}'}}",
            label(machine)
        ));
    }
    let section = format!(
        "print_decisions: false\nprometheus: {{url: '{url}'}}\ntargets: [{}]",
        targets.join(", ")
    );
    let autoscaler = Autoscaler::configure(folder, "fleet", &[("scheduler", &section)]);
    let autoscaler = autoscaler.with_aws(&moto.url);
    let mut running = autoscaler.run().await;
    let results = autoscaler.tick().await;
    assert_eq!(results.len() as u64, MACHINES);
    for result in results {
        let id = result["targetId"].as_str().unwrap();
        let machine: u64 = id.trim_start_matches('m').parse().unwrap();
        let interval = scrape_interval(machine);
        let said = format!("scraped every {interval} s: {result:#}");
        let cpu = result["cpuPercent"].as_f64().expect(&said);
        assert!((cpu - busy_percent(machine)).abs() < 0.5, "{said}");
        let predicted = result["predictedCpuPercent"].as_f64().expect(&said);
        assert!((predicted - busy_percent(machine)).abs() < 5.0, "{said}");
        let memory = result["memoryPercent"].as_f64().expect(&said);
        assert!((memory - 40.0).abs() < 0.1, "{said}");
        let disk = result["diskBytesPerSecond"].as_f64().expect(&said);
        assert!((disk - 3_000.0).abs() < 1.0, "{said}");
        assert_ne!(result["forecastBasis"], "", "{said}");
    }
    assert_eq!(running.terminate().await, Some(0));
}
