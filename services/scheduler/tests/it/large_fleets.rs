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
    let asked = all.filter(|label| query.asks_for(label));
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

const SHORT: &str = "window_seconds: 3600";

#[tokio::test]
async fn a_large_fleet_is_asked_for_in_chunks_and_a_bad_one_blinds_only_its_own() {
    let (world, lines) = fleet_of(600, SHORT).await;
    world.prometheus.answer(|query| machines(query, 2_000));
    let scheduler = world.scheduler(&lines).await;
    all_known(&scheduler.tick().await, 600);
    let queries = world.prometheus.queries();
    assert_eq!(queries.len(), 12, "two of each");
    let longest = queries.iter().map(|query| query.query.len()).max().unwrap();
    assert!(longest > 3 * 500 * 10, "{longest}");
    assert!(
        queries
            .iter()
            .all(|query| query.asks_for(&label(3)) != query.asks_for(&label(503)))
    );

    world.prometheus.answer(
        |query| match query.is_for_cpu() && query.asks_for(&label(503)) {
            true => status(503, "one store is down"),
            false => machines(query, 2_000),
        },
    );
    let tick = scheduler.tick().await;
    let errors = errors(&tick);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!(errors[""], 500);
    assert_eq!(result(&tick, "t499").cpu_percent, Some(50.0));
    assert!(result(&tick, "t500").error.contains("one store is down"));
}

#[tokio::test]
async fn who_gives_all_whatever_is_asked_is_asked_once_more_for_all() {
    let (world, lines) = fleet_of(600, SHORT).await;
    world.prometheus.answer(|query| {
        let mut all = query.clone();
        if query.query.contains("instance=~") {
            all.query = query.query.replace("instance=~", "");
        }
        machines(&all, 600)
    });
    let scheduler = world.scheduler(&lines).await;
    all_known(&scheduler.tick().await, 600);
    let queries = world.prometheus.queries();
    assert_eq!(queries.len(), 12);
    let narrowed = queries
        .iter()
        .filter(|query| query.query.contains("=~\"10"));
    assert_eq!(narrowed.clone().count(), 6);
    assert!(
        narrowed.clone().all(|query| query.asks_for(&label(3))),
        "no second chunk"
    );
}

#[tokio::test]
async fn an_expression_that_cannot_be_narrowed_is_asked_for_all() {
    let own = "cpu_query: 'instance:cpu:rate5m', window_seconds: 3600";
    let (world, lines) = fleet_of(600, own).await;
    world.prometheus.answer(|query| machines(query, 600));
    let scheduler = world.scheduler(&lines).await;
    all_known(&scheduler.tick().await, 600);
    let queries = world.prometheus.queries();
    let own = queries
        .iter()
        .filter(|query| query.query == "instance:cpu:rate5m");
    assert_eq!((own.count(), queries.len()), (1, 11));
}

#[tokio::test]
async fn in_urls_chunks_are_smaller() {
    let (world, lines) = fleet_of(600, SHORT).await;
    world.prometheus.answer(|query| {
        let encoded = url::form_urlencoded::byte_serialize(query.query.as_bytes());
        match query.method.as_str() {
            "POST" => status(405, "read only"),
            _ if encoded.map(str::len).sum::<usize>() > 8_000 => status(414, "too long"),
            _ => machines(query, 600),
        }
    });
    let scheduler = world.scheduler(&lines).await;
    all_known(&scheduler.tick().await, 600);
    world.prometheus.queries();
    all_known(&scheduler.tick().await, 600);
    let queries = world.prometheus.queries();
    // It is known by then: none is sent in vain.
    assert!(queries.iter().all(|query| query.method == "GET"));
    for number in [0, 599] {
        let label = label(number);
        let asking = queries.iter().filter(|query| query.asks_for(&label));
        assert_eq!(asking.count(), 6, "each is asked for once");
    }
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
        assert!(world.prometheus.queries().len() > 20);
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
    assert_eq!(queries.len(), 11, "steal is of the last hour");
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

#[tokio::test]
async fn a_server_that_answers_nothing_ends_a_tick_soon() {
    let (world, lines) = fleet_of(2_000, SHORT).await;
    world.prometheus.answer(|query| {
        std::thread::sleep(Duration::from_secs(3));
        machines(query, 1)
    });
    let scheduler = world
        .scheduler(&lines.replace("timeout_seconds: 20, ", "timeout_seconds: 1, "))
        .await;
    let tick = scheduler.tick().await;
    let errors = errors(&tick);
    assert_eq!(errors.values().sum::<usize>(), 2_000);
    assert!(
        errors.keys().all(|error| error.contains("within 1 s")),
        "{errors:?}"
    );
    let asked = world.prometheus.queries().len();
    // Of 24: what was on its way already.
    assert!(asked <= 18, "{asked}");
}
