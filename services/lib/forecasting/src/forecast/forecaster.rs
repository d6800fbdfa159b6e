//! Series in, the model's answers for each, and out of them forecasts.

use super::{
    answer::Forecast,
    prepared::Prepared,
    question::Question,
    rebuild::{self, Asked},
};
use crate::{
    artifact::{
        Artifact, RefusedArtifact,
        booster::{BoosterError, Rows},
        manifest::Output,
    },
    calibration::{RawForecast, Target, Targets},
    features::{self, Feature},
    naive::Naive,
    series::Series,
};

/// Series that share one matrix: enough to keep the library busy, few enough to keep memory flat.
const SERIES_PER_CHUNK: usize = 64;
/// Forecasts with one artifact.
#[derive(Debug)]
pub struct Forecaster {
    pub(super) artifact: Artifact,
    pub(super) features: Vec<Feature>,
    pub(super) targets: Targets,
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
    pub(super) fn questions<'a>(
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
}
