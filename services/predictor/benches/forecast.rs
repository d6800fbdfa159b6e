//! What a forecast costs, as ratios measured in one run: `make bench`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on fails, measures this machine, and its figures are its output"
)]

#[path = "forecast/setting.rs"]
mod setting;

use std::{
    hint::black_box,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode};
use forecasting::{artifact::booster::Rows, series::Series};
use futures::{StreamExt as _, stream};
use tokio::runtime::Runtime;

use setting::{Served, Setting, process_start_to_ready, request};

/// Series of the main comparison.
const SERIES: usize = 1_000;
/// Series that are rebuilt: all would take minutes.
const REBUILT: usize = 20;
/// Series of one call in the comparison of gRPC with calls in process.
const BATCH: usize = 100;
/// Calls in flight when single calls are timed.
const IN_FLIGHT: usize = 100;
const SINGLE_CALLS: usize = 4_000;

/// Median time of one turn, as criterion measured it, for each benchmark.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<(&'static str, Duration)>>>);

impl Times {
    fn measure<I>(
        &self,
        criterion: &mut Criterion,
        name: &'static str,
        setup: impl Fn() -> I,
        work: impl Fn(I),
    ) {
        let seen = Mutex::new(Vec::new());
        let mut group = criterion.benchmark_group("predictor");
        // As many turns in each sample: growing numbers of turns that take seconds would take minutes.
        group.sampling_mode(SamplingMode::Flat);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|turns| {
                let mut took = Duration::ZERO;
                for _ in 0..turns {
                    let input = setup();
                    let begin = Instant::now();
                    work(input);
                    let turn = begin.elapsed();
                    took += turn;
                    seen.lock().unwrap().push(turn);
                }
                took
            });
        });
        group.finish();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        let median = seen.get(seen.len() / 2).copied().unwrap_or_default();
        self.0.lock().unwrap().push((name, median));
    }

    fn of(&self, name: &str) -> Duration {
        let times = self.0.lock().unwrap();
        let found = times.iter().find(|(known, _)| *known == name);
        found.map_or(Duration::ZERO, |(_, time)| *time)
    }

    fn ratio(&self, name: &str, over: &str) -> f64 {
        self.of(name).as_secs_f64() / self.of(over).as_secs_f64()
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    let times = Times::default();
    let setting = Setting::new();
    in_process(&mut criterion, &times, &setting);
    let ten_thousand = two_threads(&setting, 10_000);
    let runtime = Runtime::new().unwrap();
    let (rate_ratio, calls) = runtime.block_on(through_grpc(&setting));
    let single = times.of("single series, steady");

    println!("\nratios, medians of this run");
    println!(
        "whole forecast of {SERIES} series, steady, over XGBoost's predict of its rows: {:.2} (at most 3)",
        times.ratio("forecast, steady", "predict only")
    );
    println!(
        "the same, over predict and the making of its matrix: {:.2}",
        times.ratio("forecast, steady", "matrix and predict")
    );
    println!(
        "rebuild from a 7-day window over a steady call, per series: {:.1} (at most 100)",
        times.ratio("20 series, rebuilt from 7 days", "forecast, steady") * SERIES as f64
            / REBUILT as f64
    );
    println!(
        "10,000 series on two threads: {:.2} s (under 5)",
        ten_thousand.as_secs_f64()
    );
    println!(
        "gRPC rate over the rate in process, batches of {BATCH}: {rate_ratio:.2} (at least 0.7)"
    );
    println!(
        "p99 of a single-series call at {IN_FLIGHT} in flight: {:.2} ms, {:.1} times its {:.3} ms in process (under 20); median {:.1} times",
        calls.p99.as_secs_f64() * 1_000.0,
        calls.p99.as_secs_f64() / single.as_secs_f64(),
        single.as_secs_f64() * 1_000.0,
        calls.median.as_secs_f64() / single.as_secs_f64()
    );
    // Whoever is last of so many waits for the work of all, however it is arranged.
    let least = IN_FLIGHT as f64 * times.of("forecast, steady").as_secs_f64() / SERIES as f64 / 2.0;
    println!(
        "what two threads need for the forecasts of {IN_FLIGHT} such calls, in one batch and without gRPC: {:.2} ms, {:.1} times",
        least * 1_000.0,
        least / single.as_secs_f64()
    );
    println!(
        "start of the process to ready: {:.0} ms (under 1,000)",
        process_start_to_ready().as_secs_f64() * 1_000.0
    );
    criterion.final_summary();
}

fn in_process(criterion: &mut Criterion, times: &Times, setting: &Setting) {
    let columns = setting.columns();
    let values = setting.rows(SERIES);
    // A matrix that was predicted before is answered from a cache: each turn needs its own.
    times.measure(
        criterion,
        "predict only",
        || Rows::new(&values, columns).unwrap(),
        |rows| drop(black_box(setting.artifact().predict(&rows).unwrap())),
    );
    times.measure(
        criterion,
        "matrix and predict",
        || (),
        |()| {
            let rows = Rows::new(&values, columns).unwrap();
            drop(black_box(setting.artifact().predict(&rows).unwrap()));
        },
    );
    let two_days = setting.steady(SERIES, 576);
    let week = setting.fresh(REBUILT, 2_016);
    times.measure(
        criterion,
        "forecast, steady",
        || (),
        |()| {
            drop(black_box(setting.forecast(&two_days)));
        },
    );
    times.measure(
        criterion,
        "single series, steady",
        || (),
        |()| {
            drop(black_box(setting.forecast(&two_days[..1])));
        },
    );
    times.measure(
        criterion,
        "20 series, rebuilt from 7 days",
        || (),
        |()| drop(black_box(setting.forecast(&week))),
    );
}

/// Forecasts `count` series on two threads.
fn two_threads(setting: &Setting, count: usize) -> Duration {
    let series = setting.steady(count, 576);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for half in series.chunks(count.div_ceil(2)) {
            scope.spawn(move || {
                for batch in half.chunks(BATCH) {
                    drop(black_box(setting.forecast(batch)));
                }
            });
        }
    });
    begin.elapsed()
}

/// How long single calls took with many in flight.
struct Calls {
    median: Duration,
    p99: Duration,
}

/// The rate through gRPC over that in process, and single calls with many in flight.
async fn through_grpc(setting: &Setting) -> (f64, Calls) {
    let served = Served::start().await;
    let series = setting.steady(BATCH, 576);
    let batches = 60;
    let in_process = tokio::task::block_in_place(|| two_threads_rate(setting, &series, batches));
    let batch = request(&series);
    let call = || {
        let (mut client, batch) = (served.client.clone(), batch.clone());
        async move { client.forecast(batch).await.unwrap() }
    };
    call().await;
    let begin = Instant::now();
    stream::iter(0..batches)
        .map(|_| call())
        .buffer_unordered(4)
        .for_each(async |answer| drop(black_box(answer)))
        .await;
    let through = batches as f64 / begin.elapsed().as_secs_f64();

    let single = request(&series[..1]);
    let mut took: Vec<Duration> = stream::iter(0..SINGLE_CALLS)
        .map(|_| {
            let (mut client, single) = (served.client.clone(), single.clone());
            async move {
                let begin = Instant::now();
                client.forecast(single).await.unwrap();
                begin.elapsed()
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    took.sort_unstable();
    let calls = Calls {
        median: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
    };
    served.stop().await;
    (through / in_process, calls)
}

/// Batches a second on two threads.
fn two_threads_rate(setting: &Setting, batch: &[Series], batches: usize) -> f64 {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..batches / 2 {
                    drop(black_box(setting.forecast(batch)));
                }
            });
        }
    });
    batches as f64 / begin.elapsed().as_secs_f64()
}
