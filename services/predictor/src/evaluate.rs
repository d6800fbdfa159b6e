//! Rolling-origin evaluation on recorded series: the last part of each, history up to the origin only.

mod referee;

use forecasting::{
    artifact::booster::BoosterError,
    forecast::Forecaster,
    series::{Series, history::History},
};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::{
    score::{Score, SeriesScore},
    traces::Source,
};
use referee::{Referee, Said};

/// The part of each series, by time, that is not scored.
pub const TRAINING_SHARE: f64 = 0.6;
/// What a caller that carries the state sends: enough for the week that a rebuild learns from, and the day before it.
const CARRYING_WINDOW_SECONDS: u32 = 8 * 86_400;
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
    /// It sends the last eight days and, from its second request on, the calibration state of the answer before.
    Carrying,
    /// It sends the last so many seconds of samples and nothing else: each answer rebuilds the calibration.
    Stateless(u32),
}

impl Caller {
    fn window_seconds(self) -> u32 {
        match self {
            Self::Carrying => CARRYING_WINDOW_SECONDS,
            Self::Stateless(window_seconds) => window_seconds,
        }
    }

    /// A state is of the answer before, so what carries one goes one by one.
    fn at_once(self) -> usize {
        match self {
            Self::Carrying => 1,
            Self::Stateless(_) => 16,
        }
    }
}

/// Scores `forecaster` at every `stride`-th origin of every series, through the same door as a caller's requests: one
/// score for each series and horizon.
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
    let scores: Vec<Vec<SeriesScore>> = series
        .par_iter()
        .map(|(source, id, history)| {
            let scores = score(forecaster, history, stride, caller)?;
            progress.inc(1);
            let named = scores
                .into_iter()
                .map(|(horizon_seconds, score)| SeriesScore {
                    source: (*source).to_owned(),
                    series: (*id).to_owned(),
                    horizon_seconds,
                    score,
                });
            Ok(named.collect())
        })
        .collect::<Result<_, _>>()?;
    progress.finish_and_clear();
    Ok(scores.into_iter().flatten().collect())
}

/// One score for each horizon.
fn score(
    forecaster: &Forecaster,
    history: &History,
    stride: usize,
    caller: Caller,
) -> Result<Vec<(u32, Score)>, BoosterError> {
    let manifest = &forecaster.artifact().manifest;
    let (horizons, quantiles) = (&manifest.horizons_seconds, &manifest.quantiles);
    let mut referees: Vec<Referee<'_>> = horizons
        .iter()
        .map(|horizon| Referee::new(history, *horizon, quantiles))
        .collect();
    let asked: Vec<usize> = (first_scored(history)..history.len())
        .filter(|origin| origin % stride == 0 && !history.observed(*origin).is_nan())
        .collect();
    let mut state = Vec::new();
    for origins in asked.chunks(caller.at_once()) {
        let windows: Vec<Series> = origins
            .iter()
            .map(|origin| Series {
                calibration_state: std::mem::take(&mut state),
                ..known_at(history, *origin, caller.window_seconds())
            })
            .collect();
        let forecasts = forecaster.forecast(&windows, horizons, quantiles)?;
        for (origin, forecast) in origins.iter().zip(forecasts) {
            for (referee, horizon) in referees.iter_mut().zip(forecast.horizons) {
                let served = Said {
                    median: horizon.point,
                    level: horizon.level,
                    peak: horizon.peak,
                };
                let alone = horizon.model.map(|values| {
                    let (level, peak) = forecaster.rows(&values);
                    Said {
                        median: values[forecaster.targets().median()],
                        level,
                        peak,
                    }
                });
                referee.score(*origin, &served, alone.as_ref().unwrap_or(&served));
            }
            if caller == Caller::Carrying {
                state = forecast.calibration_state;
            }
        }
    }
    let scores = referees.into_iter().map(Referee::into_score);
    Ok(horizons.iter().copied().zip(scores).collect())
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
