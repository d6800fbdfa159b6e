//! Figures, not checks: `make measure` prints them. Cold start and resident memory of each service, time of a tick.

use std::time::{Duration, Instant};

use common::{
    grpc::channel,
    health::{Health, check},
    metadata::outgoing,
};
use proto::scheduler::v1::{RunTickRequest, scheduler_service_client::SchedulerServiceClient};
use testkit::{
    moto::Moto,
    prometheus::{Prometheus, login_page},
};

use crate::support::{autoscaler::Autoscaler, prometheus::cpu};

const SERVICES: [&str; 4] = ["predictor", "decision", "actuator", "scheduler"];
const TICKS: u32 = 1_000;
/// Targets, and how many ticks over them are timed.
const FLEETS: [(usize, usize); 3] = [(1, 15), (100, 15), (1_000, 5)];

async fn seconds_until_serving(url: String) -> f64 {
    let start = Instant::now();
    let channel = channel(&url).unwrap();
    while check(channel.clone(), Duration::from_secs(1)).await != Health::Serving {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{url} never served"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    start.elapsed().as_secs_f64()
}

fn targets(instances: &[String], prometheus: &str) -> String {
    let list: Vec<String> = instances
        .iter()
        .enumerate()
        .map(|(number, instance)| {
            format!(
                "{{id: target-{number}, instance_id: {instance}, label: '{}'}}",
                label(number)
            )
        })
        .collect();
    format!(
        "print_decisions: false\nprometheus: {{url: '{prometheus}'}}\ntargets: [{}]",
        list.join(", ")
    )
}

fn label(number: usize) -> String {
    format!("10.0.0.{number}:9100")
}

async fn tick(scheduler: &mut SchedulerServiceClient<tonic::transport::Channel>) -> f64 {
    let start = Instant::now();
    let request = outgoing(RunTickRequest::default(), Duration::from_secs(120));
    let tick = scheduler
        .run_tick(request)
        .await
        .unwrap()
        .into_inner()
        .tick
        .unwrap();
    for result in tick.results {
        assert_eq!(result.error, "", "{}: {}", result.target_id, result.reason);
        assert!(result.predicted_cpu_percent.is_some(), "{result:?}");
    }
    start.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures: `make measure`"]
async fn print_the_figures_of_the_four_services() {
    let folder = tempfile::tempdir().unwrap();
    let moto = Moto::start().await;
    let mut instances = Vec::new();
    for _ in 0..FLEETS[FLEETS.len() - 1].0 {
        instances.push(moto.run_instance("t2.small").await);
    }
    let prometheus = Prometheus::start(|_| login_page()).await;

    for (count, repeats) in FLEETS {
        // Between the thresholds: every tick does all but resize.
        prometheus.answer(cpu(50.0, (0..count).map(label).collect()));
        let section = targets(&instances[..count], &prometheus.url);
        let name = format!("targets-{count}");
        let sections = [("scheduler", section.as_str())];
        let autoscaler = Autoscaler::configure(folder.path(), &name, &sections).with_aws(&moto.url);
        let mut services = Vec::new();
        for (service, port) in SERVICES.into_iter().zip([
            autoscaler.ports.predictor,
            autoscaler.ports.decision,
            autoscaler.ports.actuator,
            autoscaler.ports.scheduler,
        ]) {
            let process = autoscaler.start_service(service);
            let seconds = seconds_until_serving(format!("http://127.0.0.1:{port}")).await;
            if count == 1 {
                println!("cold start of {service}: {:.0} ms", seconds * 1_000.0);
            }
            services.push((service, process));
        }
        let memory = |when: &str| {
            for (service, process) in &services {
                println!(
                    "resident memory of {service}, {when}: {:.1} MiB",
                    process.resident_mib()
                );
            }
        };
        if count == 1 {
            memory("idle");
        }
        let url = format!("http://127.0.0.1:{}", autoscaler.ports.scheduler);
        let mut scheduler = SchedulerServiceClient::new(channel(&url).unwrap());
        // The first one connects and fills caches.
        let first = tick(&mut scheduler).await;
        let mut seconds = Vec::new();
        for _ in 0..repeats {
            seconds.push(tick(&mut scheduler).await);
        }
        seconds.sort_by(f64::total_cmp);
        println!(
            "tick with {count} targets: {:.0} ms median of {repeats} ({:.0} to {:.0}), the first {:.0} ms",
            seconds[repeats / 2] * 1_000.0,
            seconds[0] * 1_000.0,
            seconds[repeats - 1] * 1_000.0,
            first * 1_000.0
        );
        if count == 1 {
            for _ in 0..TICKS {
                tick(&mut scheduler).await;
            }
            memory(&format!("after {TICKS} ticks"));
        }
    }
}
