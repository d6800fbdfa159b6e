//! What the scheduler asks Prometheus for: ranges that find rates, and what is no demand.

use testkit::prometheus::{fleet, matrix};

use crate::{metrics_faults::all_unknown, support::World};

#[tokio::test]
async fn counts_without_rates_are_a_range_that_is_too_short() {
    all_unknown(
        |query| match query.is_for_cpu() {
            true => matrix(Vec::new()),
            false => fleet(query, &[50.0; 3]),
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
