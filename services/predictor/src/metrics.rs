//! What Prometheus sees of the predictor beyond its calls.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{
    artifact::Artifact,
    forecast::{Basis, Forecast},
};

type Labels<const N: usize> = [(&'static str, String); N];

/// Counters and gauges of this service.
#[derive(Clone, Debug)]
pub struct Metrics {
    forecasts: Family<[(&'static str, &'static str); 1], Counter>,
    model: Family<Labels<3>, Gauge>,
    refused: Counter,
}

impl Metrics {
    /// Registers `forecasts_total{basis}`, `model_info{name,version,sha256}` and `refused_models_total`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            forecasts: Family::default(),
            model: Family::default(),
            refused: Counter::default(),
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
        metrics
    }

    /// Counts answers.
    pub fn answered(&self, forecasts: &[Forecast]) {
        for forecast in forecasts {
            self.forecasts
                .get_or_create(&[("basis", forecast.basis.name())])
                .inc();
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
    }

    /// Counts an artifact that was not taken.
    pub fn refused(&self) {
        self.refused.inc();
    }
}
