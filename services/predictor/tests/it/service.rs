//! The service as callers see it: answers, refusals field by field, streams, metrics.

use common::health::Health;
use predictor::Config;
use proto::predictor::v1::{
    ForecastBasis, ForecastRequest, ForecastStreamRequest, GetModelRequest, ReloadModelRequest,
    Series, SeriesForecast,
};
use testkit::{
    http::metrics,
    model::{artifact, copy_of_artifact},
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Running, machine};

fn request(series: Vec<Series>) -> ForecastRequest {
    ForecastRequest {
        series,
        ..ForecastRequest::default()
    }
}

/// Every row ascends, and stays within capacity; peaks are not below levels.
fn assert_valid(forecast: &SeriesForecast, capacity: f64) {
    assert!(!forecast.basis_reason.is_empty());
    for horizon in &forecast.horizons {
        for row in [&horizon.at_horizon, &horizon.peak] {
            assert!(row.is_sorted_by(|left, right| left.quantile < right.quantile));
            assert!(
                row.is_sorted_by(|left, right| left.value <= right.value),
                "{row:?}"
            );
            assert!(
                row.iter()
                    .all(|entry| (0.0..=capacity).contains(&entry.value)),
                "{row:?}"
            );
        }
        for (level, peak) in horizon.at_horizon.iter().zip(&horizon.peak) {
            assert!(peak.value >= level.value, "{horizon:?}");
        }
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_with_its_basis() {
    let mut running = Running::start(Config::default()).await;
    let mut vcpus = machine("vcpus", 600, 300, 3);
    vcpus.capacity = 4.0;
    for value in &mut vcpus.cpu {
        *value /= 25.0;
    }
    let series = vec![
        machine("two-days", 576, 300, 1),
        machine("one-point", 1, 300, 1),
        machine("fine", 2_000, 60, 2),
        machine("coarse", 100, 3_600, 2),
        vcpus,
    ];
    let response = running
        .client
        .forecast(request(series))
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<&str> = response
        .forecasts
        .iter()
        .map(|found| found.series_id.as_str())
        .collect();
    assert_eq!(ids, ["two-days", "one-point", "fine", "coarse", "vcpus"]);
    for forecast in &response.forecasts {
        let capacity = if forecast.series_id == "vcpus" {
            4.0
        } else {
            100.0
        };
        assert_valid(forecast, capacity);
        let horizons: Vec<u32> = forecast
            .horizons
            .iter()
            .map(|found| found.horizon_seconds)
            .collect();
        assert_eq!(horizons, [300, 900, 1_800, 3_600, 10_800, 21_600]);
        assert_eq!(forecast.horizons[0].peak.len(), 8);
    }
    let of = |index: usize| &response.forecasts[index];
    assert_ne!(
        of(0).basis(),
        ForecastBasis::Naive,
        "{}",
        of(0).basis_reason
    );
    assert_eq!(of(1).basis(), ForecastBasis::Naive);
    assert!(
        of(1).basis_reason.contains("the history spans 0 s"),
        "{}",
        of(1).basis_reason
    );
    let moved = of(1).horizons[0].point - of(1).last_cpu;
    assert!(moved.abs() < 1e-6, "{moved}");
    assert_eq!(of(2).history.unwrap().step_seconds, 60);
    assert_eq!(of(3).basis(), ForecastBasis::Naive);
    assert!(
        of(3).basis_reason.contains("3600 s apart"),
        "{}",
        of(3).basis_reason
    );
    let origin = of(0).origin.unwrap();
    assert_eq!(origin.seconds, 1_700_000_000 + 575 * 300);
    assert_eq!(of(0).history.unwrap().observed_points, 576);

    let mut narrow = request(vec![machine("a", 600, 300, 1)]);
    narrow.horizons_seconds = vec![3_600, 300];
    narrow.quantiles = vec![0.95, 0.5];
    let forecast = running
        .client
        .forecast(narrow)
        .await
        .unwrap()
        .into_inner()
        .forecasts
        .remove(0);
    assert_eq!(forecast.horizons.len(), 2);
    let asked: Vec<f64> = forecast.horizons[1]
        .peak
        .iter()
        .map(|entry| entry.quantile)
        .collect();
    assert_eq!(asked, [0.5, 0.95]);
    assert_eq!(
        forecast.horizons[1].at_horizon[0].value,
        forecast.horizons[1].point
    );
    running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_field_by_field() {
    let mut running = Running::start(Config::default()).await;
    let good = || machine("a", 20, 300, 1);
    let changed = |change: &dyn Fn(&mut Series)| {
        let mut series = good();
        change(&mut series);
        request(vec![good_named("first"), series])
    };
    let cases: Vec<(ForecastRequest, &str)> = vec![
        (request(vec![]), "series"),
        (
            changed(&|series| series.cpu[17] = f64::NAN),
            "series[1].cpu[17]",
        ),
        (
            changed(&|series| series.cpu[0] = f64::INFINITY),
            "series[1].cpu[0]",
        ),
        (changed(&|series| series.cpu[3] = -0.5), "series[1].cpu[3]"),
        (changed(&|series| series.cpu[3] = 100.5), "series[1].cpu[3]"),
        (
            changed(&|series| series.capacity = -1.0),
            "series[1].capacity",
        ),
        (
            changed(&|series| series.capacity = f64::NAN),
            "series[1].capacity",
        ),
        (
            changed(&|series| {
                series.cpu.pop();
            }),
            "series[1].cpu",
        ),
        (
            changed(&|series| {
                series.cpu.clear();
                series.timestamps_seconds.clear();
            }),
            "series[1].timestamps_seconds",
        ),
        (
            changed(&|series| series.timestamps_seconds.swap(4, 5)),
            "series[1].timestamps_seconds[5]",
        ),
        (
            changed(&|series| series.timestamps_seconds[6] = series.timestamps_seconds[5]),
            "series[1].timestamps_seconds[6]",
        ),
        (
            changed(&|series| series.timestamps_seconds[19] = i64::MAX),
            "series[1].timestamps_seconds[19]",
        ),
        (
            changed(&|series| series.series_id.clear()),
            "series[1].series_id",
        ),
        (
            changed(&|series| series.series_id = "x".repeat(257)),
            "series[1].series_id",
        ),
        (
            changed(&|series| series.series_id = "first".into()),
            "series[1].series_id",
        ),
        (
            changed(&|series| series.memory_percent = vec![1.0]),
            "series[1].memory_percent",
        ),
        (
            changed(&|series| {
                series.memory_percent = vec![f64::NAN; 20];
                series.memory_percent[2] = 101.0;
            }),
            "series[1].memory_percent[2]",
        ),
        (
            changed(&|series| {
                series.disk_bytes_per_second = vec![0.0; 20];
                series.disk_bytes_per_second[2] = f64::INFINITY;
            }),
            "series[1].disk_bytes_per_second[2]",
        ),
        (
            request(
                (0..1_001)
                    .map(|index| good_named(&index.to_string()))
                    .collect(),
            ),
            "series",
        ),
        (
            ForecastRequest {
                quantiles: vec![0.5, 0.42],
                ..request(vec![good()])
            },
            "quantiles[1]",
        ),
        (
            ForecastRequest {
                quantiles: vec![f64::NAN],
                ..request(vec![good()])
            },
            "quantiles[0]",
        ),
        (
            ForecastRequest {
                horizons_seconds: vec![300, 7],
                ..request(vec![good()])
            },
            "horizons_seconds[1]",
        ),
    ];
    for (request, field) in cases {
        let status = running.client.forecast(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<&str> = violations
            .iter()
            .map(|found| found.field.as_str())
            .collect();
        assert!(fields.contains(&field), "{fields:?} lacks {field}");
        assert!(violations.len() <= 20);
    }
    // Unknown memory is no violation, and all of it being bad is reported within bounds.
    let mut series = good();
    series.memory_percent = vec![f64::NAN; 20];
    running
        .client
        .forecast(request(vec![series]))
        .await
        .unwrap();
    let mut series = good();
    series.cpu.fill(f64::NAN);
    let status = running
        .client
        .forecast(request(vec![series]))
        .await
        .unwrap_err();
    assert_eq!(
        status
            .get_details_bad_request()
            .unwrap()
            .field_violations
            .len(),
        20
    );
    running.stop().await;
}

fn good_named(id: &str) -> Series {
    machine(id, 2, 300, 1)
}

#[tokio::test]
async fn a_huge_message_is_refused_before_it_is_read() {
    let mut running = Running::start(Config::default()).await;
    let huge = request(vec![machine("huge", 600_000, 1, 1)]);
    let status = running.client.forecast(huge).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted),
        "{status}"
    );
    running
        .client
        .forecast(request(vec![machine("a", 9, 300, 1)]))
        .await
        .unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_stream_is_answered_in_order_and_ends_at_the_first_bad_batch() {
    let mut running = Running::start(Config::default()).await;
    let batch = |id: &str| ForecastStreamRequest {
        request: Some(request(vec![machine(id, 100, 300, 1)])),
    };
    let good: Vec<_> = (0..20).map(|index| batch(&index.to_string())).collect();
    let mut answers = running
        .client
        .forecast_stream(tokio_stream::iter(good))
        .await
        .unwrap()
        .into_inner();
    for index in 0..20 {
        let answer = answers.message().await.unwrap().unwrap().response.unwrap();
        assert_eq!(answer.forecasts[0].series_id, index.to_string());
    }
    assert!(answers.message().await.unwrap().is_none());

    let mixed = vec![batch("a"), ForecastStreamRequest::default(), batch("b")];
    let mut answers = running
        .client
        .forecast_stream(tokio_stream::iter(mixed))
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    assert_eq!(
        answers.message().await.unwrap_err().code(),
        Code::InvalidArgument
    );
    running.stop().await;
}

#[tokio::test]
async fn a_missing_model_is_said_and_healed_by_reload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let config = Config {
        artifact: Some(path.clone()),
        ..Config::default()
    };
    let mut running = Running::start(config).await;
    assert_eq!(running.health().await, Health::NotServing);
    let status = running
        .client
        .forecast(request(vec![good_named("a")]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains(path.to_str().unwrap()),
        "{status}"
    );
    assert!(status.message().contains("trainer train"), "{status}");
    let status = running
        .client
        .get_model(GetModelRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    let status = running
        .client
        .reload_model(ReloadModelRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("no model is served"), "{status}");

    copy_of_artifact(&path);
    let reloaded = running
        .client
        .reload_model(ReloadModelRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(reloaded.changed);
    running
        .client
        .forecast(request(vec![good_named("a")]))
        .await
        .unwrap();
    assert_eq!(running.health().await, Health::Serving);

    // The same again changes nothing; a broken one is refused and the old one serves on.
    let again = running
        .client
        .reload_model(ReloadModelRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(!again.changed);
    assert_eq!(again.model, reloaded.model);
    let before = running
        .client
        .forecast(request(vec![machine("a", 600, 300, 5)]))
        .await
        .unwrap();
    std::fs::write(path.join("manifest.json"), "{").unwrap();
    let status = running
        .client
        .reload_model(ReloadModelRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains("the old model serves on"),
        "{status}"
    );
    let after = running
        .client
        .forecast(request(vec![machine("a", 600, 300, 5)]))
        .await
        .unwrap();
    assert_eq!(before.into_inner(), after.into_inner());
    assert_eq!(running.health().await, Health::Serving);
    running.stop().await;
}

#[tokio::test]
async fn the_card_says_what_is_served_and_metrics_count() {
    let mut running = Running::start(Config {
        artifact: Some(artifact()),
        ..Config::default()
    })
    .await;
    let card = running
        .client
        .get_model(GetModelRequest {})
        .await
        .unwrap()
        .into_inner();
    let model = card.model.unwrap();
    assert_eq!(model.name, "cpu");
    assert_eq!(model.sha256.len(), 64);
    assert_eq!(
        card.horizons_seconds,
        [300, 900, 1_800, 3_600, 10_800, 21_600]
    );
    assert_eq!(
        card.quantiles,
        [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
    );
    assert!(card.training_sources.len() >= 6 && card.held_out_scores.len() >= 24);
    assert!(card.loaded_at.is_some());
    assert!(card.manifest_json.contains("CC-BY-4.0"));

    let series = vec![machine("a", 1, 300, 1), machine("b", 600, 300, 1)];
    running.client.forecast(request(series)).await.unwrap();
    let text = metrics(&running.metrics_url).await;
    for line in [
        r#"autoscaler_predictor_forecasts_total{basis="naive"} 1"#.to_owned(),
        r#"autoscaler_predictor_grpc_calls_total{method="Forecast",code="OK"} 1"#.to_owned(),
        format!(
            r#"autoscaler_predictor_model_info{{name="cpu",version="{}",sha256="{}"}} 1"#,
            model.version, model.sha256
        ),
        // How it does, beside how it did.
        r#"error_percent{horizon_seconds="900",data="trailing",forecast="served"} "#.to_owned(),
        r#"error_percent{horizon_seconds="900",data="held_out",forecast="naive"} "#.to_owned(),
        r#"coverage_ratio{horizon_seconds="3600",data="trailing",output="peak",quantile="0.95"} "#
            .to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    running.stop().await;
}
