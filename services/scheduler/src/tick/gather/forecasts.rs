//! Forecasts for what was measured, in batches.

use std::collections::HashMap;

use futures::FutureExt as _;

use super::inputs::Inputs;
use crate::{
    bounded::run_all,
    domain::{Forecast, Instance, Knowledge, Observation, Series},
    peers::{Failure, Predictor},
};

/// Batches in flight.
const BATCHES: usize = 4;
/// Calls in flight where a batch is taken apart.
const SINGLES: usize = 16;
/// Series in one call. Without calibration, after a start or with a new model, one costs the predictor about as much as
/// seventy with it: a call has to end in its time then, too, on a machine several times slower than a developer's.
const BATCH_SERIES: usize = 20;
/// Points in one call: less than 3 MiB of the 4 MiB that a server receives by default.
const BATCH_POINTS: usize = 160_000;
/// About what a point takes in a message.
const BYTES_OF_A_POINT: usize = 16;

/// A forecast, or why there is none.
pub(super) type Answer = Result<Forecast, NoForecast>;

/// Why there is no forecast, in a sentence.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoForecast(String);

/// Forecasts of `series`, by target id. A batch that the predictor refuses is asked for one by one, so that one bad series
/// spoils none other.
pub(super) async fn ask(
    inputs: &Inputs<'_>,
    series: &[(&str, &Series)],
) -> HashMap<String, Answer> {
    let predictor = inputs.peers.predictor.as_ref();
    let mut work = Vec::new();
    for batch in batches(series) {
        let one = async move {
            match inputs.in_time(forecast_batch(predictor, batch)).await {
                Ok(answers) => answers,
                Err(_) => {
                    let late =
                        "no forecast within the time of a tick; see scheduler.tick_timeout_seconds";
                    all(batch, late)
                }
            }
        };
        work.push(one.boxed());
    }
    let answers = run_all(BATCHES, work).await;
    answers.into_iter().flatten().collect()
}

/// The knowledge of a target with the answer of the predictor.
pub(super) fn add(
    answer: Option<Answer>,
    instance: Instance,
    observation: Observation,
    series: Series,
) -> Knowledge {
    let left_out = || {
        let why = "the predictor left this series out of its answer";
        Err(NoForecast(why.to_owned()))
    };
    match answer.unwrap_or_else(left_out) {
        Ok(forecast) => Knowledge::Forecast {
            instance,
            observation,
            series,
            forecast,
        },
        Err(NoForecast(why)) => Knowledge::Unforecast {
            instance,
            observation,
            series,
            why,
        },
    }
}

async fn forecast_batch(
    predictor: &dyn Predictor,
    batch: &[(&str, &Series)],
) -> Vec<(String, Answer)> {
    match predictor.forecast(batch).await {
        Ok(forecasts) => by_target(forecasts),
        Err(error) if error.failure == Failure::Invalid && batch.len() > 1 => {
            let mut work = Vec::new();
            for one in batch.chunks(1) {
                work.push(forecast_one(predictor, one).boxed());
            }
            run_all(SINGLES, work).await.into_iter().flatten().collect()
        }
        Err(error) => all(batch, &error.to_string()),
    }
}

async fn forecast_one(predictor: &dyn Predictor, one: &[(&str, &Series)]) -> Vec<(String, Answer)> {
    match predictor.forecast(one).await {
        Ok(forecasts) => by_target(forecasts),
        Err(error) => all(one, &error.to_string()),
    }
}

fn by_target(forecasts: Vec<Forecast>) -> Vec<(String, Answer)> {
    forecasts
        .into_iter()
        .map(|forecast| (forecast.target_id.clone(), Ok(forecast)))
        .collect()
}

fn all(batch: &[(&str, &Series)], why: &str) -> Vec<(String, Answer)> {
    batch
        .iter()
        .map(|(target_id, _)| ((*target_id).to_owned(), Err(NoForecast(why.to_owned()))))
        .collect()
}

/// Runs of series that fit one call, by number and by size.
fn batches<'a, 'b>(series: &'a [(&'b str, &'b Series)]) -> Vec<&'a [(&'b str, &'b Series)]> {
    let mut batches = Vec::new();
    let mut rest = series;
    while !rest.is_empty() {
        let mut points = 0;
        let fitting = rest
            .iter()
            .take(BATCH_SERIES)
            .take_while(|(_, series)| {
                points += series.asked().len();
                points += series.calibration_state.len() / BYTES_OF_A_POINT;
                points <= BATCH_POINTS
            })
            .count();
        let (batch, left) = rest.split_at(fitting.max(1));
        batches.push(batch);
        rest = left;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_number_and_by_size() {
        let of = |points: usize, number: usize| -> Vec<usize> {
            let series = Series {
                timestamps: vec![0; points],
                ..Series::default()
            };
            let all: Vec<(&str, &Series)> = vec![("x", &series); number];
            batches(&all).iter().map(|batch| batch.len()).collect()
        };
        assert_eq!(of(577, 50), [20, 20, 10]);
        assert_eq!(of(11_521, 20), [13, 7]);
        let carried = Series {
            calibration_state: vec![0; 128 * 1024],
            timestamps: vec![0; 577],
            ..Series::default()
        };
        let all: Vec<(&str, &Series)> = vec![("x", &carried); 40];
        let sizes: Vec<usize> = batches(&all).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [18, 18, 4], "states count too");
        // One that is too large alone still goes, alone: the predictor says what it thinks of it.
        assert_eq!(of(BATCH_POINTS + 1, 2), [1, 1]);
        assert!(of(10, 0).is_empty());
    }
}
