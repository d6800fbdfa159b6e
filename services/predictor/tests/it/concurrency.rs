//! Requests in flight never touch each other: 10,000 answers given side by side are, bit for bit, those given one after the
//! other; and no thread is started beyond those that were asked for.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use forecasting::{
    artifact::{Artifact, Location},
    forecast::{Forecast, Forecaster},
    series::Series,
};
use futures::{StreamExt as _, stream};
use predictor::Config;
use proto::predictor::v1::{ForecastRequest, SeriesForecast};

use crate::support::{Running, machine};

const SERIES: usize = 150;
const THREADS: usize = 8;
const BY_THREADS: usize = 6_000;
const BY_CALLS: usize = 4_000;
/// Series in one call. Batches of a call mix with those of others on their way.
const TOGETHER: usize = 5;

fn messages() -> Vec<proto::predictor::v1::Series> {
    (0..SERIES)
        .map(|index| {
            let step = if index % 3 == 0 { 60 } else { 300 };
            machine(&index.to_string(), 2 + index / 4, step, index as u32)
        })
        .collect()
}

/// Every number of a forecast, to the last bit.
fn bits(forecast: &Forecast) -> Vec<u64> {
    forecast
        .horizons
        .iter()
        .flat_map(|horizon| {
            let rows = horizon.level.iter().chain(&horizon.peak);
            rows.chain([&horizon.point, &horizon.model_weight])
        })
        .chain([&forecast.last_cpu])
        .map(|value| value.to_bits())
        .collect()
}

fn wire_bits(forecast: &SeriesForecast) -> Vec<u64> {
    forecast
        .horizons
        .iter()
        .flat_map(|horizon| {
            let rows = horizon.at_horizon.iter().chain(&horizon.peak);
            rows.map(|entry| entry.value).chain([horizon.point])
        })
        .map(f64::to_bits)
        .collect()
}

/// Threads of this process.
fn threads() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn threads_side_by_side_answer_as_one_alone() {
    let forecaster = Forecaster::new(Artifact::open(&Location::Embedded, 1).unwrap()).unwrap();
    let manifest = &forecaster.artifact().manifest;
    let forecast = |series: &[Series]| {
        forecaster
            .forecast(series, &manifest.horizons_seconds, &manifest.quantiles)
            .unwrap()
    };
    let series: Vec<Series> = messages()
        .into_iter()
        .map(|message| Series {
            id: message.series_id,
            timestamps_seconds: message.timestamps_seconds,
            cpu: message.cpu,
            capacity: 100.0,
            calibration_state: Vec::new(),
        })
        .collect();
    let alone: Vec<Vec<u64>> = series
        .iter()
        .map(|series| bits(&forecast(std::slice::from_ref(series))[0]))
        .collect();
    let (answered, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let before = threads();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (series, alone) = (&series, &alone);
            let (answered, most, forecast) = (&answered, &most, &forecast);
            scope.spawn(move || {
                for turn in 0..BY_THREADS / THREADS / TOGETHER {
                    let first = (turn * 37 + thread * 13) % (SERIES - TOGETHER);
                    let answers = forecast(&series[first..first + TOGETHER]);
                    for (answer, alone) in answers.iter().zip(&alone[first..]) {
                        assert_eq!(&bits(answer), alone, "series from {first}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    if turn % 10 == 0 {
                        most.fetch_max(threads(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), BY_THREADS);
    let most = most.into_inner();
    eprintln!("{before} threads before, at most {most} with {THREADS} at work");
    assert!(
        most <= before + THREADS,
        "the library started threads of its own: {most}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_side_by_side_answer_as_one_after_the_other() {
    let config = Config {
        threads: 4,
        ..Config::default()
    };
    let mut running = Running::start(config).await;
    let messages = messages();
    let mut alone = Vec::new();
    for message in &messages {
        let request = ForecastRequest {
            series: vec![message.clone()],
            ..ForecastRequest::default()
        };
        let response = running.client.forecast(request).await.unwrap().into_inner();
        alone.push(wire_bits(&response.forecasts[0]));
    }
    let before = threads();
    let client = running.client.clone();
    let (messages, alone) = (&messages, &alone);
    let most = AtomicUsize::new(0);
    let answered: usize = stream::iter(0..BY_CALLS / TOGETHER)
        .map(|turn| {
            let mut client = client.clone();
            let most = &most;
            async move {
                let first = turn * 37 % (SERIES - TOGETHER);
                let request = ForecastRequest {
                    series: messages[first..first + TOGETHER].to_vec(),
                    ..ForecastRequest::default()
                };
                let response = client.forecast(request).await.unwrap().into_inner();
                for (answer, alone) in response.forecasts.iter().zip(&alone[first..]) {
                    assert_eq!(&wire_bits(answer), alone, "series from {first}");
                }
                if turn % 10 == 0 {
                    most.fetch_max(threads(), Ordering::Relaxed);
                }
                response.forecasts.len()
            }
        })
        .buffer_unordered(100)
        .fold(0, async |sum, one| sum + one)
        .await;
    assert_eq!(answered, BY_CALLS);
    let most = most.into_inner();
    eprintln!("{before} threads before, at most {most} with 100 calls in flight on 4 threads");
    assert!(
        most <= before,
        "the load started threads: {most} after {before}"
    );
    drop(client);
    running.stop().await;
}
