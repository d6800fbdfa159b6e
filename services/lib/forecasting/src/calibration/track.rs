//! One horizon of one series: what was forecast and is not settled yet, and what the settled ones taught.
//!
//! Quantiles are kept right by adaptive conformal inference (Gibbs and Candès, 2021, "Adaptive conformal inference under
//! distribution shift"): an offset rises when an outcome lay above the quantile and sinks when it did not, in the
//! proportion that leaves the promised share above. One number for each quantile is all that has to be remembered.

use std::collections::VecDeque;

use super::{
    answer::{Outcome, RawForecast},
    gate::{Gate, Points, Record},
    peak_mix::{PeakForecasts, PeakMix},
    targets::{Target, Targets},
};
use crate::{artifact::manifest::Output, local::LocalModel};

/// How far one outcome moves an offset, in usual misses.
const RATE: f64 = 0.07;
/// What an offset loses at each outcome, so that old ones don't last.
const LEAK: f64 = 0.002;
/// Minutes that one outcome counts for, and how many times that at least and at most.
const UNIT_MINUTES: f64 = 15.0;
const UNITS: (f64, f64) = (1.0 / 3.0, 3.0);
/// A miss is taken to be no larger, in units of the scale.
const LARGEST_MISS: f64 = 3.0;
/// The usual miss before any is known, in units of the scale.
const FIRST_SPREAD: f64 = 0.2;
/// Forecasts that wait for their outcome are at least this share of the horizon apart: closer ones say the same twice.
const PENDING_SHARE: i64 = 4;
/// The quantiles whose coverage is recorded.
const RECORDED: [f64; 2] = [0.9, 0.95];

/// A forecast that waits for its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// When it was made.
    pub origin_seconds: i64,
    /// What the gate chose from.
    pub points: Points,
    /// What model and peak-hold said of the peak before they were mixed.
    pub peaks: PeakForecasts,
    /// The scale at the origin.
    pub scale: f64,
    /// One value for each target, after gate and peak mix, before the offsets.
    pub values: Vec<f64>,
}

/// One horizon of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The series' own linear model.
    pub local: LocalModel,
    /// The time of the next origin that it learns from.
    pub local_next_seconds: i64,
    /// What is added to each target, in units of the scale.
    pub offsets: Vec<f64>,
    /// The usual miss of each target, in units of the scale.
    pub spreads: Vec<f64>,
    /// Who was right about the level.
    pub record: Record,
    /// Who was right about the peak.
    pub peak_mix: PeakMix,
    /// Origin of the last settled forecast.
    pub settled_seconds: Option<i64>,
    /// Oldest first.
    pub pending: VecDeque<Pending>,
}

/// A forecast as it is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// One value for each target: monotone, within `0..=100`.
    pub values: Vec<f64>,
    /// The same as the model said it.
    pub model: Vec<f64>,
    /// Who made the median.
    pub gate: Gate,
}

impl Track {
    /// Nothing is known.
    pub fn new(targets: &Targets) -> Self {
        Self {
            local: LocalModel::default(),
            local_next_seconds: i64::MIN,
            offsets: vec![0.0; targets.len()],
            spreads: vec![FIRST_SPREAD; targets.len()],
            record: Record::default(),
            peak_mix: PeakMix::new(targets.of(Output::Peak).len()),
            settled_seconds: None,
            pending: VecDeque::new(),
        }
    }

    /// The forecast made of the model's answer, and what to settle later. With `one_step` the highest value on the way is
    /// the value at the horizon, so that the same is said of both.
    pub fn serve(
        &self,
        targets: &Targets,
        origin_seconds: i64,
        answer: &RawForecast,
        one_step: bool,
    ) -> (Served, Pending) {
        let points = Points {
            model: answer.values[targets.median()],
            own: answer.own,
            naive: answer.naive,
        };
        let gate = self.record.gate();
        let moved = gate.mix(&points) - points.model;
        let mut mixed = answer.values.clone();
        for level in targets.of(Output::Level) {
            mixed[*level] += moved;
        }
        let peaks = targets.of(Output::Peak);
        if one_step {
            for (level, peak) in targets.pairs() {
                mixed[*peak] = mixed[*level];
            }
        }
        let sides = PeakForecasts {
            model: peaks.iter().map(|peak| mixed[*peak]).collect(),
            hold: answer.holds.clone(),
        };
        let of_both = self.peak_mix.mix(&sides, self.record.outcomes, one_step);
        for (peak, value) in peaks.iter().zip(of_both) {
            mixed[*peak] = value;
        }
        if one_step {
            for (level, peak) in targets.pairs() {
                match *level == targets.median() {
                    // The gate judges the median.
                    true => mixed[*peak] = mixed[*level],
                    false => mixed[*level] = mixed[*peak],
                }
            }
        }
        let pending = Pending {
            origin_seconds,
            points,
            peaks: sides,
            scale: answer.scale,
            values: mixed,
        };
        let mut values: Vec<f64> = (0..targets.len())
            .map(|index| self.lifted(&pending, index))
            .collect();
        targets.order(&mut values);
        let served = Served {
            values,
            model: answer.values.clone(),
            gate,
        };
        (served, pending)
    }

    /// Lets `pending` wait for its outcome, unless a recent one does.
    pub fn wait(&mut self, pending: Pending, horizon_seconds: u32) {
        let apart = i64::from(horizon_seconds) / PENDING_SHARE;
        let soon = self
            .pending
            .back()
            .is_some_and(|last| pending.origin_seconds - last.origin_seconds < apart.max(1));
        if !soon {
            self.pending.push_back(pending);
        }
    }

    /// Settles what is due at `now_seconds`; `came` says what came after an origin, NaN where that isn't known.
    pub fn settle_due(
        &mut self,
        targets: &Targets,
        horizon_seconds: u32,
        now_seconds: i64,
        came: impl Fn(i64) -> Outcome,
    ) {
        while let Some(first) = self.pending.front()
            && first.origin_seconds + i64::from(horizon_seconds) <= now_seconds
            && let Some(due) = self.pending.pop_front()
        {
            let outcome = came(due.origin_seconds);
            if outcome.is_known() {
                self.settle(targets, &due, outcome);
            }
        }
    }

    /// Learns what came after a forecast. Forecasts are settled in the order of their origins.
    pub fn settle(&mut self, targets: &Targets, due: &Pending, outcome: Outcome) {
        let minutes = self.settled_seconds.map_or(UNIT_MINUTES, |before| {
            (due.origin_seconds - before).max(0) as f64 / 60.0
        });
        let units = (minutes / UNIT_MINUTES).clamp(UNITS.0, UNITS.1);
        let median = targets.median();
        let keep = self.record.fade(minutes);
        let served = due.values[median];
        self.record.note(outcome.level, &due.points, served);
        self.peak_mix.fade(keep);
        let quantiles = targets.quantiles(Output::Peak);
        self.peak_mix.note(quantiles, &due.peaks, outcome.peak);
        for (index, target) in targets.iter().enumerate() {
            let actual = outcome.of(target.output);
            let above = actual > self.lifted(due, index).clamp(0.0, 100.0);
            if let Some(place) = recorded(target)
                && !above
            {
                self.record.covered[place] += 1.0;
            }
            if index == median {
                // The gate judges the median; an offset would count the same misses twice.
                continue;
            }
            let miss = (actual - due.values[index]).abs() / due.scale;
            let keep = 0.98_f64.powf(units);
            self.spreads[index] =
                keep * self.spreads[index] + (1.0 - keep) * miss.min(LARGEST_MISS);
            let surprise = f64::from(above) - (1.0 - target.quantile);
            self.offsets[index] += RATE * units * self.spreads[index] * surprise;
            self.offsets[index] *= 1.0 - LEAK * units;
        }
        self.settled_seconds = Some(due.origin_seconds);
    }

    fn lifted(&self, pending: &Pending, index: usize) -> f64 {
        pending.values[index] + self.offsets[index] * pending.scale
    }
}

/// Where the coverage of a target is recorded.
fn recorded(target: &Target) -> Option<usize> {
    let place = RECORDED
        .iter()
        .position(|q| (q - target.quantile).abs() < 1e-9)?;
    Some(match target.output {
        Output::Level => place,
        Output::Peak => RECORDED.len() + place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Targets {
        let target = |output, quantile| Target { output, quantile };
        Targets::new(vec![
            target(Output::Level, 0.5),
            target(Output::Level, 0.9),
            target(Output::Peak, 0.5),
            target(Output::Peak, 0.9),
        ])
    }

    fn answer(values: [f64; 4]) -> RawForecast {
        RawForecast {
            values: values.to_vec(),
            holds: vec![f64::NAN; 2],
            own: f64::NAN,
            naive: [90.0, f64::NAN, f64::NAN, f64::NAN],
            scale: 2.0,
        }
    }

    /// Outcomes spread evenly over 0 to 20 above 40, when the quantiles were forecast to be `values`.
    fn settled(values: [f64; 4], count: i64) -> Track {
        let mut track = Track::new(&targets());
        for index in 0..count {
            let origin = index * 900;
            let (_, pending) = track.serve(&targets(), origin, &answer(values), false);
            let level = 40.0 + (index * 7 % 20) as f64;
            let outcome = Outcome {
                level,
                peak: level + 5.0,
            };
            track.settle(&targets(), &pending, outcome);
        }
        track
    }

    #[test]
    fn quantiles_come_to_cover_what_they_promise() {
        // q90 of the level is forecast at 54 and is 58; of the peak at 67 and is 63.
        let track = settled([50.0, 54.0, 55.0, 67.0], 3_000);
        let (served, _) = track.serve(&targets(), 0, &answer([50.0, 54.0, 55.0, 67.0]), false);
        assert!((served.values[1] - 58.0).abs() < 1.5, "{served:?}");
        assert!((served.values[3] - 63.0).abs() < 2.0, "{served:?}");
        let coverage = track.record.covered[0] / track.record.outcomes;
        assert!((0.85..=0.95).contains(&coverage), "{coverage}");
        assert!(served.values[0] == 50.0, "the median has no offset");
    }

    #[test]
    fn a_naive_median_moves_the_levels_along_and_not_the_peaks() {
        let mut track = Track::new(&targets());
        track.record.outcomes = 100.0;
        track.record.errors = [3_000.0, 100.0, 3_000.0, 3_000.0, 3_000.0, 3_000.0];
        let (served, pending) =
            track.serve(&targets(), 0, &answer([50.0, 55.0, 60.0, 70.0]), false);
        assert!((served.values[0] - 90.0).abs() < 0.1, "{served:?}");
        assert!((served.values[1] - 95.0).abs() < 0.1, "{served:?}");
        assert_eq!(served.values[2..], [60.0, 70.0]);
        assert_eq!(pending.points.model, 50.0);
    }

    #[test]
    fn one_step_ahead_the_peak_is_the_level() {
        let mut track = Track::new(&targets());
        track.record.outcomes = 100.0;
        track.record.errors = [3_000.0, 100.0, 3_000.0, 3_000.0, 3_000.0, 3_000.0];
        let (served, _) = track.serve(&targets(), 0, &answer([50.0, 55.0, 60.0, 70.0]), true);
        assert_eq!(served.values[..2], served.values[2..]);
    }

    #[test]
    fn what_is_due_is_settled_once_and_unknown_outcomes_teach_nothing() {
        let mut track = Track::new(&targets());
        for origin in [0, 100, 300, 600, 900] {
            let (_, pending) = track.serve(&targets(), origin, &answer([50.0; 4]), false);
            track.wait(pending, 900);
        }
        let waiting: Vec<i64> = track.pending.iter().map(|one| one.origin_seconds).collect();
        assert_eq!(waiting, [0, 300, 600, 900], "100 is too close to 0");
        let came = |origin: i64| Outcome {
            level: if origin == 300 { f64::NAN } else { 40.0 },
            peak: 45.0,
        };
        track.settle_due(&targets(), 900, 1_200, came);
        assert_eq!(track.pending.len(), 2);
        assert!((track.record.outcomes - 1.0).abs() < 1e-9);
        assert_eq!(track.settled_seconds, Some(0));
    }
}
