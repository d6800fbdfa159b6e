//! What moved a forecast, in numbers that add up and words that say the same.

use predictor::Config;
use proto::predictor::v1::{ForecastRequest, ForecastResponse, Series};
use tonic::Code;

use crate::support::{Running, machine};

/// Ten minutes before an hourly job begins.
fn before_the_job(id: &str) -> Series {
    let mut series = machine(id, 2_000, 300, 1);
    let keep = series.cpu.len() - series.cpu.len() % 12 - 2;
    series.cpu.truncate(keep);
    series.timestamps_seconds.truncate(keep);
    series
}

async fn ask(running: &mut Running, series: Series, explain_top: u32) -> ForecastResponse {
    let request = ForecastRequest {
        series: vec![series],
        explain_top,
        ..ForecastRequest::default()
    };
    running.client.forecast(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_strongest_come_first_and_only_when_asked() {
    let mut running = Running::start(Config::default()).await;
    let silent = ask(&mut running, before_the_job("a"), 0).await;
    let mut explained = ask(&mut running, before_the_job("a"), 5).await;
    for horizon in &mut explained.forecasts[0].horizons {
        let found = std::mem::take(&mut horizon.contributions);
        assert_eq!(found.len(), 5);
        assert!(
            found.is_sorted_by(|left, right| {
                left.contribution.abs() >= right.contribution.abs()
            })
        );
        for contribution in &found {
            let end = format!(": {:+.1}", contribution.contribution).replace("-0.0", "+0.0");
            let sentence = contribution.sentence.replace("-0.0", "+0.0");
            assert!(sentence.ends_with(&end), "{contribution:?}");
        }
    }
    // Asking changes nothing else.
    assert_eq!(silent, explained);

    // Fifteen minutes on is five minutes into the job: what was an hour before that time lifts the forecast.
    let explained = ask(&mut running, before_the_job("a"), 20).await;
    let soon = &explained.forecasts[0].horizons[1];
    let raised: Vec<&str> = soon
        .contributions
        .iter()
        .filter(|found| found.contribution > 0.0)
        .map(|found| found.sentence.as_str())
        .collect();
    assert!(
        raised.iter().any(|sentence| sentence
            .starts_with("CPU one hour before the target time was ")
            && sentence.contains(" points above now: +")),
        "{raised:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn contributions_are_in_the_unit_of_the_series() {
    let mut running = Running::start(Config::default()).await;
    let mut vcpus = before_the_job("vcpus");
    vcpus.capacity = 4.0;
    for value in &mut vcpus.cpu {
        *value *= 0.04;
    }
    let percent = ask(&mut running, before_the_job("percent"), 3).await;
    let vcpus = ask(&mut running, vcpus, 3).await;
    for (percent, vcpus) in percent.forecasts[0]
        .horizons
        .iter()
        .zip(&vcpus.forecasts[0].horizons)
    {
        let (percent, vcpus) = (&percent.contributions[0], &vcpus.contributions[0]);
        assert_eq!(percent.feature, vcpus.feature);
        let scaled = percent.contribution * 0.04;
        assert!(
            (scaled - vcpus.contribution).abs() < 1e-3,
            "{percent:?} {vcpus:?}"
        );
        assert!(!vcpus.sentence.contains("points"), "{}", vcpus.sentence);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_naive_forecast_has_nothing_to_explain_and_too_many_are_refused() {
    let mut running = Running::start(Config::default()).await;
    let short = ask(&mut running, machine("short", 3, 300, 1), 5).await;
    let horizons = &short.forecasts[0].horizons;
    assert!(
        horizons
            .iter()
            .all(|horizon| horizon.contributions.is_empty())
    );
    let request = ForecastRequest {
        series: vec![machine("a", 3, 300, 1)],
        explain_top: 21,
        ..ForecastRequest::default()
    };
    let status = running.client.forecast(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    running.stop().await;
}
