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
    score::{PEAK_QUANTILES, Residuals, Score, Scored},
    traces::Source,
};

/// The part of each series, by time, that is not scored.
pub const TRAINING_SHARE: f64 = 0.6;
/// Series that move less than this (standard deviation, percent of capacity) are idle and not scored.
pub const IDLE_DEVIATION: f64 = 0.3;

/// Scores by source and horizon in seconds.
pub type Scores = BTreeMap<(String, u32), Score>;

/// Whether a series moves enough to be scored or learned from.
pub fn moves(history: &History) -> bool {
    history.deviation(0, history.len().saturating_sub(1)) >= IDLE_DEVIATION
}

/// The first origin that is scored.
pub fn first_scored(history: &History) -> usize {
    (history.len() as f64 * TRAINING_SHARE).ceil() as usize
}

/// Scores `forecaster` at every `stride`-th origin of every series.
///
/// # Errors
/// When the model fails.
pub fn evaluate(
    forecaster: &Forecaster,
    sources: &[Source],
    stride: usize,
    tuning: &Tuning,
) -> Result<Scores, BoosterError> {
    let series: Vec<(&str, &History)> = sources
        .iter()
        .flat_map(|source| {
            source
                .series
                .iter()
                .map(|(_, history)| (source.name.as_str(), history))
        })
        .filter(|(_, history)| moves(history))
        .collect();
    let progress = bar(series.len() as u64, "evaluating series");
    let scores: Vec<Vec<(u32, Score)>> = series
        .par_iter()
        .map(|(_, history)| {
            let scores = evaluate_series(forecaster, history, stride, tuning);
            progress.inc(1);
            scores
        })
        .collect::<Result<_, _>>()?;
    progress.finish_and_clear();
    let mut merged = Scores::new();
    for ((source, _), scores) in series.iter().zip(scores) {
        for (horizon, score) in scores {
            let key = ((*source).to_owned(), horizon);
            merged.entry(key).or_default().merge(&score);
        }
    }
    Ok(merged)
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
    let position = |output: Output, q: f64| {
        targets
            .iter()
            .position(|target| target.output == output && (target.quantile - q).abs() < 1e-9)
    };
    let read = |values: &[f64], output: Output, q: f64| {
        position(output, q).map_or(f64::NAN, |index| values[index])
    };
    let mut score = Score::default();
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
        let level_of = |q| read(&values, Output::Level, q);
        let hold = hold(origin);
        score.add(&Scored {
            level,
            peak,
            median: level_of(0.5),
            model_median: read(&answer.values, Output::Level, 0.5),
            naive: answer
                .naive
                .map(|value| if value.is_nan() { now } else { value }),
            levels: [level_of(0.1), level_of(0.9), level_of(0.95)],
            naive_levels: [
                (now + level_misses.quantile(0.1)).clamp(0.0, 100.0),
                now,
                (now + level_misses.quantile(0.9)).clamp(0.0, 100.0),
            ],
            peaks: PEAK_QUANTILES.map(|q| read(&values, Output::Peak, q)),
            model_peaks: PEAK_QUANTILES.map(|q| read(&answer.values, Output::Peak, q)),
            naive_peaks: PEAK_QUANTILES.map(|q| (hold + peak_misses.quantile(q)).clamp(0.0, 100.0)),
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

/// The scores as a table for people.
pub fn table(scores: &Scores) -> String {
    let mut lines = vec![format!(
        "{:<22} {:>4} {:>8} {:>7} | {:>7} {:>7} {:>7} | {:>6} {:>6} {:>6} {:>6} | {:>6} | {:>5} {:>5} {:>5} {:>5}",
        "source",
        "min",
        "n",
        "mae",
        "v pers",
        "v best",
        "raw",
        "pk q90",
        "pk q95",
        "raw90",
        "raw95",
        "level",
        "c90",
        "c95",
        "pc90",
        "pc95"
    )];
    for ((source, horizon), score) in scores {
        let n = score.count as f64;
        let share = |count: u64| count as f64 / n;
        let persistence = score.naive_errors[0];
        lines.push(format!(
            "{:<22} {:>4} {:>8} {:>7.3} | {:>7.3} {:>7.3} {:>7.3} | {:>6.3} {:>6.3} {:>6.3} {:>6.3} | {:>6.3} | {:>5.3} {:>5.3} {:>5.3} {:>5.3}",
            source,
            horizon / 60,
            score.count,
            score.error / n,
            Score::skill(score.error, persistence),
            Score::skill(score.error, score.best_naive_error()),
            Score::skill(score.model_error, persistence),
            Score::skill(score.peak_loss[0], score.peak_naive_loss[0]),
            Score::skill(score.peak_loss[1], score.peak_naive_loss[1]),
            Score::skill(score.peak_model_loss[0], score.peak_naive_loss[0]),
            Score::skill(score.peak_model_loss[1], score.peak_naive_loss[1]),
            Score::skill(score.level_loss, score.level_naive_loss),
            share(score.level_covered[0]),
            share(score.level_covered[1]),
            share(score.peak_covered[0]),
            share(score.peak_covered[1]),
        ));
    }
    lines.join("\n")
}
