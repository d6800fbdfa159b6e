//! The answer for one series, from what the model said, what its past taught, and what needs no model.

use super::{
    answer::{Basis, Forecast, HorizonForecast, Source, Trailing},
    forecaster::Forecaster,
    prepared::Prepared,
    reason,
    rebuild::Asked,
};
use crate::{
    artifact::manifest::Output,
    calibration::{self, Gate, RawForecast, Served, Track},
    naive::{self, PastChanges},
    quantile,
    series::{Series, history::History},
};

/// Past origins for the quantiles of a naive forecast.
const NAIVE_ORIGINS: usize = 2_000;

impl Forecaster {
    pub(super) fn assemble(
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
            served.push(asked.settle(&self.targets, &prepared, track, mine));
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
