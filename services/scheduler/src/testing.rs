//! Messages of other services as tests need them.

use proto::predictor::v1::{HistoryUsed, HorizonForecast, QuantileValue, SeriesForecast};

use crate::peers::convert::Forecast;

/// A forecast made at `origin` (seconds): in 600 s 47, q90 55 at the horizon and 49 of the peak, where 60 was last.
pub fn forecast(origin: i64, state: &[u8]) -> Forecast {
    let q90 = |value| {
        vec![QuantileValue {
            quantile: 0.9,
            value,
        }]
    };
    Forecast::from(SeriesForecast {
        origin: jiff::Timestamp::from_second(origin)
            .ok()
            .map(common::time::to_proto),
        last_cpu: 60.0,
        calibration_state: state.to_vec(),
        history: Some(HistoryUsed {
            step_seconds: 300,
            ..HistoryUsed::default()
        }),
        horizons: vec![HorizonForecast {
            horizon_seconds: 600,
            point: 47.0,
            at_horizon: q90(55.0),
            peak: q90(49.0),
            ..HorizonForecast::default()
        }],
        ..SeriesForecast::default()
    })
}
