//! What served forecasts of signals come to: coverage and loss, as a caller sees them.

use std::thread;

use forecasting::{
    artifact::{Artifact, Location},
    forecast::{Basis, Forecast, Forecaster},
    quantile,
    series::Series,
};

use super::signals::Signal;

pub fn forecaster() -> Forecaster {
    Forecaster::new(Artifact::open(&Location::Embedded, 1).unwrap()).unwrap()
}

pub fn ask(forecaster: &Forecaster, series: Series) -> Forecast {
    let manifest = &forecaster.artifact().manifest;
    let (horizons, quantiles) = (&manifest.horizons_seconds, &manifest.quantiles);
    let mut answers = forecaster.forecast(&[series], horizons, quantiles).unwrap();
    answers.remove(0)
}

/// How a caller asks after a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// With the samples alone.
    Stateless,
    /// With the state of the answer before, at every sample: first an hour before the gap.
    Carrying,
}

/// One question: at `origin`, after a gap of so many samples that ended `since` samples ago.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    pub signal: &'a Signal,
    pub origin: usize,
    /// Samples before the origin that a caller sends, those in the gap included.
    pub window: usize,
    pub gap: usize,
    pub since: usize,
    /// Share of samples lost at random.
    pub lost: f64,
    pub caller: Caller,
}

impl Trial<'_> {
    pub fn ask(&self, forecaster: &Forecaster) -> Forecast {
        let gap_end = self.origin + 1 - self.since;
        let gap = gap_end - self.gap..gap_end;
        let kept = |index: usize| {
            let hash = (index as u64 + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let is_lost = (hash as f64) / (1 << 24) as f64 - self.lost < 0.0;
            !gap.contains(&index) && (!is_lost || index == self.origin)
        };
        let known = |last: usize, state| {
            let first = (last + 1).saturating_sub(self.window);
            self.signal.known(first, last, kept, state)
        };
        if self.caller == Caller::Stateless {
            return ask(forecaster, known(self.origin, Vec::new()));
        }
        let hour = (3_600 / self.signal.spacing) as usize;
        let mut state = Vec::new();
        for last in (gap.start.saturating_sub(hour)..gap.start).chain(gap.end..self.origin) {
            if kept(last) && !self.signal.values[last].is_nan() {
                state = ask(forecaster, known(last, state)).calibration_state;
            }
        }
        ask(forecaster, known(self.origin, state))
    }
}

/// What forecasts came to at one horizon.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub count: f64,
    /// Peaks at or below q90, q95, q99.
    pub covered: [f64; 3],
    /// Mean pinball loss over all quantiles of level and peak.
    pub loss: f64,
    /// Absolute error of the point.
    pub error: f64,
    pub q95: f64,
    pub naive: f64,
    pub no_skill: f64,
    /// The best skill that an answer claims at any horizon, of each.
    pub skills: Vec<f64>,
    /// A peak quantile below that of a shorter horizon.
    pub unordered: f64,
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        for (sum, value) in self.covered.iter_mut().zip(other.covered) {
            *sum += value;
        }
        self.loss += other.loss;
        self.error += other.error;
        self.q95 += other.q95;
        self.naive += other.naive;
        self.no_skill += other.no_skill;
        self.skills.extend(&other.skills);
        self.unordered += other.unordered;
    }

    pub fn share(&self, place: usize) -> f64 {
        self.covered[place] / self.count
    }

    pub fn mean_loss(&self) -> f64 {
        self.loss / self.count
    }
}

/// One for each horizon of the model.
pub type Row = Vec<Figures>;

fn judge(forecaster: &Forecaster, trial: &Trial<'_>) -> Row {
    let quantiles = &forecaster.artifact().manifest.quantiles;
    let place = |q: f64| quantiles.iter().position(|known| *known == q).unwrap();
    let answer = trial.ask(forecaster);
    let step = i64::from(answer.step_seconds).max(trial.signal.spacing);
    let skills = answer
        .horizons
        .iter()
        .filter_map(|horizon| Some(horizon.trailing?.skill));
    let skill = skills.fold(f64::NEG_INFINITY, f64::max);
    let mut before: Option<&Vec<f64>> = None;
    let mut row = Row::new();
    for horizon in &answer.horizons {
        let seconds = i64::from(horizon.horizon_seconds).max(step);
        // What came later than the signal ends isn't known.
        let Some((level, peak)) = trial.signal.came(trial.origin, seconds, step) else {
            break;
        };
        let loss = |row: &[f64], actual: f64| -> f64 {
            let pairs = quantiles.iter().zip(row);
            pairs
                .map(|(q, value)| quantile::pinball(*q, *value, actual))
                .sum()
        };
        let unordered = before.is_some_and(|before| {
            let mut pairs = before.iter().zip(&horizon.peak);
            pairs.any(|(before, now)| before > now)
        });
        before = Some(&horizon.peak);
        // A grid holds 32-bit floats.
        let covered = |q: f64| f64::from(peak <= horizon.peak[place(q)] + 1e-4);
        row.push(Figures {
            count: 1.0,
            covered: [covered(0.9), covered(0.95), covered(0.99)],
            loss: (loss(&horizon.level, level) + loss(&horizon.peak, peak))
                / (2 * quantiles.len()) as f64,
            error: (horizon.point - level).abs(),
            q95: horizon.peak[place(0.95)],
            naive: f64::from(answer.basis == Basis::Naive),
            no_skill: f64::from(answer.reason.contains("no skill")),
            skills: vec![skill],
            unordered: f64::from(unordered),
        });
    }
    row
}

/// All `trials`, on two threads; each as far as its outcomes are known.
pub fn examine(forecaster: &Forecaster, trials: &[Trial<'_>]) -> Row {
    let mut sums = Row::new();
    let halves = thread::scope(|scope| {
        let threads: Vec<_> = trials
            .chunks(trials.len().div_ceil(2).max(1))
            .map(|half| {
                scope.spawn(move || {
                    let judged = half.iter().map(|trial| judge(forecaster, trial));
                    judged.collect::<Vec<Row>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<Row>>()
    });
    for row in halves {
        if sums.len() < row.len() {
            sums.resize(row.len(), Figures::default());
        }
        for (sum, figures) in sums.iter_mut().zip(&row) {
            sum.add(figures);
        }
    }
    sums
}
