//! What came of forecasts, so that the error in production is measured and not assumed.
//!
//! All are sums: `rate(…_error_percent_total) / rate(…_outcomes_total)` is the mean absolute error over any window, and the
//! same with persistence's tells whether the model is worth it.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::memory::{hindsight::Share, targets::Tallies};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct HorizonLabel {
    horizon_seconds: u32,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct QuantileLabels {
    horizon_seconds: u32,
    of: &'static str,
    quantile: &'static str,
}

type Sum = Counter<f64, AtomicU64>;

/// Counters of pairs of forecast and outcome.
#[derive(Clone, Debug, Default)]
pub struct Forecasts {
    outcomes: Family<HorizonLabel, Counter>,
    error: Family<HorizonLabel, Sum>,
    persistence_error: Family<HorizonLabel, Sum>,
    judged: Family<QuantileLabels, Counter>,
    covered: Family<QuantileLabels, Counter>,
}

impl Forecasts {
    /// Registers all.
    pub fn register(registry: &mut Registry) -> Self {
        let forecasts = Self::default();
        registry.register(
            "forecast_outcomes",
            "Forecasts that were compared with what came",
            forecasts.outcomes.clone(),
        );
        registry.register(
            "forecast_error_percent",
            "Sum of the absolute errors of point forecasts, percent points of the type at that time",
            forecasts.error.clone(),
        );
        registry.register(
            "forecast_persistence_error_percent",
            "The same of persistence, the last value as forecast",
            forecasts.persistence_error.clone(),
        );
        registry.register(
            "forecast_quantile_outcomes",
            "Quantiles that were compared with what came: of CPU at the horizon, or of the peak up to it",
            forecasts.judged.clone(),
        );
        registry.register(
            "forecast_quantile_covered",
            "Those that the outcome did not exceed; their share should be the quantile",
            forecasts.covered.clone(),
        );
        forecasts
    }

    /// Adds what a tick found.
    pub fn judged(&self, tallies: &Tallies) {
        for (horizon_seconds, tally) in tallies {
            let horizon_seconds = *horizon_seconds;
            let label = HorizonLabel { horizon_seconds };
            self.outcomes.get_or_create(&label).inc_by(tally.outcomes);
            self.error.get_or_create(&label).inc_by(tally.error);
            self.persistence_error
                .get_or_create(&label)
                .inc_by(tally.persistence_error);
            for (of, quantile, share) in [
                ("level", "0.9", tally.level_q90),
                ("peak", "0.9", tally.peak_q90),
                ("peak", "0.95", tally.peak_q95),
            ] {
                let Share { covered, judged } = share;
                let labels = QuantileLabels {
                    horizon_seconds,
                    of,
                    quantile,
                };
                self.judged.get_or_create(&labels).inc_by(judged);
                self.covered.get_or_create(&labels).inc_by(covered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::hindsight::Tally;

    #[test]
    fn sums_stand_by_horizon_and_quantile() {
        let mut registry = Registry::default();
        let forecasts = Forecasts::register(&mut registry);
        let tally = Tally {
            outcomes: 4,
            error: 6.5,
            persistence_error: 9.0,
            level_q90: Share {
                covered: 3,
                judged: 4,
            },
            ..Tally::default()
        };
        forecasts.judged(&Tallies::from([(300, tally)]));
        forecasts.judged(&Tallies::from([(300, tally)]));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"forecast_outcomes_total{horizon_seconds="300"} 8"#,
            r#"forecast_error_percent_total{horizon_seconds="300"} 13.0"#,
            r#"forecast_persistence_error_percent_total{horizon_seconds="300"} 18.0"#,
            r#"forecast_quantile_covered_total{horizon_seconds="300",of="level",quantile="0.9"} 6"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
