//! Forecasts and what came of them: what is pending of one target, and how it is judged when its time has come. Pure.
//!
//! Everything is in percent of the type that the target had when the forecast was made. A resize ends all of it: the
//! machine was down for a part of the time, and what its smaller self cut off at 100 percent can't be told afterwards, so
//! pairs across a resize would measure the resize.

use std::collections::VecDeque;

use crate::domain::{Issued, Promise, Series};

/// Forecasts that wait for their outcome, for one target. At a tick a minute, an hour of them.
const MOST_PENDING: usize = 64;
/// A forecast with more horizons than this is not one of ours.
const MOST_HORIZONS: usize = 8;
/// Of the points up to a horizon, so many in five must be known for its peak to count.
const KNOWN_FIFTHS: usize = 4;

/// A forecast for one horizon beside what came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// What was forecast.
    pub promise: Promise,
    /// What persistence said.
    pub persistence: f64,
    /// CPU at the horizon.
    pub level: f64,
    /// The highest CPU up to it, where enough of it is known.
    pub peak: Option<f64>,
}

/// Forecasts of one target that wait for their outcome, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pending(VecDeque<Issued>);

impl Pending {
    /// Remembers a forecast. The same origin again says nothing new; when there are too many, the oldest is forgotten.
    pub fn push(&mut self, mut issued: Issued) {
        if self
            .0
            .back()
            .is_some_and(|last| last.origin >= issued.origin)
        {
            return;
        }
        issued.promises.truncate(MOST_HORIZONS);
        if issued.step_seconds == 0 || issued.promises.is_empty() {
            return;
        }
        if self.0.len() >= MOST_PENDING {
            self.0.pop_front();
        }
        self.0.push_back(issued);
    }

    /// How many forecasts wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes out what `series` reaches beyond, and gives what can be judged. A time without samples can't, and is not
    /// waited for either.
    pub fn settle(&mut self, series: &Series) -> Vec<Pair> {
        let Some(newest) = series.timestamps.last() else {
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for issued in &mut self.0 {
            let (origin, last, step) = (issued.origin, issued.last, issued.step_seconds);
            issued.promises.retain(|promise| {
                let end = origin + i64::from(promise.horizon_seconds);
                if end > *newest {
                    return true;
                }
                if let Some(level) = mean(series, end - i64::from(step), end) {
                    pairs.push(Pair {
                        promise: *promise,
                        persistence: last,
                        level,
                        peak: peak(series, origin, end, step),
                    });
                }
                false
            });
        }
        self.0.retain(|issued| !issued.promises.is_empty());
        pairs
    }
}

/// Mean of the samples after `from` up to `to`, inclusive.
fn mean(series: &Series, from: i64, to: i64) -> Option<f64> {
    let begin = series.timestamps.partition_point(|at| *at <= from);
    let end = series.timestamps.partition_point(|at| *at <= to);
    let samples = series.cpu_percent.get(begin..end)?;
    match samples.len() {
        0 => None,
        count => Some(samples.iter().sum::<f64>() / count as f64),
    }
}

/// The highest mean of a step between `from` and `to`.
fn peak(series: &Series, from: i64, to: i64, step_seconds: u32) -> Option<f64> {
    let steps = ((to - from) / i64::from(step_seconds)) as usize;
    let known: Vec<f64> = (0..steps)
        .filter_map(|index| {
            let end = to - index as i64 * i64::from(step_seconds);
            mean(series, end - i64::from(step_seconds), end)
        })
        .collect();
    if steps == 0 || known.len() * 5 < steps * KNOWN_FIFTHS {
        return None;
    }
    known.into_iter().reduce(f64::max)
}

/// Sums over pairs of one horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Pairs.
    pub outcomes: u64,
    /// Sum of absolute errors of the point forecast, percent points.
    pub error: f64,
    /// The same of persistence.
    pub persistence_error: f64,
    /// At or below the quantile, and judged at all.
    pub level_q90: Share,
    /// The same of the peak.
    pub peak_q90: Share,
    /// The same of the peak's 0.95 quantile.
    pub peak_q95: Share,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Those at or below the quantile.
    pub covered: u64,
    /// All that were judged.
    pub judged: u64,
}

impl Share {
    fn add(&mut self, quantile: Option<f64>, outcome: Option<f64>) {
        if let (Some(quantile), Some(outcome)) = (quantile, outcome) {
            self.judged += 1;
            self.covered += u64::from(outcome <= quantile);
        }
    }

    fn merge(&mut self, other: Self) {
        self.covered += other.covered;
        self.judged += other.judged;
    }

    /// Between 0 and 1; NaN of nothing.
    pub fn value(self) -> f64 {
        self.covered as f64 / self.judged as f64
    }
}

impl Tally {
    /// Adds one.
    pub fn add(&mut self, pair: &Pair) {
        self.outcomes += 1;
        self.error += (pair.level - pair.promise.point).abs();
        self.persistence_error += (pair.level - pair.persistence).abs();
        self.level_q90.add(pair.promise.level_q90, Some(pair.level));
        self.peak_q90.add(pair.promise.peak_q90, pair.peak);
        self.peak_q95.add(pair.promise.peak_q95, pair.peak);
    }

    /// Adds those of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.outcomes += other.outcomes;
        self.error += other.error;
        self.persistence_error += other.persistence_error;
        self.level_q90.merge(other.level_q90);
        self.peak_q90.merge(other.peak_q90);
        self.peak_q95.merge(other.peak_q95);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(times: &[i64], cpu: &[f64]) -> Series {
        Series {
            timestamps: times.to_vec(),
            cpu_percent: cpu.to_vec(),
            capacity_percent: 100.0,
            ..Series::default()
        }
    }

    fn promise(horizon_seconds: u32, point: f64) -> Promise {
        Promise {
            horizon_seconds,
            point,
            level_q90: Some(point + 10.0),
            peak_q90: Some(point + 20.0),
            peak_q95: None,
        }
    }

    fn issued(origin: i64, promises: Vec<Promise>) -> Issued {
        Issued {
            origin,
            last: 50.0,
            step_seconds: 300,
            promises,
        }
    }

    #[test]
    fn a_forecast_is_judged_once_when_its_time_has_come() {
        let mut pending = Pending::default();
        pending.push(issued(0, vec![promise(300, 40.0), promise(900, 60.0)]));
        assert!(pending.settle(&series(&[0], &[50.0])).is_empty());

        // The next tick's samples lie at other times within their steps.
        let pairs = pending.settle(&series(&[0, 290], &[50.0, 45.0]));
        assert!(pairs.is_empty(), "its time has not come: {pairs:?}");
        let later = series(&[17, 317, 617], &[50.0, 45.0, 90.0]);
        let pairs = pending.settle(&later);
        assert_eq!(pairs.len(), 1);
        assert_eq!(
            pairs[0].level, 50.0,
            "the sample of the five minutes that end then"
        );
        assert_eq!(pairs[0].persistence, 50.0);
        assert_eq!(pending.len(), 1);
        assert!(pending.settle(&later).is_empty());

        let pairs = pending.settle(&series(&[17, 317, 617, 917], &[50.0, 45.0, 90.0, 1.0]));
        assert_eq!(pairs.len(), 1);
        assert_eq!((pairs[0].level, pairs[0].peak), (90.0, Some(90.0)));
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn a_time_without_samples_is_no_outcome() {
        let mut pending = Pending::default();
        pending.push(issued(0, vec![promise(900, 60.0), promise(1_800, 60.0)]));
        // Nothing between 300 and 1,500.
        let pairs = pending.settle(&series(&[0, 300, 1_500, 1_800], &[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(pairs.len(), 1);
        assert_eq!(pairs[0].level, 4.0);
        assert_eq!(pairs[0].peak, None, "half of the way is unknown");
        assert_eq!(pending.len(), 0);
        assert!(pending.settle(&Series::default()).is_empty());
    }

    #[test]
    fn fine_samples_are_averaged_as_the_forecast_means_them() {
        let times: Vec<i64> = (0..=10).map(|index| index * 60).collect();
        let cpu: Vec<f64> = (0..=10).map(f64::from).collect();
        let mut pending = Pending::default();
        pending.push(issued(0, vec![promise(300, 0.0), promise(600, 0.0)]));
        let pairs = pending.settle(&series(&times, &cpu));
        assert_eq!(pairs[0].level, 3.0, "mean of 1 to 5");
        assert_eq!((pairs[1].level, pairs[1].peak), (8.0, Some(8.0)));
    }

    #[test]
    fn memory_is_bounded_and_the_same_origin_counts_once() {
        let mut pending = Pending::default();
        for origin in 0..1_000 {
            pending.push(issued(origin, vec![promise(3_600, 1.0); 50]));
            pending.push(issued(origin, vec![promise(3_600, 1.0)]));
        }
        assert_eq!(pending.len(), MOST_PENDING);
        assert_eq!(pending.0[0].origin, 1_000 - MOST_PENDING as i64);
        assert_eq!(pending.0[0].promises.len(), MOST_HORIZONS);
        pending.push(issued(2_000, Vec::new()));
        assert_eq!(pending.len(), MOST_PENDING, "nothing to judge");
    }

    #[test]
    fn tallies_count_errors_and_coverage() {
        let pair = |level: f64, peak: Option<f64>| Pair {
            promise: promise(300, 40.0),
            persistence: 50.0,
            level,
            peak,
        };
        let mut tally = Tally::default();
        tally.add(&pair(45.0, Some(61.0)));
        let mut other = Tally::default();
        other.add(&pair(51.0, None));
        tally.merge(&other);
        assert_eq!(tally.outcomes, 2);
        assert_eq!((tally.error, tally.persistence_error), (16.0, 6.0));
        assert_eq!(
            tally.level_q90,
            Share {
                covered: 1,
                judged: 2
            }
        );
        assert_eq!(
            tally.peak_q90,
            Share {
                covered: 0,
                judged: 1
            }
        );
        assert_eq!(tally.peak_q95, Share::default());
        assert_eq!(tally.level_q90.value(), 0.5);
    }
}
