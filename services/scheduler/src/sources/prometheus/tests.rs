use std::{collections::BTreeMap, time::Duration};

use axum::response::Response;
use testkit::prometheus::{Prometheus as Server, Query, labels, matrix, series, status, value};

use super::*;
use crate::domain::InstanceState;

const NOW: i64 = 1_700_000_000;

fn label(number: usize) -> String {
    format!("10.1.{}.{}:9100", number / 250, number % 250)
}

/// What a server with `number` machines has of those that it is asked for.
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

fn targets(number: usize) -> Vec<Target> {
    let target = |number: usize| Target {
        id: format!("t{number}"),
        instance_id: format!("i-{number:08x}"),
        label: Some(label(number)),
        ladder: Vec::new(),
    };
    (0..number).map(target).collect()
}

/// A source of `number` targets that reads three samples from `server`.
fn source(
    server: &Server,
    number: usize,
    change: impl FnOnce(&mut PrometheusConfig),
) -> PrometheusSource {
    let mut config = PrometheusConfig {
        url: server.url.clone(),
        window_seconds: 600,
        timeout_seconds: 60,
        ..PrometheusConfig::default()
    };
    change(&mut config);
    PrometheusSource::new(&config, targets(number).into()).unwrap()
}

fn instance() -> Instance {
    Instance {
        instance_type: "t2.small".to_owned(),
        state: InstanceState::Running,
        private_ip: "10.1.0.1".to_owned(),
        public_ip: String::new(),
        dry_run: true,
        vcpus: None,
        started_at: None,
    }
}

/// How many of `number` targets have their three samples, and how many each reason why not.
async fn read(source: &PrometheusSource, number: usize) -> BTreeMap<String, usize> {
    read_at(source, &targets(number), NOW, 3).await
}

/// How many targets have so many samples of CPU, memory and vCPUs at `end`, and how many each reason why not.
async fn read_at(
    source: &PrometheusSource,
    targets: &[Target],
    end: i64,
    samples: usize,
) -> BTreeMap<String, usize> {
    let instance = instance();
    let end = Timestamp::from_second(end).unwrap();
    let reading = source.begin(targets, end).await;
    let mut found = BTreeMap::new();
    for target in targets {
        let said = match reading.of(target, &instance).await {
            Ok(measured) => {
                let series = measured.series;
                let whole = [series.cpu, series.memory, series.vcpus];
                assert!(
                    whole.iter().all(|series| series.len() == samples),
                    "{whole:?}"
                );
                measured.notes.join("; ")
            }
            Err(Unmeasured(why)) => why,
        };
        *found.entry(said).or_default() += 1;
    }
    found
}

fn all_known(number: usize) -> BTreeMap<String, usize> {
    [(String::new(), number)].into()
}

#[tokio::test]
async fn a_large_fleet_is_asked_for_in_chunks_and_a_bad_one_blinds_only_its_own() {
    let server = Server::start(|query| machines(query, 700)).await;
    let small = source(&server, 500, |_| ());
    assert_eq!(read(&small, 500).await, all_known(500));
    let queries = server.queries();
    assert_eq!(queries.len(), 6, "one of each");
    assert!(queries.iter().all(|query| !query.query.contains("=~\"10")));

    let source = source(&server, 600, |_| ());
    assert_eq!(read(&source, 600).await, all_known(600));
    let queries = server.queries();
    assert_eq!(queries.len(), 12, "two of each");
    let asks_for = |query: &Query, number| query.asks_for(&label(number));
    assert!(
        queries
            .iter()
            .all(|query| asks_for(query, 3) != asks_for(query, 503) && !asks_for(query, 601))
    );

    server.answer(
        move |query| match query.is_for_cpu() && asks_for(query, 503) {
            true => status(503, "one store is down"),
            false => machines(query, 700),
        },
    );
    let found = read(&source, 600).await;
    assert_eq!((found[""], found.len()), (500, 2), "{found:?}");
    let (why, number) = found.last_key_value().unwrap();
    assert!(why.contains("one store is down"), "{why}");
    assert_eq!(*number, 100);
}

#[tokio::test]
async fn who_gives_all_whatever_is_asked_is_asked_once_more_for_all() {
    let server = Server::start(|query| {
        let mut all = query.clone();
        all.query = query.query.replace("instance=~", "");
        machines(&all, 600)
    })
    .await;
    let source = source(&server, 600, |_| ());
    assert_eq!(read(&source, 600).await, all_known(600));
    let queries = server.queries();
    assert_eq!(queries.len(), 12);
    let mut narrowed = queries.iter().filter(|query| query.narrowed_to().is_some());
    let no_second = |query: &Query| query.asks_for(&label(3));
    assert!(narrowed.all(no_second));
}

#[tokio::test]
async fn an_expression_that_cannot_be_narrowed_is_asked_for_all() {
    let server = Server::start(|query| machines(query, 600)).await;
    let source = source(&server, 600, |config| {
        config.cpu_query = "instance:cpu:rate5m".to_owned();
    });
    assert_eq!(read(&source, 600).await, all_known(600));
    let queries = server.queries();
    let own = queries
        .iter()
        .filter(|query| query.query == "instance:cpu:rate5m");
    assert_eq!((own.count(), queries.len()), (1, 11));
}

#[tokio::test]
async fn in_urls_chunks_are_smaller() {
    let server = Server::start(|query| {
        let encoded = url::form_urlencoded::byte_serialize(query.query.as_bytes());
        match query.method.as_str() {
            "POST" => status(405, "read only"),
            _ if encoded.map(str::len).sum::<usize>() > 8_000 => status(414, "too long"),
            _ => machines(query, 600),
        }
    })
    .await;
    let source = source(&server, 600, |_| ());
    assert_eq!(read(&source, 600).await, all_known(600));
    server.queries();
    assert_eq!(read(&source, 600).await, all_known(600));
    let queries = server.queries();
    // It is known by then: none is sent in vain.
    assert!(queries.iter().all(|query| query.method == "GET"));
    for number in [0, 599] {
        let asking = queries
            .iter()
            .filter(|query| query.asks_for(&label(number)));
        assert_eq!(asking.count(), 6, "each is asked for once");
    }
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_not_asked_for_each_chunk() {
    let server = Server::start(|query| {
        common::clock::SystemClock.block(Duration::from_secs(2));
        machines(query, 1)
    })
    .await;
    let source = source(&server, 6_000, |config| config.timeout_seconds = 1);
    let found = read(&source, 6_000).await;
    assert!(
        found.keys().all(|why| why.contains("within 1 s")),
        "{found:?}"
    );
    // Of 72: what was on its way already.
    let asked = server.queries().len();
    assert!(asked <= 18, "{asked}");
    assert_eq!(source.reach().unreached, 1);
}

#[tokio::test]
async fn a_tick_asks_for_what_is_new_and_for_more_where_the_last_one_failed() {
    let server = Server::start(|query| machines(query, 2)).await;
    let mut source = source(&server, 0, |config| config.window_seconds = 172_800);
    // Two chunks: one of labels, and one of who has none.
    let mut fleet = targets(2);
    fleet[1].label = None;
    source.fleet = fleet.clone().into();
    source.narrow = AtomicBool::new(true);
    assert_eq!(read_at(&source, &fleet, NOW, 577).await, all_known(2));
    assert_eq!(server.queries().len(), 12);

    let is_of_all = |query: &Query| query.narrowed_to().is_none();
    server.answer(move |query| match query.is_for_cpu() && is_of_all(query) {
        true => status(503, "one store is down"),
        false => machines(query, 2),
    });
    let found = read_at(&source, &fleet, NOW + 300, 577).await;
    assert_eq!((found[""], found.len()), (1, 2));
    let queries = server.queries();
    let seconds = |query: &Query| query.end - query.start;
    assert!(queries.iter().all(|query| seconds(query) <= 3_900));

    server.answer(|query| machines(query, 2));
    // Between two points, so that the present comes beside the grid.
    let found = read_at(&source, &fleet, NOW + 700, 578).await;
    assert_eq!(found, all_known(2));
    let queries = server.queries();
    let (present, past): (Vec<_>, Vec<_>) =
        queries.iter().partition(|query| query.start == NOW + 700);
    assert_eq!((present.len(), past.len()), (12, 12));
    for query in past.iter().filter(|query| query.is_for_cpu()) {
        let missing = if is_of_all(query) { 600 } else { 300 };
        assert_eq!((seconds(query), query.end), (3_600 + missing, NOW + 600));
    }

    // A tick over one target needs its chunk only, and finds its past there.
    let found = read_at(&source, &fleet[..1], NOW + 900, 577).await;
    assert_eq!(found, all_known(1));
    let queries = server.queries();
    assert_eq!(queries.len(), 6);
    let small = |query: &Query| !is_of_all(query) && seconds(query) <= 3_900;
    assert!(queries.iter().all(small));
}

#[tokio::test]
async fn who_has_to_wait_reads_its_last_hours_first_and_says_so() {
    let server = Server::start(|query| machines(query, 2)).await;
    let mut source = source(&server, 2, |config| config.window_seconds = 36_000);
    // One metric in each tick.
    source.histories = Histories::new("instance", 300, Budget::new(2));
    let targets = targets(2);
    let mut waiting = Vec::new();
    for tick in 0..5 {
        let end = Timestamp::from_second(NOW + tick * 300).unwrap();
        let reading = source.begin(&targets, end).await;
        let measured = reading.of(&targets[1], &instance()).await.unwrap();
        let series = measured.series;
        let long = [series.cpu, series.memory, series.vcpus, series.memory_total];
        let short = long.iter().filter(|samples| samples.len() < 121);
        waiting.push((short.count(), measured.is_part));
        assert!(long.iter().all(|samples| samples.len() >= 73));
    }
    let expected = [(3, true), (2, true), (1, true), (0, false), (0, false)];
    assert_eq!(waiting, expected);
}
