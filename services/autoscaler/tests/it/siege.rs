//! The built binary while nobody reads what it says and a crowd holds its ports: a machine that is down comes up.

use std::{
    io::Write as _,
    net::TcpStream,
    process::Child,
    time::{Duration, Instant},
};

use actuator::cloud::{InstanceState, Operation};
use common::grpc;
use simulator::cloud::{FakeCloud, Moment, Timing};
use testkit::wait::{SOON, until};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::site::{ID, Site};

/// Idle connections, a part of them greeted as HTTP/2.
fn crowd(ports: &[u16], connections: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for number in 0..connections {
        let address = ([127, 0, 0, 1], ports[number % ports.len()]).into();
        // The queue of a listener may be full for a moment.
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
            continue;
        };
        if number % 3 == 0 {
            let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        }
        crowd.push(stream);
    }
    crowd
}

async fn gather(ports: [u16; 6], connections: usize) -> Vec<TcpStream> {
    let crowd = tokio::task::spawn_blocking(move || crowd(&ports, connections));
    let crowd = crowd.await.unwrap();
    assert!(crowd.len() > connections * 9 / 10, "{}", crowd.len());
    crowd
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_and_a_machine_that_is_down_comes_up() {
    let target = format!("targets: [{{id: web, instance_id: {ID}}}]");
    let site = Site::new(&[ID], &target).await.log_on_a_fifo();
    // More than the pipe, and the queue, hold.
    let site = Site {
        autoscaler: site.autoscaler.with("RUST_LOG", "trace"),
        ..site
    };
    let held = site.fake.hold(Operation::ModifyType, 1, Moment::Before);
    let mut running = site.run(1_024, true);
    site.actuator_serves().await;
    let mut command = site.resize(ID);
    tokio::time::timeout(SOON, held.arrived()).await.unwrap();
    assert!(!site.runs(ID));
    running.kill();
    let _ = command.kill();
    let _ = command.wait();

    let mut running = site.run(1_024, true);
    until("the machine runs", async || site.runs(ID)).await;
    site.actuator_serves().await;
    drop(held);

    // Ticks write decision lines, to stdout and to the FIFO.
    until("the scheduler answers", async || {
        let address = ("127.0.0.1", site.autoscaler.ports.http);
        tokio::net::TcpStream::connect(address).await.is_ok()
    })
    .await;
    for _ in 0..3 {
        let output = site.autoscaler.output(&["tick"]).await;
        // It holds: there is no Prometheus.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("web") && text.contains("hold"), "{output:?}");
    }
    until("dropped lines are counted", async || {
        let text = site.page(site.metrics_port, "/metrics").await;
        text.lines()
            .filter_map(|line| {
                line.strip_prefix(r#"autoscaler_actuator_log_lines_dropped_total{sink="stderr"} "#)
            })
            .any(|count| count != "0")
    })
    .await;
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_start_ends_although_nobody_reads_why() {
    let site = Site::new(&[ID], "tick_interval_seconds: never").await;
    let began = Instant::now();
    let mut running = site.run(1_024, true);
    assert_eq!(running.exit_code().await, Some(64));
    assert!(began.elapsed() < SOON / 3, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_holds_the_ports_and_a_machine_that_is_down_comes_up() {
    common::descriptors::raise_limit();
    let site = Site::new(&[ID], "").await;
    let held = site.fake.hold(Operation::ModifyType, 1, Moment::Before);
    let mut running = site.run(1_024, false);
    site.actuator_serves().await;
    let mut command = site.resize(ID);
    tokio::time::timeout(SOON, held.arrived()).await.unwrap();
    let before = gather(site.ports(), 2_000).await;
    running.kill();
    drop(before);
    let _ = command.kill();
    let _ = command.wait();
    assert!(!site.runs(ID));

    // The crowd is there before the call that starts the machine.
    let start = site.fake.hold(Operation::Start, 1, Moment::Before);
    let mut running = site.run(1_024, false);
    tokio::time::timeout(SOON, start.arrived()).await.unwrap();
    let _crowd = gather(site.ports(), 2_000).await;
    let mut open = 0;
    until("all are accepted", async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = std::mem::replace(&mut open, running.descriptors());
        open == before
    })
    .await;
    // That call's answer is lost.
    start.lose();
    until("the machine runs", async || site.runs(ID)).await;
    assert!(open < 800, "{open} descriptors");
    site.actuator_serves().await;

    // And another one goes down and up, asked for through the crowd.
    let output = tokio::task::spawn_blocking({
        let command = site.resize(ID);
        || command.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(site.runs(ID), "{text}\n{}", site.log());
    let metrics = site.page(site.metrics_port, "/metrics").await;
    assert!(metrics.contains("log_lines_dropped_total"), "{metrics}");
    assert!(site.log().contains("limit of open files"), "{}", site.log());
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_over_all_connections_and_give_their_memory_back() {
    common::descriptors::raise_limit();
    let site = Site::new(&[ID], "").await;
    let running = site.run(4_096, false);
    site.actuator_serves().await;
    let before = running.resident_mib();
    let url = format!("http://127.0.0.1:{}", site.autoscaler.ports.actuator);
    let mut tasks = Vec::new();
    for _ in 0..300 {
        let url = url.clone();
        tasks.push(tokio::spawn(async move {
            let channel = grpc::channel(&url).unwrap();
            let mut streams = Vec::new();
            for _ in 0..150 {
                let mut client = HealthClient::new(channel.clone());
                let watch = client.watch(HealthCheckRequest::default());
                if let Ok(Ok(stream)) = tokio::time::timeout(SOON, watch).await {
                    streams.push(stream.into_inner());
                }
            }
            (channel, streams)
        }));
    }
    let mut held = Vec::new();
    for task in tasks {
        held.push(task.await.unwrap());
    }
    let streams: usize = held.iter().map(|(_, streams)| streams.len()).sum();
    let during = running.resident_mib();
    println!("{streams} of 45000 streams; resident before {before:.0} MiB, during {during:.0} MiB");
    assert!((1..=512).contains(&streams), "{streams}");
    assert!(during < before + 150.0, "{before} MiB grew to {during} MiB");
    site.actuator_serves().await;
    drop(held);
    // Others watch again, and a message that is too large costs nothing.
    let channel = grpc::channel(&url).unwrap();
    let service = "x".repeat(100_000_000);
    let mut client = HealthClient::new(channel.clone());
    let status = client.check(HealthCheckRequest { service }).await;
    let status = status.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    let after = running.resident_mib();
    assert!(after < during + 50.0, "{during} MiB grew to {after} MiB");
    until("a watch", async || {
        let mut client = HealthClient::new(channel.clone());
        client.watch(HealthCheckRequest::default()).await.is_ok()
    })
    .await;
}

/// How long each machine was not running, in one observation of ten resizes.
async fn downtimes(fake: &FakeCloud, ids: &[String], ended: impl Fn() -> bool) -> Vec<Duration> {
    let mut down = vec![Duration::ZERO; ids.len()];
    let mut last = Instant::now();
    let start = last;
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let passed = last.elapsed();
        last += passed;
        let mut all_run = true;
        for (id, down) in ids.iter().zip(&mut down) {
            if fake.state(id) != Some(InstanceState::Running) {
                *down += passed;
                all_run = false;
            }
        }
        if all_run && ended() {
            return down;
        }
        assert!(start.elapsed() < SOON * 2, "down for {down:?}");
    }
}

fn seconds(down: &[Duration]) -> String {
    let seconds = down.iter().map(|down| format!("{:.1}", down.as_secs_f64()));
    seconds.collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Copy, PartialEq)]
enum Siege {
    None,
    /// Nobody reads, 2,000 connections, and killed while machines are down.
    Crowd,
    /// And the decision database is garbage when it starts again.
    Garbage,
}

async fn ten_resizes(siege: Siege) -> Vec<Duration> {
    let under_siege = siege != Siege::None;
    let ids: Vec<String> = (0..10)
        .map(|n| format!("i-0123456789abcde{n:02}"))
        .collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let site = Site::new(&names, "").await;
    // Slow enough that the process can die while all are down.
    site.fake.set_timing(Timing::faster(6));
    let mut running = site.run(1_024, under_siege);
    site.actuator_serves().await;
    let crowd = match under_siege {
        true => gather(site.ports(), 2_000).await,
        false => Vec::new(),
    };
    let mut commands: Vec<Child> = names.iter().map(|id| site.resize(id)).collect();
    let besieging = async {
        until("all are down", async || {
            names.iter().all(|id| !site.runs(id))
        })
        .await;
        if !under_siege {
            return None;
        }
        running.kill();
        drop(crowd);
        let damaged: &[&str] = match siege {
            Siege::Garbage => &["", "-wal", "-shm"],
            Siege::None | Siege::Crowd => &[],
        };
        for suffix in damaged {
            let file = site.data().join(format!("decision.db{suffix}"));
            std::fs::write(file, b"garbage").unwrap();
        }
        let again = site.run(1_024, true);
        // The ports that listen, for as long as they do.
        let ports = site.ports();
        let crowd = tokio::task::spawn_blocking(move || {
            let mut crowd = Vec::new();
            let start = Instant::now();
            while crowd.len() < 2_000 && start.elapsed() < Duration::from_secs(5) {
                for port in ports {
                    crowd.extend(TcpStream::connect(("127.0.0.1", port)));
                }
            }
            crowd
        });
        Some((again, crowd.await.unwrap()))
    };
    let stopped = || site.fake.count(Operation::Stop) >= 10;
    let (down, _again) = tokio::join!(downtimes(&site.fake, &ids, stopped), besieging);
    assert!(down.iter().all(|down| !down.is_zero()), "{down:?}");
    for command in &mut commands {
        let _ = command.kill();
        let _ = command.wait();
    }
    down
}

async fn no_longer_down_than(siege: Siege, what: &str) {
    common::descriptors::raise_limit();
    let undisturbed = ten_resizes(Siege::None).await;
    let besieged = ten_resizes(siege).await;
    eprintln!("seconds down, undisturbed: {}", seconds(&undisturbed));
    eprintln!("seconds down, {what}: {}", seconds(&besieged));
    for (besieged, undisturbed) in besieged.iter().zip(&undisturbed) {
        assert!(*besieged < *undisturbed + SOON, "{besieged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_resizes_unread_in_a_crowd_and_killed() {
    no_longer_down_than(
        Siege::Crowd,
        "nobody reading, 2,000 connections, killed in the middle",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_resizes_through_everything_at_once() {
    no_longer_down_than(
        Siege::Garbage,
        "nobody reading, 2,000 connections, killed, a decision database of garbage",
    )
    .await;
}
