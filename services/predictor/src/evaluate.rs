//! Rolling-origin evaluation on recorded series: the last part of each, history up to the origin only.
//!
//! What the recent past says is worked out as in serving, from the same thinned origins; they are forecast once each.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::{
    booster::BoosterError,
    features::View,
    forecast::{Forecaster, Question, past_origins},
    history::History,
    manifest::Output,
    online::{self, Outcome, RawForecast, Tuning},
    quantile,
    score::{Residuals, Rows, Score, Scored, SeriesScore},
    traces::Source,
};

/// The part of each series, by time, that is not scored.
pub const TRAINING_SHARE: f64 = 0.6;
/// Series that move less than this (standard deviation, percent of capacity) are idle and not scored.
pub const IDLE_DEVIATION: f64 = 0.3;

/// Whether a series moves enough to be scored or learned from.
pub fn moves(history: &History) -> bool {
    history.deviation(0, history.len().saturating_sub(1)) >= IDLE_DEVIATION
}

/// The first origin that is scored.
pub fn first_scored(history: &History) -> usize {
    (history.len() as f64 * TRAINING_SHARE).ceil() as usize
}

/// Scores `forecaster` at every `stride`-th origin of every series: one score for each series and horizon.
///
/// # Errors
/// When the model fails.
pub fn evaluate(
    forecaster: &Forecaster,
    sources: &[Source],
    stride: usize,
    tuning: &Tuning,
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
            let scores = evaluate_series(forecaster, history, stride, tuning);
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

fn evaluate_series(
    forecaster: &Forecaster,
    history: &History,
    stride: usize,
    tuning: &Tuning,
) -> Result<Vec<(u32, Score)>, BoosterError> {
    let horizons = &forecaster.artifact().manifest.horizons_seconds;
    horizons
        .iter()
        .map(|horizon| {
            let score = evaluate_horizon(forecaster, history, *horizon, stride, tuning)?;
            Ok((*horizon, score))
        })
        .collect()
}

fn evaluate_horizon(
    forecaster: &Forecaster,
    history: &History,
    horizon_seconds: u32,
    stride: usize,
    tuning: &Tuning,
) -> Result<Score, BoosterError> {
    let step = history.step_seconds();
    let steps = (horizon_seconds / step) as usize;
    let least = forecaster.artifact().manifest.least_history_seconds;
    let first = first_scored(history);
    let last = history.len().saturating_sub(steps);
    let reach = tuning.past_seconds / step as usize + steps + stride;
    let asked: Vec<usize> = (first.saturating_sub(reach)..last)
        .filter(|origin| origin % stride == 0 && !history.value(*origin).is_nan())
        .collect();
    let answers = ask(forecaster, history, horizon_seconds, &asked)?;

    let targets = forecaster.targets();
    let quantiles = &forecaster.artifact().manifest.quantiles;
    let median = online::median_of(targets);
    let [level_row, peak_row] = [Output::Level, Output::Peak].map(|output| {
        let mut known: Vec<(f64, usize)> = targets
            .iter()
            .enumerate()
            .filter(|(_, target)| target.output == output)
            .map(|(position, target)| (target.quantile, position))
            .collect();
        known.sort_by(|left, right| left.0.total_cmp(&right.0));
        let levels: Vec<f64> = known.iter().map(|(q, _)| *q).collect();
        move |values: &[f64]| -> Vec<f64> {
            let values: Vec<f64> = known.iter().map(|(_, at)| values[*at]).collect();
            quantiles
                .iter()
                .map(|q| quantile::interpolate(&levels, &values, *q))
                .collect()
        }
    });
    let mut score = Score::new(quantiles);
    let week = 7 * 86_400 / step as usize;
    let (mut level_misses, mut peak_misses) = (Residuals::new(week), Residuals::new(week));
    let hold = |origin: usize| history.highest((origin + 1).saturating_sub(steps), origin);
    let mut known_until = first.saturating_sub(week + steps);
    for (origin, answer) in &answers {
        let origin = *origin;
        if origin < first {
            continue;
        }
        while known_until + steps <= origin {
            let end = known_until + steps;
            level_misses.push(history.observed(end) - history.value(known_until));
            peak_misses.push(history.observed_peak(known_until + 1, end) - hold(known_until));
            known_until += 1;
        }
        let level = history.observed(origin + steps);
        let peak = history.observed_peak(origin + 1, origin + steps);
        if level.is_nan() || peak.is_nan() || history.observed(origin).is_nan() {
            continue;
        }
        let outcomes: Vec<Outcome<'_>> =
            past_origins(history, origin, horizon_seconds, least, tuning)
                .into_iter()
                .filter_map(|past| {
                    let past = past - past % stride;
                    Some(Outcome {
                        forecast: answers.get(&past)?,
                        level: history.observed(past + steps),
                        peak: history.observed_peak(past + 1, past + steps),
                    })
                })
                .filter(|outcome| !outcome.level.is_nan() && !outcome.peak.is_nan())
                .collect();
        let judgement = online::judge(targets, &outcomes, tuning);
        let values = online::apply(targets, answer, &judgement);
        let now = history.value(origin);
        let hold = hold(origin);
        let around = |center: f64, misses: &Residuals| -> Vec<f64> {
            quantiles
                .iter()
                .map(|q| (center + misses.quantile(*q)).clamp(0.0, 100.0))
                .collect()
        };
        score.add(&Scored {
            level,
            peak,
            median: values[median],
            model_median: answer.values[median],
            naive: answer
                .naive
                .map(|value| if value.is_nan() { now } else { value }),
            served: Rows {
                level: &level_row(&values),
                peak: &peak_row(&values),
            },
            model: Rows {
                level: &level_row(&answer.values),
                peak: &peak_row(&answer.values),
            },
            reference: Rows {
                level: &around(now, &level_misses),
                peak: &around(hold, &peak_misses),
            },
        });
    }
    Ok(score)
}

fn ask(
    forecaster: &Forecaster,
    history: &History,
    horizon_seconds: u32,
    origins: &[usize],
) -> Result<BTreeMap<usize, RawForecast>, BoosterError> {
    let mut answers = BTreeMap::new();
    for chunk in origins.chunks(2_000) {
        let questions: Vec<Question<'_>> = chunk
            .iter()
            .filter_map(|origin| {
                Some(Question {
                    view: View::new(history, *origin, 0)?,
                    horizon_seconds,
                    step_seconds: history.step_seconds(),
                })
            })
            .collect();
        answers.extend(chunk.iter().copied().zip(forecaster.ask(&questions)?));
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
