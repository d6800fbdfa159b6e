//! A batch of series in, a forecast for each out: grid, features, model, calibration, fallback.

mod explain;
mod prepared;
mod reason;
mod rebuild;

pub use explain::Contribution;
pub use prepared::outcome;
pub use rebuild::REBUILT_STRIDE_SECONDS;

use crate::{
    artifact::{
        Artifact, RefusedArtifact,
        booster::{BoosterError, Rows},
        manifest::Output,
    },
    calibration::{self, Gate, RawForecast, Served, Target, Targets, Track},
    features::{self, Feature, View},
    local::LocalForecast,
    naive::{self, Naive, PastChanges},
    quantile,
    series::{Series, history::History},
};
use prepared::Prepared;
use rebuild::Asked;

/// Series that share one matrix: enough to keep the library busy, few enough to keep memory flat.
const SERIES_PER_CHUNK: usize = 64;
/// Past origins for the quantiles of a naive forecast.
const NAIVE_ORIGINS: usize = 2_000;

/// Where a forecast comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// The trained model.
    Model,
    /// The model mixed with a naive forecast.
    Mixed,
    /// Persistence with quantiles from past changes.
    Naive,
}

impl Basis {
    /// For labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Mixed => "mixed",
            Self::Naive => "naive",
        }
    }
}

/// Where the calibration of an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the request.
    Carried,
    /// From the window: past origins were forecast again.
    Rebuilt,
    /// There is none.
    None,
}

/// The forecast of one series, in the unit of the series.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Where the numbers come from.
    pub basis: Basis,
    /// Why, one sentence.
    pub reason: String,
    /// Time of the last sample, seconds since the Unix epoch.
    pub origin_seconds: i64,
    /// The last value on the grid.
    pub last_cpu: f64,
    /// In ascending order of the horizon.
    pub horizons: Vec<HorizonForecast>,
    /// The grid's step.
    pub step_seconds: u32,
    /// Grid points with a sample.
    pub observed_points: usize,
    /// Grid points without.
    pub missing_points: usize,
    /// From the first sample to the last.
    pub span_seconds: u64,
    /// That of the series.
    pub capacity: f64,
    /// What to send with the next request; empty when there is none.
    pub calibration_state: Vec<u8>,
    /// Where the calibration comes from.
    pub calibration_source: Source,
    /// Why not from the request; empty when it does.
    pub calibration_reason: String,
}

/// What is forecast for one horizon. Values belong to the quantiles asked for, never decrease, and lie within
/// `0..=capacity`.
#[derive(Clone, Debug, PartialEq)]
pub struct HorizonForecast {
    /// Seconds after the origin.
    pub horizon_seconds: u32,
    /// CPU at the horizon.
    pub level: Vec<f64>,
    /// The highest CPU up to the horizon.
    pub peak: Vec<f64>,
    /// The median of the level.
    pub point: f64,
    /// What the model said, one value for each target, in percent of capacity; `None` when it wasn't asked.
    pub model: Option<Vec<f64>>,
    /// Weight of the model in the point, that of the series' own linear model included, 0 to 1; 0 when it wasn't asked.
    pub model_weight: f64,
    /// The same without the series' own.
    pub global_weight: f64,
    /// How past ones did; `None` while nothing is known.
    pub trailing: Option<Trailing>,
}

/// How forecasts for a horizon did lately, recent ones counting more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trailing {
    /// Forecasts with a known outcome, fading.
    pub outcomes: f64,
    /// Mean absolute error of the point forecast, in the unit of the series.
    pub mae: f64,
    /// The same of the model's median, before the gate.
    pub model_mae: f64,
    /// The same of the best naive forecast.
    pub naive_mae: f64,
    /// Which that is.
    pub naive: Naive,
    /// Share of outcomes at or below q90 and q95, of peaks at or below those of the peak.
    pub coverage: [f64; 4],
}

/// Forecasts with one artifact.
#[derive(Debug)]
pub struct Forecaster {
    artifact: Artifact,
    features: Vec<Feature>,
    targets: Targets,
}

/// A question to the model: one origin, one horizon.
#[derive(Clone, Copy, Debug)]
struct Question<'a> {
    /// What was known.
    view: View<'a>,
    horizon_seconds: u32,
    /// Of the grid.
    step_seconds: u32,
    /// What the series' own model says.
    local: LocalForecast,
}

impl Question<'_> {
    fn steps(&self) -> usize {
        (self.horizon_seconds / self.step_seconds) as usize
    }

    fn is_one_step(&self) -> bool {
        self.steps() == 1
    }
}

impl Forecaster {
    /// Checks that `artifact` can answer what it promises.
    ///
    /// # Errors
    /// Features that the library doesn't have, no quantiles or horizons, tables of the wrong shape.
    pub fn new(artifact: Artifact) -> Result<Self, RefusedArtifact> {
        let manifest = &artifact.manifest;
        let incomplete = |what: String| Err(RefusedArtifact::Incomplete(what));
        let features = manifest
            .features
            .iter()
            .map(|name| name.parse())
            .collect::<Result<Vec<Feature>, _>>();
        let features = match features {
            Ok(features) => features,
            Err(error) => return incomplete(format!("cannot be served: {error}")),
        };
        let ascending = |values: &[f64]| values.is_sorted_by(|left, right| left < right);
        let horizons = &manifest.horizons_seconds;
        let steps = &manifest.steps_seconds;
        if manifest.quantiles.is_empty()
            || !ascending(&manifest.quantiles)
            || horizons.is_empty()
            || !horizons.is_sorted_by(|left, right| left < right)
            || steps.is_empty()
            || steps.contains(&0)
            || horizons.iter().any(|horizon| {
                steps
                    .iter()
                    .any(|step| horizon % step != 0 || horizon < step)
            })
        {
            return incomplete(
                "cannot be served: it needs quantiles, steps, and horizons that are multiples of the steps, ascending".into(),
            );
        }
        let targets = manifest
            .models
            .iter()
            .map(|model| Target {
                output: model.output,
                quantile: model.quantile,
            })
            .collect();
        let targets = Targets::new(targets);
        let outermost = (manifest.quantiles.first(), manifest.quantiles.last());
        for output in [Output::Level, Output::Peak] {
            let quantiles = targets.quantiles(output);
            if (quantiles.first(), quantiles.last()) != outermost {
                return incomplete(
                    "cannot be served: level and peak each need a model of the lowest and of the highest quantile".into(),
                );
            }
        }
        let quantiles = manifest.quantiles.len();
        let tables_fit = manifest
            .usual_changes
            .iter()
            .all(|usual| usual.level.len() == quantiles && usual.peak.len() == quantiles)
            && horizons.iter().all(|horizon| {
                manifest
                    .usual_changes
                    .iter()
                    .any(|usual| usual.horizon_seconds == *horizon)
            })
            && manifest
                .calibration
                .iter()
                .all(|calibration| calibration.offsets.len() == targets.len());
        if !tables_fit {
            return incomplete(
                "cannot be served: usual changes and calibration do not fit its horizons, quantiles and models".into(),
            );
        }
        Ok(Self {
            artifact,
            features,
            targets,
        })
    }

    /// The artifact behind it.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// What the model's outputs are.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Forecasts each of `batch` (each with at least one sample) at `horizons_seconds` (ascending, of the manifest) for
    /// `quantiles` (ascending, of the manifest).
    ///
    /// # Errors
    /// When the model predicts something that is not finite.
    pub fn forecast(
        &self,
        batch: &[Series],
        horizons_seconds: &[u32],
        quantiles: &[f64],
    ) -> Result<Vec<Forecast>, BoosterError> {
        let mut forecasts = Vec::with_capacity(batch.len());
        for chunk in batch.chunks(SERIES_PER_CHUNK) {
            let prepared: Vec<Prepared> = chunk
                .iter()
                .map(|series| Prepared::new(series, &self.artifact, &self.targets))
                .collect();
            let mut questions = Vec::new();
            let asked: Vec<Vec<Asked>> = prepared
                .iter()
                .map(|prepared| self.questions(prepared, &mut questions))
                .collect();
            let mut answers = self.ask(&questions)?.into_iter();
            drop(questions);
            for ((series, prepared), asked) in chunk.iter().zip(prepared).zip(asked) {
                let count = asked.iter().map(Asked::len).sum();
                let raw: Vec<RawForecast> = answers.by_ref().take(count).collect();
                forecasts.push(self.assemble(
                    series,
                    prepared,
                    asked,
                    &raw,
                    horizons_seconds,
                    quantiles,
                ));
            }
        }
        Ok(forecasts)
    }

    /// What the model is asked about a series: nothing, when it can't be.
    fn questions<'a>(
        &self,
        prepared: &'a Prepared,
        questions: &mut Vec<Question<'a>>,
    ) -> Vec<Asked> {
        if prepared.unsupported.is_some() {
            return Vec::new();
        }
        let manifest = &self.artifact.manifest;
        let least = manifest.least_history_seconds;
        manifest
            .horizons_seconds
            .iter()
            .enumerate()
            .map(|(position, horizon)| rebuild::ask(prepared, position, *horizon, least, questions))
            .collect()
    }

    /// The model's answers as they are, with its calibration, in percent of capacity.
    ///
    /// # Errors
    /// When the model predicts something that is not finite.
    fn ask(&self, questions: &[Question<'_>]) -> Result<Vec<RawForecast>, BoosterError> {
        let columns = self.features.len();
        let peaks = self.targets.quantiles(Output::Peak);
        let mut values = Vec::with_capacity(questions.len() * columns);
        for question in questions {
            features::append(
                &self.features,
                &question.view,
                question.steps(),
                &question.local,
                &mut values,
            );
        }
        let outputs = self.artifact.predict(&Rows::new(&values, columns)?)?;
        let answers = questions.iter().enumerate().map(|(row, question)| {
            let view = &question.view;
            let offsets = self
                .artifact
                .manifest
                .calibration
                .iter()
                .find(|found| {
                    found.step_seconds == question.step_seconds
                        && found.horizon_seconds == question.horizon_seconds
                })
                .map(|found| found.offsets.as_slice());
            let mut answer = RawForecast {
                values: outputs
                    .iter()
                    .enumerate()
                    .map(|(output, predictions)| {
                        let offset = offsets.map_or(0.0, |offsets| offsets[output]);
                        view.now() + view.scale() * (f64::from(predictions[row]) + offset)
                    })
                    .collect(),
                holds: view.at_horizon(question.steps()).peak_hold(peaks),
                own: (view.now() + view.scale() * question.local.change.level).clamp(0.0, 100.0),
                naive: Naive::ALL.map(|naive| naive.forecast(view, question.steps())),
                scale: view.scale(),
            };
            if question.is_one_step() {
                // Two forecasts of the same: the highest value on the way is the value at the horizon.
                for (level, peak) in self.targets.pairs() {
                    let mean = f64::midpoint(answer.values[*level], answer.values[*peak]);
                    answer.values[*level] = mean;
                    answer.values[*peak] = mean;
                }
            }
            self.targets.order(&mut answer.values);
            answer
        });
        Ok(answers.collect())
    }

    fn assemble(
        &self,
        series: &Series,
        mut prepared: Prepared,
        asked: Vec<Asked>,
        raw: &[RawForecast],
        horizons_seconds: &[u32],
        quantiles: &[f64],
    ) -> Forecast {
        let unit = series.capacity / 100.0;
        let manifest = &self.artifact.manifest;
        let mut tracks = std::mem::take(&mut prepared.calibration.tracks);
        let mut raw = raw;
        let mut served: Vec<Option<Served>> = Vec::with_capacity(tracks.len());
        for (asked, track) in asked.into_iter().zip(&mut tracks) {
            let (mine, rest) = raw.split_at(asked.len());
            raw = rest;
            served.push(asked.settle(self, &prepared, track, mine));
        }
        served.resize(tracks.len(), None);
        let history = &prepared.history;
        let last = prepared.last();
        let mut horizons = Vec::with_capacity(horizons_seconds.len());
        let all = manifest.horizons_seconds.iter().zip(served).zip(&tracks);
        for ((horizon, served), track) in all {
            if !horizons_seconds.contains(horizon) {
                continue;
            }
            let (level, peak) = match &served {
                None => self.naive_rows(history, last, *horizon, prepared.step_seconds),
                Some(served) => self.rows(&served.values),
            };
            let scaled = |row: &[f64], q: f64| {
                (quantile::interpolate(&manifest.quantiles, row, q) * unit)
                    .clamp(0.0, series.capacity)
            };
            let asked =
                |row: &[f64]| -> Vec<f64> { quantiles.iter().map(|q| scaled(row, *q)).collect() };
            let gate = served.as_ref().map(|served| &served.gate);
            horizons.push(HorizonForecast {
                horizon_seconds: *horizon,
                point: scaled(&level, 0.5),
                level: asked(&level),
                peak: asked(&peak),
                model_weight: gate.map_or(0.0, Gate::model_weight),
                global_weight: gate.map_or(0.0, Gate::global_weight),
                trailing: served.as_ref().and_then(|_| trailing(track, unit)),
                model: served.map(|served| served.model),
            });
        }
        let (basis, reason) = match &prepared.unsupported {
            Some(why) => (Basis::Naive, format!("persistence: {why}")),
            None => reason::explain(&horizons, unit),
        };
        let calibration_state = match prepared.source {
            Source::None => Vec::new(),
            Source::Carried | Source::Rebuilt => {
                prepared.calibration.tracks = tracks;
                prepared.calibration.last_seconds = prepared.last_seconds;
                calibration::encode(&prepared.calibration, self.artifact.fingerprint())
            }
        };
        Forecast {
            basis,
            reason,
            origin_seconds: prepared.last_seconds,
            // Grids hold 32-bit floats: a full machine could come out a little above its capacity.
            last_cpu: (history.value(last) * unit).clamp(0.0, series.capacity),
            horizons,
            step_seconds: prepared.step_seconds,
            observed_points: prepared.observed,
            missing_points: history.len() - prepared.observed,
            span_seconds: prepared.span_seconds,
            capacity: series.capacity,
            calibration_state,
            calibration_source: prepared.source,
            calibration_reason: prepared.source_reason,
        }
    }

    /// The manifest's quantiles of level and peak, from one value for each target: valid rows.
    pub fn rows(&self, values: &[f64]) -> (Vec<f64>, Vec<f64>) {
        valid(
            self.at_quantiles(Output::Level, values),
            self.at_quantiles(Output::Peak, values),
        )
    }

    fn at_quantiles(&self, output: Output, values: &[f64]) -> Vec<f64> {
        let known = self.targets.quantiles(output);
        let positions = self.targets.of(output).iter();
        let values: Vec<f64> = positions.map(|index| values[*index]).collect();
        self.artifact
            .manifest
            .quantiles
            .iter()
            .map(|q| quantile::interpolate(known, &values, *q))
            .collect()
    }

    /// Persistence, with the quantiles of past changes.
    fn naive_rows(
        &self,
        history: &History,
        last: usize,
        horizon_seconds: u32,
        step_seconds: u32,
    ) -> (Vec<f64>, Vec<f64>) {
        let manifest = &self.artifact.manifest;
        let now = history.value(last);
        let steps = (horizon_seconds / step_seconds).max(1) as usize;
        let own = PastChanges::collect(history, last, steps, NAIVE_ORIGINS);
        let usual = manifest
            .usual_changes
            .iter()
            .find(|usual| usual.horizon_seconds == horizon_seconds);
        let row = |own: &[f64], usual: Option<&Vec<f64>>| -> Vec<f64> {
            manifest
                .quantiles
                .iter()
                .enumerate()
                .map(|(index, q)| {
                    let usual = usual.map_or(0.0, |usual| usual[index]);
                    now + naive::blended_quantile(own, *q, usual)
                })
                .collect()
        };
        let mut level = row(&own.level, usual.map(|usual| &usual.level));
        // A persistence forecast says "as now": its median is the last value.
        for (value, q) in level.iter_mut().zip(&manifest.quantiles) {
            if *q == 0.5 {
                *value = now;
            }
        }
        valid(level, row(&own.peak, usual.map(|usual| &usual.peak)))
    }
}

/// Rows that ascend within capacity; the highest value up to the horizon is never below the value at it.
fn valid(mut level: Vec<f64>, mut peak: Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    quantile::repair(&mut level, 100.0);
    for (peak, level) in peak.iter_mut().zip(&level) {
        *peak = peak.max(*level);
    }
    quantile::repair(&mut peak, 100.0);
    (level, peak)
}

/// What is known of past forecasts; `None` when nothing is.
fn trailing(track: &Track, unit: f64) -> Option<Trailing> {
    let record = &track.record;
    let n = record.outcomes;
    let (naive, naive_mae) = record.best_naive();
    (n >= 1.0).then(|| Trailing {
        outcomes: n,
        mae: record.served_error / n * unit,
        model_mae: record.errors[0] / n * unit,
        naive_mae: naive_mae * unit,
        naive,
        coverage: record.covered.map(|covered| covered / n),
    })
}
