//! What a series was at the phase of a time: in the hours, days before.

use super::rows::Rows;
use crate::{quantile, series::history::History};

/// A rhythm that a series may have.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// The period, in minutes.
    minutes: u32,
    /// Periods looked back.
    turns: usize,
    /// Neighbours that count as the same phase, this many each side, ten minutes apart.
    neighbours: usize,
}

/// Those looked at: jobs of each hour (and half, quarter ...), of six hours (and two, three ...), and the day's course.
pub const PHASES: [Phase; 3] = [
    Phase {
        minutes: 60,
        turns: 48,
        neighbours: 0,
    },
    Phase {
        minutes: 360,
        turns: 28,
        neighbours: 0,
    },
    Phase {
        minutes: 1440,
        turns: 7,
        neighbours: 3,
    },
];
const NEIGHBOUR_MINUTES: u32 = 10;
/// Of fewer values no quantiles are taken.
const LEAST_VALUES: usize = 6;
/// Of a whole history no more than about so many are looked at.
const MOST_VALUES: usize = 400;

/// Values and highest values over the horizon before, sorted.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    level: Vec<f64>,
    peak: Vec<f64>,
}

/// How far before an origin the values of one phase end: of those that are known at the present one.
///
/// A past origin is judged by the same: after a gap of a day it would be flattered by the day that the present lacks.
#[derive(Clone, Debug, Default)]
pub struct Reach(Vec<usize>);

impl Reach {
    /// Of the phase that lies `steps` after `last`.
    pub fn of(history: &History, last: usize, steps: usize, phase: &Phase) -> Self {
        let period = history.steps(phase.minutes);
        let apart = history.steps(NEIGHBOUR_MINUTES) as isize;
        let most = phase.neighbours as isize;
        let back = |turn: usize, neighbour: isize| {
            let center = (turn * period).checked_sub(steps)?;
            center.checked_add_signed(neighbour * apart)
        };
        let all = (1..=phase.turns).flat_map(|turn| (-most..=most).map(move |one| (turn, one)));
        let known = |back: &usize| {
            let end = last.checked_sub(*back);
            let from = end.and_then(|end| (end + 1).checked_sub(steps));
            end.zip(from)
                .is_some_and(|(end, from)| !history.known_peak(from, end).is_nan())
        };
        Self(
            all.filter_map(|(turn, neighbour)| back(turn, neighbour))
                .filter(known)
                .collect(),
        )
    }
}

impl Sample {
    /// What `reach` says of `origin`.
    pub fn at_phase(history: &History, origin: usize, steps: usize, reach: &Reach) -> Self {
        let mut sample = Self::default();
        for back in &reach.0 {
            if let Some(end) = origin.checked_sub(*back) {
                sample.add(history, end, steps);
            }
        }
        sample.sorted()
    }

    /// At any time before `last` (inclusive).
    pub fn whole(history: &History, last: usize, steps: usize) -> Self {
        let every = (last / MOST_VALUES).max(1) | 1;
        let mut sample = Self::default();
        for end in (0..=last).rev().step_by(every) {
            sample.add(history, end, steps);
        }
        sample.sorted()
    }

    fn add(&mut self, history: &History, end: usize, steps: usize) {
        let Some(from) = (end + 1).checked_sub(steps) else {
            return;
        };
        let (level, peak) = (history.observed(end), history.known_peak(from, end));
        if !level.is_nan() {
            self.level.push(level);
        }
        if !peak.is_nan() {
            self.peak.push(peak);
        }
    }

    fn sorted(mut self) -> Self {
        self.level.sort_unstable_by(f64::total_cmp);
        self.peak.sort_unstable_by(f64::total_cmp);
        self
    }

    /// Its quantiles; `None` when there are too few values.
    pub fn rows(&self, quantiles: &[f64]) -> Option<Rows> {
        if self.level.len().min(self.peak.len()) < LEAST_VALUES {
            return None;
        }
        let row = |sorted: &[f64]| {
            let of = |q: &f64| quantile::of_sample(sorted, *q);
            quantiles.iter().map(of).collect()
        };
        Some(Rows {
            level: row(&self.level),
            peak: row(&self.peak),
        })
    }
}
