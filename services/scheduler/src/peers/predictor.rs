//! The predictor.

use async_trait::async_trait;
use prost::Message as _;
use proto::predictor::v1::{
    self as message, ForecastRequest, predictor_service_client::PredictorServiceClient,
};

use super::{
    failure::CallError,
    link::{Link, ServiceState, call},
};
use crate::domain::{Basis, Forecast, Issued, Promise, Series};

/// A service that forecasts.
#[async_trait]
pub trait Predictor: Send + Sync {
    /// Its health.
    async fn health(&self) -> ServiceState;

    /// Forecasts a batch of series, each with the name of its target.
    ///
    /// # Errors
    /// INVALID_ARGUMENT (one bad series fails all) is [`Failure::Invalid`](super::Failure::Invalid).
    async fn forecast(&self, batch: &[(&str, &Series)]) -> Result<Vec<Forecast>, CallError>;
}

/// The predictor over gRPC.
pub struct PredictorClient(Link);

impl PredictorClient {
    /// Calls go over `link`.
    pub fn new(link: Link) -> Self {
        Self(link)
    }
}

#[async_trait]
impl Predictor for PredictorClient {
    async fn health(&self) -> ServiceState {
        self.0.health().await
    }

    async fn forecast(&self, batch: &[(&str, &Series)]) -> Result<Vec<Forecast>, CallError> {
        let request = ForecastRequest {
            series: batch
                .iter()
                .map(|(target_id, one)| series(target_id, one))
                .collect(),
            ..Default::default()
        };
        let answer = call!(self.0, PredictorServiceClient::forecast(request))?;
        Ok(answer.forecasts.into_iter().map(forecast).collect())
    }
}

fn series(target_id: &str, series: &Series) -> message::Series {
    let asked = series.asked();
    message::Series {
        series_id: target_id.to_owned(),
        timestamps_seconds: series.timestamps[asked.clone()].to_vec(),
        cpu: series.cpu_percent[asked].to_vec(),
        capacity: series.capacity_percent,
        calibration_state: series.calibration_state.clone(),
        ..Default::default()
    }
}

fn forecast(mut forecast: message::SeriesForecast) -> Forecast {
    // It goes back to the predictor, and not to the decision service.
    let calibration_state = std::mem::take(&mut forecast.calibration_state);
    Forecast {
        basis: match forecast.basis() {
            message::ForecastBasis::Unspecified => None,
            message::ForecastBasis::Model => Some(Basis::Model),
            message::ForecastBasis::Mixed => Some(Basis::Mixed),
            message::ForecastBasis::Naive => Some(Basis::Naive),
        },
        issued: issued(&forecast),
        calibration_state,
        encoded: forecast.encode_to_vec(),
        target_id: forecast.series_id,
    }
}

/// What can be judged later; `None` when the answer lacks what that takes.
fn issued(forecast: &message::SeriesForecast) -> Option<Issued> {
    let quantile = |row: &[message::QuantileValue], q: f64| {
        row.iter()
            .find(|entry| (entry.quantile - q).abs() < 1e-9)
            .map(|entry| entry.value)
    };
    Some(Issued {
        origin: forecast.origin?.seconds,
        last: forecast.last_cpu,
        step_seconds: forecast.history?.step_seconds,
        promises: forecast
            .horizons
            .iter()
            .map(|horizon| Promise {
                horizon_seconds: horizon.horizon_seconds,
                point: horizon.point,
                level_q90: quantile(&horizon.at_horizon, 0.9),
                peak_q90: quantile(&horizon.peak, 0.9),
                peak_q95: quantile(&horizon.peak, 0.95),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_days_are_sent_and_nothing_but_cpu() {
        let timestamps: Vec<i64> = (0..4_033).map(|step| step * 300).collect();
        let all = Series {
            cpu_percent: timestamps.iter().map(|at| *at as f64).collect(),
            timestamps,
            capacity_percent: 200.0,
            ..Series::default()
        };
        let sent = series("web", &all);
        assert_eq!(sent.timestamps_seconds, all.timestamps[4_032 - 2_304..]);
        assert_eq!(sent.cpu, all.cpu_percent[4_032 - 2_304..]);
        assert_eq!(sent.capacity, 200.0);
        assert!(sent.encoded_len() / sent.cpu.len() < 14);
        assert!(series("new", &Series::default()).cpu.is_empty());
    }
}
