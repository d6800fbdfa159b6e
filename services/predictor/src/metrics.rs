//! What Prometheus sees of the predictor beyond its calls.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use forecasting::{
    artifact::Artifact,
    forecast::{Basis, Forecast},
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::drift::{self, Drift, Figures};

type Ratio = Gauge<f64, AtomicU64>;
type Labels<const N: usize> = [(&'static str, String); N];

/// Counters and gauges of this service.
#[derive(Clone, Debug)]
pub struct Metrics {
    forecasts: Family<[(&'static str, &'static str); 1], Counter>,
    model: Family<Labels<3>, Gauge>,
    refused: Counter,
    errors: Family<Labels<3>, Ratio>,
    coverage: Family<Labels<4>, Ratio>,
    drift: Arc<Mutex<Drift>>,
}

impl Metrics {
    /// Registers `forecasts_total{basis}`, `model_info{name,version,sha256}`, `refused_models_total`, and for drift
    /// `error_percent{horizon_seconds,data,forecast}` and `coverage_ratio{horizon_seconds,data,output,quantile}`, where
    /// `data` is `trailing` (of the series that are forecast) or `held_out` (of the model's card).
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            forecasts: Family::default(),
            model: Family::default(),
            refused: Counter::default(),
            errors: Family::default(),
            coverage: Family::default(),
            drift: Arc::default(),
        };
        for basis in [Basis::Model, Basis::Mixed, Basis::Naive] {
            // Shown as zero from the start.
            drop(metrics.forecasts.get_or_create(&[("basis", basis.name())]));
        }
        registry.register(
            "forecasts",
            "Series forecast, by what the forecast rests on",
            metrics.forecasts.clone(),
        );
        registry.register("model_info", "The model served", metrics.model.clone());
        registry.register(
            "refused_models",
            "Artifacts that failed verification",
            metrics.refused.clone(),
        );
        registry.register(
            "error_percent",
            "Mean absolute error of point forecasts and of the best naive ones, percent of capacity",
            metrics.errors.clone(),
        );
        registry.register(
            "coverage_ratio",
            "Share of outcomes at or below a quantile",
            metrics.coverage.clone(),
        );
        metrics
    }

    /// Counts answers.
    pub fn answered(&self, forecasts: &[Forecast]) {
        for forecast in forecasts {
            self.forecasts
                .get_or_create(&[("basis", forecast.basis.name())])
                .inc();
        }
        let mut drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        for forecast in forecasts {
            drift.note(forecast);
        }
        for (horizon, figures) in drift.figures() {
            self.show("trailing", horizon, &figures);
        }
    }

    fn show(&self, data: &str, horizon_seconds: u32, figures: &Figures) {
        let horizon = || ("horizon_seconds", horizon_seconds.to_string());
        let data = || ("data", data.to_owned());
        for (forecast, error) in [("served", figures.error), ("naive", figures.naive_error)] {
            let labels = [horizon(), data(), ("forecast", forecast.to_owned())];
            self.errors.get_or_create(&labels).set(error);
        }
        let places = [
            ("level", "0.9"),
            ("level", "0.95"),
            ("peak", "0.9"),
            ("peak", "0.95"),
        ];
        for ((output, quantile), share) in places.into_iter().zip(figures.coverage) {
            let labels = [
                horizon(),
                data(),
                ("output", output.to_owned()),
                ("quantile", quantile.to_owned()),
            ];
            self.coverage.get_or_create(&labels).set(share);
        }
    }

    /// Shows what is served from now on.
    pub fn serving(&self, artifact: &Artifact) {
        self.model.clear();
        let labels = [
            ("name", artifact.manifest.name.clone()),
            ("version", artifact.manifest.version.clone()),
            ("sha256", artifact.sha256.clone()),
        ];
        self.model.get_or_create(&labels).set(1);
        // What was measured of another model says nothing of this one.
        self.errors.clear();
        self.coverage.clear();
        *self.drift.lock().unwrap_or_else(PoisonError::into_inner) = Drift::default();
        for (horizon, figures) in drift::held_out(&artifact.manifest) {
            self.show("held_out", horizon, &figures);
        }
    }

    /// Counts an artifact that was not taken.
    pub fn refused(&self) {
        self.refused.inc();
    }
}
