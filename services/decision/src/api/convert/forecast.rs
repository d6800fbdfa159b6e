//! Forecasts: the predictor's message, kept as it came.

use common::{request::Fields, time};
use proto::predictor::v1::{
    ForecastBasis, HistoryUsed, HorizonForecast, QuantileValue, SeriesForecast,
};

use super::fields::one_line;
use crate::decide::input::{Basis, Forecast, History, Horizon, Quantile};

/// Beyond 100 percent lies demand that a larger type had; beyond this no type's.
const MAX_CPU_PERCENT: f64 = 1_000_000.0;
const MAX_HORIZONS: usize = 64;
const MAX_QUANTILES: usize = 64;

pub(super) fn read(fields: &mut Fields, message: SeriesForecast) -> Option<Forecast> {
    let origin = fields.time("forecast.origin", message.origin);
    if message.origin.is_none() {
        fields.bad(
            "forecast.origin",
            "is missing: nothing says how old the forecast is",
        );
    }
    let basis = match ForecastBasis::try_from(message.basis) {
        Ok(ForecastBasis::Unspecified) => Basis::Unspecified,
        Ok(ForecastBasis::Model) => Basis::Model,
        Ok(ForecastBasis::Mixed) => Basis::Mixed,
        Ok(ForecastBasis::Naive) => Basis::Naive,
        Err(_) => {
            fields.bad(
                "forecast.basis",
                format!("{} is no ForecastBasis", message.basis),
            );
            return None;
        }
    };
    match message.horizons.len() {
        1..=MAX_HORIZONS => {}
        count => {
            fields.bad(
                "forecast.horizons",
                format!("has {count} entries; 1 to {MAX_HORIZONS} are allowed"),
            );
            return None;
        }
    }
    let horizons: Vec<Horizon> = message
        .horizons
        .into_iter()
        .enumerate()
        .map(|(index, message)| horizon(fields, &format!("forecast.horizons[{index}]"), message))
        .collect();
    for (index, pair) in horizons.windows(2).enumerate() {
        if pair[1].horizon_seconds <= pair[0].horizon_seconds {
            fields.bad(
                format!("forecast.horizons[{}].horizon_seconds", index + 1),
                format!(
                    "{} is not above {}",
                    pair[1].horizon_seconds, pair[0].horizon_seconds
                ),
            );
        }
    }
    Some(Forecast {
        series_id: fields.id_or_empty("forecast.series_id", message.series_id),
        basis,
        basis_reason: one_line(&message.basis_reason),
        origin,
        last_cpu: fields.number("forecast.last_cpu", message.last_cpu, 0.0, MAX_CPU_PERCENT),
        horizons,
        history: message.history.map(|history| History {
            step_seconds: history.step_seconds,
            observed_points: history.observed_points,
            missing_points: history.missing_points,
            span_seconds: history.span_seconds,
        }),
    })
}

fn horizon(fields: &mut Fields, field: &str, message: HorizonForecast) -> Horizon {
    if message.at_horizon.len() < 2 {
        fields.bad(
            format!("{field}.at_horizon"),
            format!(
                "has {} quantiles; a probability needs at least 2",
                message.at_horizon.len()
            ),
        );
    }
    Horizon {
        horizon_seconds: message.horizon_seconds,
        at_horizon: quantiles(fields, &format!("{field}.at_horizon"), message.at_horizon),
        peak: quantiles(fields, &format!("{field}.peak"), message.peak),
        point: fields.number(
            &format!("{field}.point"),
            message.point,
            0.0,
            MAX_CPU_PERCENT,
        ),
    }
}

fn quantiles(fields: &mut Fields, field: &str, messages: Vec<QuantileValue>) -> Vec<Quantile> {
    if messages.len() > MAX_QUANTILES {
        fields.bad(
            field,
            format!(
                "has {} quantiles; at most {MAX_QUANTILES} are allowed",
                messages.len()
            ),
        );
        return Vec::new();
    }
    let read: Vec<Quantile> = messages
        .into_iter()
        .enumerate()
        .map(|(index, message)| {
            let inside = message.quantile > 0.0 && message.quantile < 1.0;
            if !inside {
                fields.bad(
                    format!("{field}[{index}].quantile"),
                    format!("{} is not between 0 and 1", message.quantile),
                );
            }
            Quantile {
                quantile: message.quantile,
                value: fields.number(
                    &format!("{field}[{index}].value"),
                    message.value,
                    0.0,
                    MAX_CPU_PERCENT,
                ),
            }
        })
        .collect();
    for (index, pair) in read.windows(2).enumerate() {
        let next = index + 1;
        if pair[1].quantile <= pair[0].quantile {
            fields.bad(
                format!("{field}[{next}].quantile"),
                format!("{} is not above {}", pair[1].quantile, pair[0].quantile),
            );
        }
        if pair[1].value < pair[0].value {
            fields.bad(
                format!("{field}[{next}].value"),
                format!(
                    "{} is below the value of the quantile before, {}",
                    pair[1].value, pair[0].value
                ),
            );
        }
    }
    read
}

pub(super) fn message(forecast: &Forecast) -> SeriesForecast {
    let basis = match forecast.basis {
        Basis::Unspecified => ForecastBasis::Unspecified,
        Basis::Model => ForecastBasis::Model,
        Basis::Mixed => ForecastBasis::Mixed,
        Basis::Naive => ForecastBasis::Naive,
    };
    let quantiles = |quantiles: &[Quantile]| {
        quantiles
            .iter()
            .map(|known| QuantileValue {
                quantile: known.quantile,
                value: known.value,
            })
            .collect()
    };
    SeriesForecast {
        series_id: forecast.series_id.clone(),
        basis: basis.into(),
        basis_reason: forecast.basis_reason.clone(),
        origin: forecast.origin.map(time::to_proto),
        last_cpu: forecast.last_cpu,
        horizons: forecast
            .horizons
            .iter()
            .map(|horizon| HorizonForecast {
                horizon_seconds: horizon.horizon_seconds,
                at_horizon: quantiles(&horizon.at_horizon),
                peak: quantiles(&horizon.peak),
                point: horizon.point,
                ..Default::default()
            })
            .collect(),
        history: forecast.history.as_ref().map(|history| HistoryUsed {
            step_seconds: history.step_seconds,
            observed_points: history.observed_points,
            missing_points: history.missing_points,
            span_seconds: history.span_seconds,
        }),
        ..SeriesForecast::default()
    }
}
