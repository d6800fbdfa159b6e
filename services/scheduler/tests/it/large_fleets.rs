//! Fleets and windows that no single query holds.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::response::Response;
use proto::scheduler::v1::Tick;
use testkit::prometheus::{Query, labels, matrix, series, status, value};

use crate::support::{WEB, World, result};

fn label(number: usize) -> String {
    format!("10.1.{}.{}:9100", number / 250, number % 250)
}

/// A world of `number` targets with labels, and its configuration.
async fn fleet_of(number: usize, prometheus: &str) -> (World, String) {
    let world = World::start().await;
    let mut lines = format!(
        "call_timeout_seconds: 20\nprometheus: {{url: '{}', timeout_seconds: 20, {prometheus}}}\ntargets:",
        world.prometheus.url
    );
    for number in 0..number {
        let id = format!("i-{number:08x}");
        world.actuator.add(&id, "t2.small", "10.0.0.1");
        lines += &format!(
            "\n- {{id: t{number}, instance_id: {id}, label: '{}'}}",
            label(number)
        );
    }
    (world, lines)
}

/// What a Prometheus with `number` machines has of those that it is asked for.
fn machines(query: &Query, number: usize) -> Response {
    let all = (0..number).map(label);
    let names = query.narrowed_to();
    let asked = all.filter(|label| names.as_ref().is_none_or(|names| names.contains(label)));
    let one = |label: String| {
        series(query, labels(&[("instance", &label)]), |_| {
            Some(value(query, 50.0).to_string())
        })
    };
    matrix(asked.map(one).collect())
}

fn errors(tick: &Tick) -> HashMap<String, usize> {
    let mut errors = HashMap::new();
    for result in &tick.results {
        *errors.entry(result.error.clone()).or_default() += 1;
    }
    errors
}

fn all_known(tick: &Tick, number: usize) {
    assert_eq!(errors(tick), [(String::new(), number)].into());
    let known = |result: &&proto::scheduler::v1::TargetResult| result.cpu_percent == Some(50.0);
    assert_eq!(tick.results.iter().filter(known).count(), number);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_asked_for_in_parts_of_its_time_and_then_by_label() {
    for too_many in [false, true] {
        let bytes = if too_many { 67_108_864 } else { 60_000 };
        let (world, lines) = fleet_of(3, &format!("max_body_bytes: {bytes}")).await;
        // The server has more machines than are asked for.
        world.prometheus.answer(move |query| {
            match too_many && !query.query.contains("=~") && query.end - query.start > 80_000 {
                true => status(
                    422,
                    "query processing would load too many samples into memory in query execution",
                ),
                false => machines(query, 9),
            }
        });
        let scheduler = world.scheduler(&lines).await;
        all_known(&scheduler.tick().await, 3);
        let times = world.predictor.last("t0").unwrap().timestamps_seconds;
        assert_eq!(times.len(), 577);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 300));
        assert!(world.prometheus.queries().len() > 16);
        all_known(&scheduler.tick().await, 3);
        let queries = world.prometheus.queries();
        assert!(
            queries.iter().all(|query| query.query.contains("=~")),
            "{queries:?}"
        );
    }
}

#[tokio::test]
async fn small_steps_over_a_long_window_are_asked_for_in_parts() {
    let world = World::start().await;
    let lines = format!(
        "prometheus: {{url: '{}', step_seconds: 15, timeout_seconds: 20}}",
        world.prometheus.url
    );
    let scheduler = world.scheduler(&lines).await;
    let tick = scheduler.tick().await;
    assert_eq!(result(&tick, "web").cpu_percent, Some(50.0), "{tick:#?}");
    let times = world.predictor.last("web").unwrap().timestamps_seconds;
    assert_eq!(times.len(), 11_521);
    let queries = world.prometheus.queries();
    assert_eq!(queries.len(), 10, "disk and steal are of the last hour");
    let points = |query: &Query| (query.end - query.start) / query.step + 1;
    assert!(queries.iter().all(|query| points(query) <= 11_000));
}

#[tokio::test]
async fn queries_in_flight_are_bounded_on_instances_too() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let world = World::start().await;
    world.prometheus.answer(|query| {
        let now = NOW.fetch_add(1, Ordering::SeqCst) + 1;
        MOST.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(40));
        NOW.fetch_sub(1, Ordering::SeqCst);
        machines(query, 1)
    });
    let port = world.prometheus.url.rsplit(':').next().unwrap();
    let mut lines = format!(
        "prometheus: {{mode: on_instance, address: public, port: {port}, concurrency: 2}}\ntargets:"
    );
    for (number, id) in [WEB, crate::support::API, crate::support::JOB]
        .iter()
        .enumerate()
    {
        world
            .actuator
            .change(id, |instance| instance.public_ip = "127.0.0.1".into());
        lines += &format!("\n- {{id: t{number}, instance_id: {id}}}");
    }
    let scheduler = world.scheduler(&lines).await;
    all_known(&scheduler.tick().await, 3);
    assert_eq!(MOST.load(Ordering::SeqCst), 2);
}
