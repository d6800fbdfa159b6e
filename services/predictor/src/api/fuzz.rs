//! Requests of every shape against the same checks and the same forecaster as in service: never a panic; what is wrong is
//! named by field and position; what is answered is finite, ordered and within capacity.

use std::{cell::Cell, sync::OnceLock};

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use proto::predictor::v1::{ForecastRequest, ForecastResponse, Series};

use super::convert::{self, Limits};
use forecasting::{
    artifact::{Artifact, Location},
    forecast::Forecaster,
};

use crate::store::Loaded;

fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| Loaded {
        forecaster: Forecaster::new(Artifact::open(&Location::Embedded, 1).unwrap()).unwrap(),
        loaded_at: jiff::Timestamp::UNIX_EPOCH,
    })
}

/// As the service answers; the fields that are wrong otherwise.
fn answer(request: ForecastRequest) -> Result<ForecastResponse, Vec<String>> {
    let loaded = loaded();
    let artifact = loaded.forecaster.artifact();
    let question = convert::question(request, artifact, &Limits::default()).map_err(|found| {
        found
            .into_iter()
            .map(|violation| violation.field)
            .collect::<Vec<_>>()
    })?;
    let forecasts = loaded
        .forecaster
        .forecast(
            &question.series,
            &question.horizons_seconds,
            &question.quantiles,
        )
        .unwrap();
    let explanations = question
        .series
        .iter()
        .zip(&forecasts)
        .map(|(series, forecast)| {
            loaded
                .forecaster
                .explain(series, forecast, question.explain_top)
                .unwrap()
        })
        .collect();
    Ok(convert::response(question, forecasts, explanations, loaded))
}

fn check_answer(series: &[Series], response: &ForecastResponse) -> Result<(), TestCaseError> {
    prop_assert_eq!(response.forecasts.len(), series.len());
    for (series, forecast) in series.iter().zip(&response.forecasts) {
        prop_assert_eq!(&series.series_id, &forecast.series_id);
        prop_assert!(!forecast.basis_reason.is_empty());
        let capacity = if series.capacity == 0.0 {
            100.0
        } else {
            series.capacity
        };
        prop_assert!((0.0..=capacity).contains(&forecast.last_cpu));
        for horizon in &forecast.horizons {
            prop_assert!((0.0..=capacity).contains(&horizon.point), "{:?}", horizon);
            for row in [&horizon.at_horizon, &horizon.peak] {
                prop_assert!(row.is_sorted_by(|left, right| left.quantile < right.quantile));
                prop_assert!(row.is_sorted_by(|left, right| left.value <= right.value));
                prop_assert!(
                    row.iter()
                        .all(|entry| (0.0..=capacity).contains(&entry.value))
                );
            }
            prop_assert!(horizon.contributions.len() <= 20);
            for found in &horizon.contributions {
                prop_assert!(found.contribution.is_finite() && !found.sentence.is_empty());
            }
        }
    }
    Ok(())
}

prop_compose! {
    /// A series that is right, though perhaps poor.
    fn good_series()(
        step in prop::sample::select(vec![1_i64, 7, 60, 60, 300, 300, 301, 3_600]),
        jitter in prop_oneof![3 => Just(0_i64), 1 => 0..5_i64],
        shares in prop::collection::vec(prop_oneof![4 => 0.0..=1.0_f64, 1 => Just(0.0), 1 => Just(1.0)], 1..150),
        capacity in prop_oneof![2 => Just(0.0), 1 => Just(4.0), 1 => 1e-3..1e6_f64],
        start in -1_000_000..2_000_000_000_i64,
        extras in any::<[bool; 5]>(),
        state in prop::collection::vec(any::<u8>(), 0..64),
    ) -> Series {
        let most = if capacity == 0.0 { 100.0 } else { capacity };
        let extra = |position: usize, scale: f64| -> Vec<f64> {
            match extras[position] {
                true => shares.iter().map(|share| if *share == 0.0 { f64::NAN } else { share * scale }).collect(),
                false => Vec::new(),
            }
        };
        let mut time = start;
        let timestamps_seconds = (0..shares.len() as i64)
            .map(|index| {
                time += step + jitter * (index % 3);
                time
            })
            .collect();
        Series {
            series_id: String::new(),
            timestamps_seconds,
            cpu: shares.iter().map(|share| share * most).collect(),
            capacity,
            memory_percent: extra(0, 100.0),
            disk_bytes_per_second: extra(1, 1e12),
            cpu_max: extra(2, most),
            network_bytes_per_second: extra(3, 1e12),
            load_average: extra(4, 500.0),
            calibration_state: state,
        }
    }
}

prop_compose! {
    fn good_request()(
        mut series in prop::collection::vec(good_series(), 1..4),
        horizons_seconds in prop::sample::subsequence(vec![300, 900, 1_800, 3_600, 21_600], 0..5),
        quantiles in prop::sample::subsequence(vec![0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99], 0..8),
        explain_top in prop_oneof![3 => Just(0_u32), 1 => 1..=20_u32],
    ) -> ForecastRequest {
        for (index, series) in series.iter_mut().enumerate() {
            series.series_id = format!("series {index}");
        }
        ForecastRequest { series, horizons_seconds, quantiles, explain_top }
    }
}

const FAULTS: usize = 24;

/// Breaks `request` in one place; the field that has to be named.
fn damage(request: &mut ForecastRequest, fault: usize, series: usize, point: usize) -> String {
    let count = request.series.len();
    let which = series % count;
    let path = format!("series[{which}]");
    let series = &mut request.series[which];
    let points = series.timestamps_seconds.len();
    let at = point % points;
    let most = if series.capacity == 0.0 {
        100.0
    } else {
        series.capacity
    };
    let not_finite = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][point % 3];
    let filled = |value: f64| -> Vec<f64> {
        let mut values = vec![f64::NAN; points];
        values[at] = value;
        values
    };
    match fault {
        0 => {
            request.series.clear();
            "series".to_owned()
        }
        1 => {
            series.cpu[at] = not_finite;
            format!("{path}.cpu[{at}]")
        }
        2 => {
            series.cpu[at] = -most;
            format!("{path}.cpu[{at}]")
        }
        3 => {
            series.cpu[at] = most * 1.001;
            format!("{path}.cpu[{at}]")
        }
        4 => {
            series.cpu.pop();
            format!("{path}.cpu")
        }
        5 => {
            series.cpu.push(0.0);
            format!("{path}.cpu")
        }
        6 => {
            *series = Series {
                series_id: series.series_id.clone(),
                ..Series::default()
            };
            format!("{path}.timestamps_seconds")
        }
        // Twice the same time, or a step back.
        7 | 8 if points > 1 => {
            let at = at.max(1);
            series.timestamps_seconds[at] = series.timestamps_seconds[at - 1] - (fault as i64 - 7);
            format!("{path}.timestamps_seconds[{at}]")
        }
        7..=9 => {
            series.timestamps_seconds[at] = [i64::MAX, i64::MIN][point % 2];
            format!("{path}.timestamps_seconds[{at}]")
        }
        10 => {
            series.capacity = [-1.0, 1e-9, 1e12, not_finite][point % 4];
            format!("{path}.capacity")
        }
        11 => {
            series.memory_percent = filled(100.1);
            format!("{path}.memory_percent[{at}]")
        }
        12 => {
            series.disk_bytes_per_second = filled(f64::INFINITY);
            format!("{path}.disk_bytes_per_second[{at}]")
        }
        13 => {
            series.cpu_max = filled(most * 1.001);
            format!("{path}.cpu_max[{at}]")
        }
        14 => {
            series.network_bytes_per_second = filled(-1.0);
            format!("{path}.network_bytes_per_second[{at}]")
        }
        15 => {
            series.load_average = filled(f64::NEG_INFINITY);
            format!("{path}.load_average[{at}]")
        }
        16 => {
            series.cpu_max = vec![0.0; points + 1];
            format!("{path}.cpu_max")
        }
        17 => {
            series.calibration_state = vec![7; 64 * 1024 + 1];
            format!("{path}.calibration_state")
        }
        18 => {
            series.series_id.clear();
            format!("{path}.series_id")
        }
        19 => {
            series.series_id = "x".repeat(257);
            format!("{path}.series_id")
        }
        20 => {
            let again = request.series[which].clone();
            request.series.push(again);
            format!("series[{count}].series_id")
        }
        21 => {
            request
                .horizons_seconds
                .push([0, 7, 301, u32::MAX][point % 4]);
            format!("horizons_seconds[{}]", request.horizons_seconds.len() - 1)
        }
        22 => {
            request
                .quantiles
                .push([0.0, 0.42, 1.0, not_finite][point % 4]);
            format!("quantiles[{}]", request.quantiles.len() - 1)
        }
        _ => {
            request.explain_top = [21, u32::MAX][point % 2];
            "explain_top".to_owned()
        }
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

#[test]
fn requests_that_are_right_are_answered_and_others_are_named() {
    let (answered, refused) = (Cell::new(0), Cell::new(0));
    let faults = prop::option::weighted(0.6, (0..FAULTS, any::<usize>(), any::<usize>()));
    runner(1_000)
        .run(&(good_request(), faults), |(mut request, fault)| {
            let Some((fault, series, point)) = fault else {
                let sent = request.series.clone();
                let response = answer(request)
                    .map_err(|fields| TestCaseError::fail(format!("refused: {fields:?}")))?;
                answered.set(answered.get() + 1);
                return check_answer(&sent, &response);
            };
            let field = damage(&mut request, fault, series, point);
            let fields = answer(request).err().unwrap_or_default();
            refused.set(refused.get() + 1);
            prop_assert!(fields.contains(&field), "{:?} lacks {}", fields, field);
            Ok(())
        })
        .unwrap();
    eprintln!(
        "{} requests: {} right and answered, {} wrong and named",
        answered.get() + refused.get(),
        answered.get(),
        refused.get()
    );
    assert!(answered.get() > 200 && refused.get() > 200);
}

/// Anything that the wire can carry, though mostly what makes sense: what is refused at once reaches nothing.
fn any_request() -> impl Strategy<Value = ForecastRequest> {
    let number = || {
        prop_oneof![
            200 => 0.0..=100.0_f64,
            1 => any::<f64>(),
            1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE, f64::MAX])
        ]
    };
    let numbers = move || prop::collection::vec(number(), 0..30);
    let farthest = -377_705_116_800..253_402_207_200_i64;
    let times = prop_oneof![
        1 => prop::collection::vec(any::<i64>(), 0..30),
        2 => prop::collection::btree_set(farthest, 1..30)
            .prop_map(|times| times.into_iter().collect()),
        4 => (1..30_i64, any::<i32>(), 1..4_000_i64).prop_map(|(count, start, step)| {
            (0..count).map(|index| i64::from(start) + index * step).collect::<Vec<_>>()
        }),
    ];
    let series = (
        prop_oneof![9 => "[a-z]{5,9}", 1 => ".{0,5}"],
        times,
        numbers(),
        prop_oneof![9 => Just(0.0), 1 => any::<f64>(), 1 => 1e-6..1e9_f64],
        [numbers(), numbers(), numbers(), numbers(), numbers()],
        prop::collection::vec(any::<u8>(), 0..200),
        prop::bool::weighted(0.05),
    )
        .prop_map(
            |(series_id, timestamps_seconds, mut cpu, capacity, extras, state, ragged)| {
                let points = timestamps_seconds.len();
                if !ragged {
                    cpu.resize(points, 1e-7);
                }
                let [
                    memory_percent,
                    disk_bytes_per_second,
                    cpu_max,
                    network_bytes_per_second,
                    load_average,
                ] = extras.map(|mut values: Vec<f64>| {
                    match values.len() % 2 {
                        0 => values.clear(),
                        _ if ragged => {}
                        _ => values.resize(points, f64::NAN),
                    }
                    values
                });
                Series {
                    series_id,
                    timestamps_seconds,
                    cpu,
                    capacity,
                    memory_percent,
                    disk_bytes_per_second,
                    cpu_max,
                    network_bytes_per_second,
                    load_average,
                    calibration_state: state,
                }
            },
        );
    (
        prop::collection::vec(series, 0..4),
        prop::collection::vec(prop_oneof![19 => Just(300_u32), 1 => any::<u32>()], 0..3),
        prop::collection::vec(prop_oneof![19 => Just(0.5), 1 => any::<f64>()], 0..3),
        prop_oneof![15 => Just(0), 4 => 0..=20_u32, 1 => any::<u32>()],
    )
        .prop_map(
            |(series, horizons_seconds, quantiles, explain_top)| ForecastRequest {
                series,
                horizons_seconds,
                quantiles,
                explain_top,
            },
        )
}

#[test]
fn no_request_makes_it_panic() {
    let (answered, refused) = (Cell::new(0), Cell::new(0));
    runner(5_000)
        .run(&any_request(), |request| {
            let sent = request.series.clone();
            match answer(request) {
                Ok(response) => {
                    answered.set(answered.get() + 1);
                    check_answer(&sent, &response)
                }
                Err(fields) => {
                    refused.set(refused.get() + 1);
                    prop_assert!((1..=20).contains(&fields.len()));
                    prop_assert!(fields.iter().all(|field| !field.is_empty()));
                    Ok(())
                }
            }
        })
        .unwrap();
    eprintln!(
        "{} arbitrary requests: {} answered, {} refused",
        answered.get() + refused.get(),
        answered.get(),
        refused.get()
    );
    assert!(answered.get() > 500 && refused.get() > 500);
}

#[test]
fn a_million_points_are_taken_and_one_more_is_not() {
    let long = |points: i64| ForecastRequest {
        series: vec![Series {
            series_id: "long".into(),
            timestamps_seconds: (0..points).map(|index| index * 60).collect(),
            cpu: (0..points).map(|index| (index % 100) as f64).collect(),
            ..Series::default()
        }],
        ..ForecastRequest::default()
    };
    let request = long(1_000_000);
    let sent = request.series.clone();
    check_answer(&sent, &answer(request).unwrap()).unwrap();
    let fields = answer(long(1_000_001)).unwrap_err();
    assert_eq!(fields, ["series[0].timestamps_seconds"]);
}
