//! Rolling-origin evaluation on recorded series: the last part of each, history up to the origin only.

pub mod origins;
pub mod peers;
mod scorer;

use forecasting::{
    artifact::booster::BoosterError,
    forecast::Forecaster,
    series::{Series, history::History},
};
use rayon::prelude::*;

use crate::{
    data::Source,
    progress,
    score::{Score, SeriesScore},
};
use origins::{asked, known_at, moves};
use scorer::{Scorer, Statement};

/// What a caller that carries the state sends: enough for the week that a rebuild learns from, and the day before it.
const CARRYING_WINDOW_SECONDS: u32 = 8 * 86_400;
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
    of_each(sources, "evaluating series", |history| {
        score(forecaster, history, stride, caller)
    })
}

/// What `score` says of each series that moves enough to be scored, several at once; `doing` stands beside the progress.
fn of_each<E: Send>(
    sources: &[Source],
    doing: &'static str,
    score: impl Fn(&History) -> Result<Vec<(u32, Score)>, E> + Sync,
) -> Result<Vec<SeriesScore>, E> {
    let series = moving(sources);
    let progress = progress::bar(series.len() as u64, doing);
    let scores: Vec<Vec<SeriesScore>> = series
        .par_iter()
        .map(|(source, id, history)| {
            let scores = score(history)?;
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

/// Source, name and history of those series that move enough to be scored.
fn moving(sources: &[Source]) -> Vec<(&str, &str, &History)> {
    let all = sources.iter().flat_map(|source| {
        let series = source.series.iter();
        series.map(|(id, history)| (source.name.as_str(), id.as_str(), history))
    });
    all.filter(|(_, _, history)| moves(history)).collect()
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
    let mut scorers: Vec<Scorer<'_>> = horizons
        .iter()
        .map(|horizon| Scorer::new(history, *horizon, quantiles))
        .collect();
    let asked: Vec<usize> = asked(history, stride).collect();
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
            for (scorer, horizon) in scorers.iter_mut().zip(forecast.horizons) {
                let served = Statement {
                    median: horizon.point,
                    level: horizon.level,
                    peak: horizon.peak,
                };
                let alone = horizon.model.map(|values| {
                    let (level, peak) = forecaster.rows(&values);
                    Statement {
                        median: values[forecaster.targets().median()],
                        level,
                        peak,
                    }
                });
                scorer.score(*origin, &served, alone.as_ref().unwrap_or(&served));
            }
            if caller == Caller::Carrying {
                state = forecast.calibration_state;
            }
        }
    }
    let scores = scorers.into_iter().map(Scorer::into_score);
    Ok(horizons.iter().copied().zip(scores).collect())
}
