//! Rows to learn from: origins drawn from the first part of each series, with what came.

use std::collections::BTreeMap;

use forecasting::{
    artifact::manifest::{Output, UsualChanges},
    features::{self, Feature, LocalForecast, View},
    forecast::REBUILT_STRIDE_SECONDS,
    local::LocalPass,
    quantile,
    series::history::History,
};
use rayon::prelude::*;

use super::{
    mixing,
    outputs::HORIZONS_SECONDS,
    random::{Random, mix},
};
use crate::{
    data::Source,
    evaluate::origins::{first_scored, moves},
};

/// Every so many-th series of a source is not trained on, so that calibration sees machines like a user's: unknown ones.
const UNSEEN_EVERY: usize = 7;
/// The share of rows whose history is cut short, so that the model knows young machines too.
const SHORTENED_SHARE: f64 = 0.2;

/// With less history, a series' own model has not learned enough to be of use.
const LEAST_LOCAL_HOURS: f64 = 12.0;

/// Feature rows with targets. Targets are changes from now divided by the view's scale.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Row by row.
    pub features: Vec<f32>,
    /// Change at the horizon.
    pub level: Vec<f32>,
    /// Change to the highest value up to the horizon.
    pub peak: Vec<f32>,
    /// How much each row counts; 1 on average.
    pub weights: Vec<f32>,
    /// What each row is about.
    pub about: Vec<About>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Index of the source.
    pub source: usize,
    /// Number of the series in its source.
    pub series: usize,
    /// Grid step.
    pub step_seconds: u32,
    /// Horizon.
    pub horizon_seconds: u32,
    /// The view's scale, percent of capacity.
    pub scale: f64,
    /// Whether the machine is made of two.
    pub mixed: bool,
}

impl Table {
    /// Rows.
    pub fn len(&self) -> usize {
        self.about.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.about.is_empty()
    }

    /// What `output` came to.
    pub fn targets(&self, output: Output) -> &[f32] {
        match output {
            Output::Level => &self.level,
            Output::Peak => &self.peak,
        }
    }

    fn append(&mut self, other: Self) {
        self.features.extend(other.features);
        self.level.extend(other.level);
        self.peak.extend(other.peak);
        self.weights.extend(other.weights);
        self.about.extend(other.about);
    }
}

/// What was drawn from a source.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Its name.
    pub source: String,
    /// Series with rows.
    pub series: u32,
    /// Rows for training.
    pub rows: u64,
}

/// Rows for training, and rows of machines that are kept apart.
#[derive(Debug, Default)]
pub struct Dataset {
    /// To train on.
    pub training: Table,
    /// Of series that are not trained on.
    pub unseen: Table,
    /// By source.
    pub drawn: Vec<Drawn>,
}

impl Dataset {
    /// Draws about `rows` rows. Small sources give a larger share of theirs: the square root of their size decides.
    pub fn draw(
        sources: &[Source],
        features: &[Feature],
        rows: usize,
        restless: f64,
        seed: u64,
    ) -> Self {
        let sizes: Vec<f64> = sources
            .iter()
            .map(|source| {
                let points: usize = source
                    .series
                    .iter()
                    .filter(|(_, history)| moves(history))
                    .map(|(_, history)| first_scored(history))
                    .sum();
                (points as f64).sqrt()
            })
            .collect();
        let all: f64 = sizes.iter().sum();
        let mut dataset = Self::default();
        for (index, (source, size)) in sources.iter().zip(&sizes).enumerate() {
            let wanted = rows as f64 * size / all;
            let moving: Vec<&History> = source
                .series
                .iter()
                .map(|(_, history)| history)
                .filter(|history| moves(history))
                .collect();
            let seed = mix(seed ^ mix(index as u64));
            let trained: Vec<&History> = (0..moving.len())
                .filter(|number| !is_unseen(*number))
                .map(|number| moving[number])
                .collect();
            let mixtures = mixing::mixtures(&trained, &mut Random::new(seed));
            let real = moving.iter().map(|history| Lesson {
                history,
                end: first_scored(history),
                mixed: false,
            });
            let made = mixtures.iter().map(|history| Lesson {
                history,
                end: history.len(),
                mixed: true,
            });
            let lessons: Vec<Lesson<'_>> = real.chain(made).collect();
            let points: usize = lessons.iter().map(|lesson| lesson.end).sum();
            let tables: Vec<Table> = lessons
                .par_iter()
                .enumerate()
                .map(|(number, lesson)| {
                    let share = lesson.end as f64 / points as f64;
                    // No more than every origin with every horizon.
                    let most = lesson.end * HORIZONS_SECONDS.len();
                    let count = ((wanted * share) as usize).min(most);
                    let seed = mix(seed ^ mix(number as u64));
                    draw_series(lesson, features, count, (index, number), seed)
                })
                .collect();
            let (mut training, mut unseen) = (Table::default(), Table::default());
            for (number, table) in tables.into_iter().enumerate() {
                if number < moving.len() && is_unseen(number) {
                    unseen.append(table);
                } else {
                    training.append(table);
                }
            }
            weigh(&mut training, restless);
            weigh(&mut unseen, restless);
            dataset.drawn.push(Drawn {
                source: source.name.clone(),
                series: moving.len() as u32,
                rows: training.len() as u64,
            });
            dataset.training.append(training);
            dataset.unseen.append(unseen);
        }
        dataset
    }

    /// Quantiles of change over each horizon, in percent of capacity, each source counting alike.
    pub fn usual_changes(&self, quantiles: &[f64]) -> Vec<UsualChanges> {
        let row = |horizon: u32, output: Output| -> Vec<f64> {
            let mut by_source: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            let targets = self.training.targets(output);
            for (about, target) in self.training.about.iter().zip(targets) {
                if about.horizon_seconds == horizon && !about.mixed {
                    let change = f64::from(*target) * about.scale;
                    by_source.entry(about.source).or_default().push(change);
                }
            }
            let sources = by_source.len() as f64;
            let sorted: Vec<Vec<f64>> = by_source
                .into_values()
                .map(|mut changes| {
                    changes.sort_unstable_by(f64::total_cmp);
                    changes
                })
                .collect();
            quantiles
                .iter()
                .map(|q| {
                    let sum: f64 = sorted.iter().map(|row| quantile::of_sorted(row, *q)).sum();
                    (sum / sources * 1e3).round() / 1e3
                })
                .collect()
        };
        HORIZONS_SECONDS
            .into_iter()
            .map(|horizon_seconds| UsualChanges {
                horizon_seconds,
                level: row(horizon_seconds, Output::Level),
                peak: row(horizon_seconds, Output::Peak),
            })
            .collect()
    }
}

/// Whether the series of that number is kept apart.
fn is_unseen(number: usize) -> bool {
    number % UNSEEN_EVERY == UNSEEN_EVERY - 1
}

/// A machine to learn from.
#[derive(Clone, Copy, Debug)]
struct Lesson<'a> {
    history: &'a History,
    /// Outcomes from here on aren't looked at.
    end: usize,
    mixed: bool,
}

/// An origin to learn from.
#[derive(Clone, Copy, Debug)]
struct Draw {
    horizon_seconds: u32,
    origin: usize,
    /// The oldest point that is looked at, for a machine that is made out to be young.
    first: Option<usize>,
}

fn draw_series(
    lesson: &Lesson<'_>,
    features: &[Feature],
    count: usize,
    (source, series): (usize, usize),
    seed: u64,
) -> Table {
    let mut table = Table::default();
    let history = lesson.history;
    let step_seconds = history.step_seconds();
    let mut draws = draws(lesson, count, seed);
    // The series' own models learn as time goes on: rows are made in that order.
    draws.sort_by_key(|draw| (draw.horizon_seconds, draw.origin));
    for draws in draws.chunk_by(|left, right| left.horizon_seconds == right.horizon_seconds) {
        let horizon_seconds = draws[0].horizon_seconds;
        let steps = (horizon_seconds / step_seconds) as usize;
        let stride = (REBUILT_STRIDE_SECONDS / step_seconds) as usize;
        let mut pass = LocalPass::new(history, 0, steps, stride);
        for draw in draws {
            let origin = draw.origin;
            let level = history.observed(origin + steps);
            let peak = history.observed_peak(origin + 1, origin + steps);
            if level.is_nan() || peak.is_nan() || history.observed(origin).is_nan() {
                continue;
            }
            let first = draw.first.unwrap_or(0);
            let Some(view) = View::new(history, origin, first) else {
                continue;
            };
            let local = match view.hours() < LEAST_LOCAL_HOURS {
                true => LocalForecast::UNKNOWN,
                // A young machine's own model would know less; that is not acted out, for its cost.
                false => pass.at(&View::new(history, origin, 0).unwrap_or(view)),
            };
            features::append(features, &view, steps, &local, &mut table.features);
            let relative = |value: f64| ((value - view.now()) / view.scale()) as f32;
            table.level.push(relative(level));
            table.peak.push(relative(peak));
            table.about.push(About {
                source,
                series,
                step_seconds,
                horizon_seconds,
                scale: view.scale(),
                mixed: lesson.mixed,
            });
        }
    }
    table
}

/// Draws origins and horizons.
fn draws(lesson: &Lesson<'_>, count: usize, seed: u64) -> Vec<Draw> {
    let Lesson { history, end, .. } = lesson;
    let mut random = Random::new(seed);
    let hour = history.steps(60);
    let mut draws = Vec::with_capacity(count);
    for _ in 0..count {
        let horizon_seconds = HORIZONS_SECONDS[random.below(HORIZONS_SECONDS.len())];
        let steps = (horizon_seconds / history.step_seconds()) as usize;
        let Some(room) = end.checked_sub(steps + hour + 1).filter(|room| *room > 0) else {
            break;
        };
        let origin = hour + random.below(room);
        let shortened = random.share() < SHORTENED_SHARE;
        // From one hour to three days, short ones as likely as long ones.
        let length = (hour as f64 * 72.0_f64.powf(random.share())) as usize;
        draws.push(Draw {
            horizon_seconds,
            origin,
            first: shortened.then(|| origin.saturating_sub(length)),
        });
    }
    draws
}

/// Errors are counted in percent of capacity, to the power `restless`; every source's rows weigh 1 on average.
fn weigh(table: &mut Table, restless: f64) {
    let raw: Vec<f64> = table
        .about
        .iter()
        .map(|about| about.scale.powf(restless))
        .collect();
    let mean = raw.iter().sum::<f64>() / raw.len() as f64;
    table.weights = raw
        .into_iter()
        .map(|weight| (weight / mean) as f32)
        .collect();
}
