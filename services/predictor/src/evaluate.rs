//! Rolling-origin evaluation on recorded series: the last part of each, history up to the origin only.

mod referee;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::{
    booster::BoosterError,
    calibration::{RawForecast, Track},
    features::View,
    forecast::{Forecaster, Question, REBUILT_STRIDE_SECONDS, outcome},
    history::History,
    local::LocalPass,
    score::{Score, SeriesScore},
    series::Series,
    traces::Source,
};
use referee::{Referee, Said};

/// The part of each series, by time, that is not scored.
pub const TRAINING_SHARE: f64 = 0.6;
/// Forecasts are calibrated for so long before the first is scored, in seconds.
const WARM_UP_SECONDS: usize = 7 * 86_400;
/// Series that move less than this (standard deviation, percent of capacity) are idle and not scored.
pub const IDLE_DEVIATION: f64 = 0.3;

/// Whether a series moves enough to be scored or learned from.
pub fn moves(history: &History) -> bool {
    history.deviation(0, history.len().saturating_sub(1)) >= IDLE_DEVIATION
}

/// The first origin that is scored. Observations are counted, not time: a machine that was switched off for most of the
/// second half would otherwise be scored on next to nothing.
pub fn first_scored(history: &History) -> usize {
    let mut observed = (0..history.len()).filter(|index| !history.observed(*index).is_nan());
    let training = (observed.clone().count() as f64 * TRAINING_SHARE).ceil() as usize;
    observed.nth(training).unwrap_or(history.len())
}

/// How a caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// It sends the calibration state back: what is known of past forecasts is carried from origin to origin. It begins
    /// empty a week before the first origin that is scored.
    Carrying,
    /// It sends the last so many seconds of samples and nothing else: each answer rebuilds the calibration.
    Stateless(u32),
}

/// Scores `forecaster` at every `stride`-th origin of every series: one score for each series and horizon.
///
/// # Errors
/// When the model fails.
pub fn evaluate(
    forecaster: &Forecaster,
    sources: &[Source],
    stride: usize,
    caller: Caller,
) -> Result<Vec<SeriesScore>, BoosterError> {
    let series: Vec<(&str, &str, &History)> = sources
        .iter()
        .flat_map(|source| {
            source
                .series
                .iter()
                .map(|(id, history)| (source.name.as_str(), id.as_str(), history))
        })
        .filter(|(_, _, history)| moves(history))
        .collect();
    let progress = bar(series.len() as u64, "evaluating series");
    let scores: Vec<Vec<(u32, Score)>> = series
        .par_iter()
        .map(|(_, _, history)| {
            let scores = match caller {
                Caller::Carrying => carrying(forecaster, history, stride),
                Caller::Stateless(window) => stateless(forecaster, history, stride, window),
            };
            progress.inc(1);
            scores
        })
        .collect::<Result<_, _>>()?;
    progress.finish_and_clear();
    let named = series
        .iter()
        .zip(scores)
        .flat_map(|((source, id, _), scores)| {
            scores
                .into_iter()
                .map(|(horizon_seconds, score)| SeriesScore {
                    source: (*source).to_owned(),
                    series: (*id).to_owned(),
                    horizon_seconds,
                    score,
                })
        });
    Ok(named.collect())
}

/// As served to a caller that sends the calibration state back. The model is asked in bulk, for speed.
fn carrying(
    forecaster: &Forecaster,
    history: &History,
    stride: usize,
) -> Result<Vec<(u32, Score)>, BoosterError> {
    let manifest = &forecaster.artifact().manifest;
    let targets = forecaster.targets();
    let step = i64::from(history.step_seconds());
    let seconds = |origin: usize| origin as i64 * step;
    let mut scores = Vec::new();
    for horizon_seconds in &manifest.horizons_seconds {
        let mut referee = Referee::new(history, *horizon_seconds, &manifest.quantiles);
        let steps = referee.steps();
        let week = WARM_UP_SECONDS / step as usize;
        let first = first_scored(history);
        let asked: Vec<usize> = (first.saturating_sub(week)..history.len().saturating_sub(steps))
            .filter(|origin| origin % stride == 0 && !history.value(*origin).is_nan())
            .collect();
        let answers = ask(forecaster, history, *horizon_seconds, &asked)?;
        let mut track = Track::new(targets);
        for (origin, answer) in asked.into_iter().zip(&answers) {
            track.settle_due(targets, *horizon_seconds, seconds(origin), |made| {
                outcome(history, (made / step) as usize, steps)
            });
            let (served, pending) = track.serve(targets, seconds(origin), answer, steps == 1);
            track.wait(pending, *horizon_seconds);
            if origin >= first {
                let said = |values: &[f64]| {
                    let (level, peak) = forecaster.rows(values);
                    Said {
                        median: values[targets.median()],
                        level,
                        peak,
                    }
                };
                referee.score(origin, &said(&served.values), &said(&answer.values));
            }
        }
        scores.push((*horizon_seconds, referee.into_score()));
    }
    Ok(scores)
}

/// As served to a caller that sends `window_seconds` of samples with each request, through the same door.
fn stateless(
    forecaster: &Forecaster,
    history: &History,
    stride: usize,
    window_seconds: u32,
) -> Result<Vec<(u32, Score)>, BoosterError> {
    let manifest = &forecaster.artifact().manifest;
    let quantiles = &manifest.quantiles;
    let mut referees: Vec<Referee<'_>> = manifest
        .horizons_seconds
        .iter()
        .map(|horizon| Referee::new(history, *horizon, quantiles))
        .collect();
    let asked: Vec<usize> = (first_scored(history)..history.len())
        .filter(|origin| origin % stride == 0 && !history.observed(*origin).is_nan())
        .collect();
    for origins in asked.chunks(16) {
        let windows: Vec<Series> = origins
            .iter()
            .map(|origin| known_at(history, *origin, window_seconds))
            .collect();
        let forecasts = forecaster.forecast(&windows, &manifest.horizons_seconds, quantiles)?;
        for (origin, forecast) in origins.iter().zip(forecasts) {
            for (referee, horizon) in referees.iter_mut().zip(forecast.horizons) {
                let said = Said {
                    median: horizon.point,
                    level: horizon.level,
                    peak: horizon.peak,
                };
                referee.score(*origin, &said, &said);
            }
        }
    }
    Ok(manifest
        .horizons_seconds
        .iter()
        .copied()
        .zip(referees.into_iter().map(Referee::into_score))
        .collect())
}

/// The last `window_seconds` before `origin` as a caller would send them.
pub fn known_at(history: &History, origin: usize, window_seconds: u32) -> Series {
    let step = history.step_seconds();
    let mut series = Series {
        id: "recorded".to_owned(),
        timestamps_seconds: Vec::new(),
        cpu: Vec::new(),
        capacity: 100.0,
        calibration_state: Vec::new(),
    };
    for index in origin.saturating_sub((window_seconds / step) as usize)..=origin {
        let value = history.observed(index);
        if !value.is_nan() {
            series
                .timestamps_seconds
                .push(index as i64 * i64::from(step));
            series.cpu.push(value);
        }
    }
    series
}

/// The model's answers at `origins`, ascending and each with a value; the series' own model learns from the beginning.
fn ask(
    forecaster: &Forecaster,
    history: &History,
    horizon_seconds: u32,
    origins: &[usize],
) -> Result<Vec<RawForecast>, BoosterError> {
    let step_seconds = history.step_seconds();
    let steps = (horizon_seconds / step_seconds) as usize;
    let stride = (REBUILT_STRIDE_SECONDS / step_seconds) as usize;
    let mut pass = LocalPass::new(history, 0, steps, stride);
    let mut answers = Vec::with_capacity(origins.len());
    for chunk in origins.chunks(2_000) {
        let questions: Vec<Question<'_>> = chunk
            .iter()
            .filter_map(|origin| {
                let view = View::new(history, *origin, 0)?;
                Some(Question {
                    view,
                    horizon_seconds,
                    step_seconds,
                    local: pass.at(&view),
                })
            })
            .collect();
        answers.extend(forecaster.ask(&questions)?);
    }
    Ok(answers)
}

/// A progress bar on stderr.
pub fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length)
        .with_style(style)
        .with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_of_the_observations() {
        // On for 20 steps, off for 75, on again for 5.
        let value = |index: usize| match index {
            20..95 => f32::NAN,
            _ => index as f32,
        };
        let history = History::new(300, (0..100).map(value).collect());
        assert_eq!(first_scored(&history), 15);
        let whole = History::new(300, vec![1.0; 100]);
        assert_eq!(first_scored(&whole), 60);
        assert_eq!(first_scored(&History::new(300, vec![f32::NAN; 9])), 9);
    }
}
