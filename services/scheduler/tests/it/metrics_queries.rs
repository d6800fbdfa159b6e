//! What the scheduler asks Prometheus for: ranges that find rates, and what is no demand.

use testkit::prometheus::{fleet, labels, matrix, series};

use crate::{
    metrics_faults::{all_unknown, eager},
    support::{World, result},
};

const BUSY: [f64; 3] = [50.0; 3];

#[tokio::test]
async fn counts_without_rates_are_a_range_that_is_too_short() {
    all_unknown(
        |query| match query.is_for_cpu() {
            true => matrix(Vec::new()),
            false => fleet(query, &BUSY),
        },
        &["no CPU samples", "577 vCPU counts", "$range"],
    )
    .await;
}

#[tokio::test]
async fn rates_are_taken_over_a_range_that_fits_step_and_scrapes() {
    let world = World::start().await;
    let url = &world.prometheus.url;
    for (keys, range) in [
        ("", "[360s]"),
        (", scrape_interval_seconds: 15", "[315s]"),
        (", step_seconds: 60", "[240s]"),
        (
            ", step_seconds: 60, scrape_interval_seconds: 15, cpu_query: 'cpu[$range]'",
            "[75s]",
        ),
    ] {
        let lines = format!("prometheus: {{url: '{url}'{keys}}}");
        let scheduler = world.scheduler(&lines).await;
        scheduler.tick().await;
        let queries = world.prometheus.queries();
        let rates: Vec<_> = queries
            .iter()
            .filter(|query| query.query.contains('['))
            .map(|query| &query.query)
            .collect();
        assert!(rates.len() >= 2, "{queries:?}");
        assert!(
            rates.iter().all(|query| query.contains(range)),
            "{range}: {rates:?}"
        );
        scheduler.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn steal_is_reported_apart_and_much_of_it_is_noted() {
    for (steal, seen, noted) in [
        ("23", Some(23.0), true),
        ("2", Some(2.0), false),
        ("70", None, false),
    ] {
        let world = eager().await;
        world
            .prometheus
            .answer(move |query| match query.query.contains(r#"mode="steal""#) {
                true => {
                    let named = labels(&[("instance", "10.0.0.1:9100")]);
                    matrix(vec![series(query, named, |_| Some(steal.to_owned()))])
                }
                false => fleet(query, &BUSY),
            });
        let scheduler = world.scheduler("").await;
        let tick = scheduler.tick().await;
        let web = result(&tick, "web");
        assert_eq!(
            (web.action.as_str(), web.cpu_percent),
            ("scale_up", Some(50.0))
        );
        let request = world.decision.last_request("web");
        assert_eq!(request.observation.unwrap().steal_percent, seen);
        let notes = request.notes.join("\n");
        assert_eq!(notes.contains("steal is 23.0 %"), noted, "{notes}");
        let other = world.decision.last_request("api").observation.unwrap();
        assert_eq!(other.steal_percent, None, "unknown is no number");
        assert_eq!(result(&tick, "api").error, "");
    }
}

#[tokio::test]
async fn waiting_and_stolen_time_are_no_demand_and_steal_can_be_left_out() {
    let world = eager().await;
    let lines = format!(
        "prometheus: {{url: '{}', steal_query: null}}",
        world.prometheus.url
    );
    let scheduler = world.scheduler(&lines).await;
    scheduler.tick().await;
    let queries = world.prometheus.queries();
    assert_eq!(queries.len(), 5);
    let cpu = queries.iter().find(|query| query.is_for_cpu()).unwrap();
    assert!(
        cpu.query.contains(r#"mode=~"idle|iowait|steal""#),
        "{}",
        cpu.query
    );
}
