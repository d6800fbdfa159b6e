//! The answer for one series, from what the model said, what its past taught, and what needs no model.

use super::{
    answer::{Basis, Forecast, HorizonForecast, Source, Trailing},
    forecaster::Forecaster,
    prepared::Prepared,
    reason,
    rebuild::Asked,
    trust::Trust,
};
use crate::{
    artifact::manifest::Output,
    calibration::{self, Gate, RawForecast, Served, Track},
    past::{self, Rows},
    quantile::{self, Weighted},
    series::Series,
};

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
        let said: Vec<Said> = manifest
            .horizons_seconds
            .iter()
            .zip(&served)
            .zip(&tracks)
            .map(|((horizon, served), track)| {
                self.said(&prepared, *horizon, served.as_ref(), track)
            })
            .collect();
        let trusts: Vec<Trust> = said.iter().map(|said| said.trust).collect();
        let rows = ordered(said, &manifest.horizons_seconds);
        let mut horizons = Vec::with_capacity(horizons_seconds.len());
        let mut trusted = Vec::with_capacity(horizons_seconds.len());
        let all = manifest.horizons_seconds.iter().zip(served).zip(&tracks);
        for (((horizon, served), track), (rows, trust)) in all.zip(rows.iter().zip(&trusts)) {
            if !horizons_seconds.contains(horizon) {
                continue;
            }
            trusted.push(*trust);
            let scaled = |row: &[f64], q: f64| {
                (quantile::interpolate(&manifest.quantiles, row, q) * unit)
                    .clamp(0.0, series.capacity)
            };
            let asked =
                |row: &[f64]| -> Vec<f64> { quantiles.iter().map(|q| scaled(row, *q)).collect() };
            let gate = served.as_ref().map(|served| &served.gate);
            let weight = |of: fn(&Gate) -> f64| gate.map_or(0.0, |gate| of(gate) * trust.share());
            horizons.push(HorizonForecast {
                horizon_seconds: *horizon,
                point: scaled(&rows.level, 0.5),
                level: asked(&rows.level),
                peak: asked(&rows.peak),
                model_weight: weight(Gate::model_weight),
                global_weight: weight(Gate::global_weight),
                trailing: served.as_ref().and_then(|_| trailing(track, unit)),
                model: served.map(|served| served.model),
            });
        }
        let (basis, reason) = match &prepared.unsupported {
            Some(why) => (
                Basis::Naive,
                format!("what this series did before, without the model: {why}"),
            ),
            None => reason::explain(&horizons, &trusted, unit),
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
            skill: reason::skill(&horizons, &trusted),
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

    /// What is said of one horizon, and how far the model is trusted in it.
    fn said(
        &self,
        prepared: &Prepared,
        horizon_seconds: u32,
        served: Option<&Served>,
        track: &Track,
    ) -> Said {
        let manifest = &self.artifact.manifest;
        let steps = (horizon_seconds / prepared.step_seconds).max(1) as usize;
        let trust = match served {
            Some(_) => Trust::of(prepared, steps, track.record.outcomes),
            None => Trust::NONE,
        };
        let served = served.map(|served| self.rows(&served.values));
        if let Some((level, peak)) = served.clone()
            && trust.share() >= 1.0
        {
            return Said { trust, level, peak };
        }
        let own = past::rows(
            &prepared.history,
            prepared.last(),
            steps,
            &manifest.quantiles,
            &manifest.usual_changes,
        );
        let Some((level, peak)) = served else {
            let (level, peak) = valid(own.level, own.peak);
            return Said { trust, level, peak };
        };
        let pool = |served: &[f64], own: &[f64]| {
            let share = trust.share();
            let weighted = |weight, row| Weighted { weight, row };
            let both = [weighted(share, served), weighted(1.0 - share, own)];
            quantile::pool(&manifest.quantiles, &both)
        };
        let (level, peak) = valid(pool(&level, &own.level), pool(&peak, &own.peak));
        Said { trust, level, peak }
    }
}

/// What is said of one horizon: quantiles of level and peak.
struct Said {
    trust: Trust,
    level: Vec<f64>,
    peak: Vec<f64>,
}

/// Rows of ascending horizons: the highest value up to a later one is never below that up to an earlier one. Where they
/// contradict each other it is their mean, each weighted by its horizon: a longer window has more to go by, and what
/// comes is in that order, so that a mean is nearer to it than the two are.
fn ordered(said: Vec<Said>, horizons_seconds: &[u32]) -> Vec<Rows> {
    let quantiles = said.first().map_or(0, |first| first.peak.len());
    let mut rows: Vec<Rows> = said
        .into_iter()
        .map(|Said { level, peak, .. }| Rows { level, peak })
        .collect();
    for q in 0..quantiles {
        // Adjacent violators are pooled: mean, weight, how many.
        let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(rows.len());
        for (row, horizon) in rows.iter().zip(horizons_seconds) {
            let (mut mean, mut weight, mut count) = (row.peak[q], f64::from(*horizon), 1);
            while let Some((before, of, more)) = blocks.pop_if(|(before, ..)| *before > mean) {
                mean = (mean * weight + before * of) / (weight + of);
                weight += of;
                count += more;
            }
            blocks.push((mean, weight, count));
        }
        let means = blocks
            .into_iter()
            .flat_map(|(mean, _, count)| std::iter::repeat_n(mean, count));
        let mut highest = 0.0_f64;
        for (row, mean) in rows.iter_mut().zip(means) {
            highest = highest.max(mean).max(row.level[q]);
            row.peak[q] = highest;
        }
    }
    // Means of equal values differ in their last digit.
    for row in &mut rows {
        let mut highest = 0.0_f64;
        for value in &mut row.peak {
            highest = highest.max(*value);
            *value = highest;
        }
    }
    rows
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
        skill: skill(record.served_error / n, record.best_without_rhythm()),
        coverage: record.covered.map(|covered| covered / n),
    })
}

/// 1 - error / that of the best naive forecast; 0 where neither erred.
fn skill(error: f64, naive_error: f64) -> f64 {
    if naive_error > 0.0 {
        1.0 - error / naive_error
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_window_contains_the_shorter_one() {
        let said = |level: f64, peak: f64| Said {
            trust: Trust::NONE,
            level: vec![level],
            peak: vec![peak],
        };
        let peaks = |said| -> Vec<f64> {
            let rows = ordered(said, &[300, 900, 1_800, 3_600]);
            rows.iter().map(|rows| rows.peak[0]).collect()
        };
        let right = vec![
            said(1.0, 2.0),
            said(1.0, 3.0),
            said(1.0, 3.0),
            said(1.0, 9.0),
        ];
        assert_eq!(peaks(right), [2.0, 3.0, 3.0, 9.0]);
        // 900 s against 1,800 s: two thirds of the weight are the longer one's.
        let wrong = vec![
            said(1.0, 2.0),
            said(1.0, 8.0),
            said(1.0, 5.0),
            said(1.0, 9.0),
        ];
        assert_eq!(peaks(wrong), [2.0, 6.0, 6.0, 9.0]);
        // A level is never above the peak, and lifts the later ones.
        let level = vec![
            said(1.0, 2.0),
            said(8.0, 8.0),
            said(1.0, 5.0),
            said(1.0, 6.0),
        ];
        assert_eq!(peaks(level), [2.0, 8.0, 8.0, 8.0]);
    }
}
