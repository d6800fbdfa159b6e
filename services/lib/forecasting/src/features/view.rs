//! A history as it was known at an origin, and that view towards a horizon.

use std::cell::OnceCell;

use crate::{quantile, series::history::History};

/// Below this a series counts as flat: percent of capacity.
const SMALLEST_SCALE: f64 = 0.3;
/// Statistics over past origins look at no more than this many of them.
const MOST_PAST_ORIGINS: usize = 144;
/// Peak-hold learns from the misses of four days, and looks at no more than this many.
const HOLD_MINUTES: u32 = 4 * 1440;
const MOST_PAST_HOLDS: usize = 288;
/// Candidates for a series' own rhythm, in minutes.
const PERIODS_MINUTES: [u32; 12] = [10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 720];

/// What was known at an origin.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    history: &'a History,
    origin: usize,
    /// The oldest point that may be looked at.
    first: usize,
    now: f64,
    scale: f64,
}

impl<'a> View<'a> {
    /// The view from `origin` back to `first`; `None` when the value at the origin isn't known.
    pub fn new(history: &'a History, origin: usize, first: usize) -> Option<Self> {
        let now = history.value(origin);
        if now.is_nan() {
            return None;
        }
        let mut view = Self {
            history,
            origin,
            first,
            now,
            scale: SMALLEST_SCALE,
        };
        view.scale = view.deviation(1440).max(SMALLEST_SCALE);
        Some(view)
    }

    /// The index of the last value.
    pub fn origin(&self) -> usize {
        self.origin
    }

    /// The last value, percent of capacity.
    pub fn now(&self) -> f64 {
        self.now
    }

    /// What relative features and the model's output are divided by: the standard deviation of the last day, at least
    /// 0.3 percent of capacity.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The grid's step in minutes.
    pub fn step_minutes(&self) -> f64 {
        f64::from(self.history.step_seconds()) / 60.0
    }

    /// Steps in `minutes`, at least one.
    pub fn steps(&self, minutes: u32) -> usize {
        self.history.steps(minutes)
    }

    /// Hours from the first point to the origin, at most a week.
    pub fn hours(&self) -> f64 {
        let steps = (self.origin - self.first) as f64;
        (steps * self.step_minutes() / 60.0).min(168.0)
    }

    /// The value `steps` before the origin.
    pub fn step_lag(&self, steps: usize) -> f64 {
        match self.back(steps) {
            Some(index) => self.history.value(index),
            None => f64::NAN,
        }
    }

    /// Mean of the five minutes that ended `steps` before the origin.
    pub fn block(&self, steps: usize) -> f64 {
        match self.back(steps) {
            Some(end) => self.history.mean(self.clip(end, self.steps(5)), end),
            None => f64::NAN,
        }
    }

    /// Mean of the last `minutes`.
    pub fn mean(&self, minutes: u32) -> f64 {
        self.history.mean(self.start(minutes), self.origin)
    }

    /// Standard deviation of the last `minutes`.
    pub fn deviation(&self, minutes: u32) -> f64 {
        self.history.deviation(self.start(minutes), self.origin)
    }

    /// Highest value of the last `minutes`.
    pub fn highest(&self, minutes: u32) -> f64 {
        self.history.highest(self.start(minutes), self.origin)
    }

    /// Lowest value of the last `minutes`.
    pub fn lowest(&self, minutes: u32) -> f64 {
        self.history.lowest(self.start(minutes), self.origin)
    }

    /// The share of the last `minutes` that lay below the last value, ties counted half.
    pub fn rank(&self, minutes: u32) -> f64 {
        let (mut below, mut known) = (0.0, 0.0);
        for index in self.start(minutes)..=self.origin {
            let value = self.history.value(index);
            if !value.is_nan() {
                known += 1.0;
                below += match value.total_cmp(&self.now) {
                    std::cmp::Ordering::Less => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Greater => 0.0,
                };
            }
        }
        below / known
    }

    /// Least-squares slope of the last `minutes`, percent of capacity per hour.
    pub fn slope(&self, minutes: u32) -> f64 {
        let (mut n, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (position, index) in (self.start(minutes)..=self.origin).enumerate() {
            let value = self.history.value(index);
            if !value.is_nan() {
                let hours = position as f64 * self.step_minutes() / 60.0;
                n += 1.0;
                x += hours;
                y += value;
                xx += hours * hours;
                xy += hours * value;
            }
        }
        let spread = n * xx - x * x;
        if spread <= f64::EPSILON {
            return f64::NAN;
        }
        (n * xy - x * y) / spread
    }

    /// Exponentially weighted mean with a time constant of `minutes`.
    pub fn smoothed(&self, minutes: u32) -> f64 {
        self.smoothed_steps(self.steps(minutes))
    }

    /// Exponentially weighted mean with a time constant of `steps`.
    pub fn smoothed_steps(&self, steps: usize) -> f64 {
        let keep = (-1.0 / steps as f64).exp();
        let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
        for back in 0..=steps * 4 {
            let value = self.step_lag(back);
            if !value.is_nan() {
                sum += weight * value;
                weights += weight;
            }
            weight *= keep;
        }
        sum / weights
    }

    /// Mean of the last `steps` points.
    pub fn mean_of_steps(&self, steps: usize) -> f64 {
        self.history
            .mean(self.clip(self.origin, steps), self.origin)
    }

    /// The same view, towards `steps` ahead (at least one).
    pub fn at_horizon(&self, steps: usize) -> Ahead<'a> {
        Ahead {
            view: *self,
            steps: steps.max(1),
            past: OnceCell::new(),
            best: OnceCell::new(),
        }
    }

    fn back(&self, steps: usize) -> Option<usize> {
        self.origin
            .checked_sub(steps)
            .filter(|index| *index >= self.first)
    }

    /// The first of `width` points that end at `end`.
    fn clip(&self, end: usize, width: usize) -> usize {
        (end + 1).saturating_sub(width).max(self.first)
    }

    fn start(&self, minutes: u32) -> usize {
        self.clip(self.origin, self.steps(minutes))
    }
}

/// A view towards a horizon.
#[derive(Debug)]
pub struct Ahead<'a> {
    view: View<'a>,
    steps: usize,
    past: OnceCell<PastChanges>,
    best: OnceCell<BestPeriod>,
}

/// How this history changed over the horizon before, sorted.
#[derive(Debug)]
struct PastChanges {
    changes: Vec<f64>,
    peaks: Vec<f64>,
    mean_size: f64,
}

#[derive(Clone, Copy, Debug)]
struct BestPeriod {
    minutes: u32,
    error: f64,
}

impl Ahead<'_> {
    /// The value at the target's time, `back` periods (of those that lie in the past) earlier, moved by `shift` minutes.
    pub fn recurrence(&self, period_minutes: u32, back: u32, shift_minutes: i32) -> f64 {
        let Some(center) = self.phase(period_minutes, back) else {
            return f64::NAN;
        };
        let shift = shift_minutes * 60 / self.view.history.step_seconds() as i32;
        match center.checked_add_signed(shift as isize) {
            Some(center) => self.smooth(center),
            None => f64::NAN,
        }
    }

    /// The single point one day before the target.
    pub fn yesterday(&self) -> f64 {
        match self.phase(1440, 1) {
            Some(index) => self.view.history.value(index),
            None => f64::NAN,
        }
    }

    /// Mean of [`Self::recurrence`] over the last `count` periods that are known.
    pub fn recurrence_mean(&self, period_minutes: u32, count: u32) -> f64 {
        mean((1..=count).map(|back| self.recurrence(period_minutes, back, 0)))
    }

    /// The change over the horizon one period ago.
    pub fn recurrence_change(&self, period_minutes: u32) -> f64 {
        let period = self.view.steps(period_minutes);
        if self.steps > period {
            return f64::NAN;
        }
        match self.view.back(period) {
            Some(then) => self.smooth(then + self.steps) - self.smooth(then),
            None => f64::NAN,
        }
    }

    /// The highest value over the horizon, `back` periods earlier.
    pub fn recurrence_peak(&self, period_minutes: u32, back: u32) -> f64 {
        match self.phase(period_minutes, back) {
            Some(end) if end + 1 >= self.steps + self.view.first => {
                self.view.history.highest(end + 1 - self.steps, end)
            }
            _ => f64::NAN,
        }
    }

    /// Mean of [`Self::recurrence_peak`] over the last `count` periods that are known.
    pub fn recurrence_peak_mean(&self, period_minutes: u32, count: u32) -> f64 {
        mean((1..=count).map(|back| self.recurrence_peak(period_minutes, back)))
    }

    /// Mean error of "as one period ago" over that of "as now" in the recent past, at most 5; NaN when too little is
    /// known.
    pub fn recurrence_error(&self, period_minutes: u32) -> f64 {
        let window = if period_minutes >= 1440 { 4320 } else { 1440 };
        self.error_ratio(period_minutes, window)
    }

    /// [`Self::recurrence`] of the best candidate period.
    pub fn best_value(&self) -> f64 {
        match self.best().minutes {
            0 => f64::NAN,
            minutes => self.recurrence(minutes, 1, 0),
        }
    }

    /// [`Self::recurrence_peak`] of the best candidate period.
    pub fn best_peak(&self) -> f64 {
        match self.best().minutes {
            0 => f64::NAN,
            minutes => self.recurrence_peak(minutes, 1),
        }
    }

    /// [`Self::recurrence_error`] of the best candidate period.
    pub fn best_error(&self) -> f64 {
        self.best().error
    }

    /// The best candidate period in minutes; NaN when there is none.
    pub fn best_period(&self) -> f64 {
        match self.best().minutes {
            0 => f64::NAN,
            minutes => f64::from(minutes),
        }
    }

    /// A quantile of this history's changes over the horizon during the last day.
    pub fn change_quantile(&self, q: f64) -> f64 {
        quantile::of_sorted(&self.past().changes, q)
    }

    /// A quantile of its highest values over the horizon, relative to their origins.
    pub fn peak_change_quantile(&self, q: f64) -> f64 {
        quantile::of_sorted(&self.past().peaks, q)
    }

    /// Mean size of its changes over the horizon.
    pub fn mean_change(&self) -> f64 {
        self.past().mean_size
    }

    /// Peak-hold: the highest value of one horizon back to now, raised by each of `quantiles` (ascending) of what that
    /// missed by in the last days. NaN when nothing is known of that.
    pub fn peak_hold(&self, quantiles: &[f64]) -> Vec<f64> {
        let reach = self.view.origin
            - self
                .view
                .clip(self.view.origin, self.view.steps(HOLD_MINUTES));
        // An odd stride meets every phase of an hour in turn.
        let every = reach.div_ceil(MOST_PAST_HOLDS).max(1) | 1;
        let first = self.view.origin - reach + 2 * self.steps - 1;
        let mut misses: Vec<f64> = (first..=self.view.origin)
            .rev()
            .step_by(every)
            .map(|target| self.held(target) - self.held(target - self.steps))
            .filter(|miss| !miss.is_nan())
            .collect();
        misses.sort_unstable_by(f64::total_cmp);
        let held = self.held(self.view.origin);
        let raised = |q: &f64| held + quantile::of_sorted(&misses, *q);
        quantiles.iter().map(raised).collect()
    }

    /// The highest value of one horizon back to `index`.
    fn held(&self, index: usize) -> f64 {
        let from = self.view.clip(index, self.steps);
        self.view.history.highest(from, index)
    }

    /// The index of the target's time, moved back by whole periods into the past: the `back`-th such.
    fn phase(&self, period_minutes: u32, back: u32) -> Option<usize> {
        let period = self.view.steps(period_minutes);
        let periods = self.steps.div_ceil(period) + back as usize - 1;
        (self.view.origin + self.steps)
            .checked_sub(periods * period)
            .filter(|index| *index >= self.view.first)
    }

    /// On a fine grid single points are noise: the mean of the five minutes around `center`.
    fn smooth(&self, center: usize) -> f64 {
        let half = self.view.steps(5) / 2;
        let from = center.saturating_sub(half).max(self.view.first);
        let to = (center + half).min(self.view.origin);
        self.view.history.mean(from, to)
    }

    /// Past target times, thinned, whose origins are known too.
    fn past_targets(&self, window_minutes: u32) -> impl Iterator<Item = usize> + use<> {
        let window = self.view.steps(window_minutes);
        let oldest = self.view.clip(self.view.origin, window);
        let every = window.div_ceil(MOST_PAST_ORIGINS).max(1);
        let first = oldest.max(self.view.first + self.steps);
        let origin = self.view.origin;
        (0..)
            .map_while(move |turn| origin.checked_sub(turn * every))
            .take_while(move |index| *index >= first)
    }

    fn error_ratio(&self, period_minutes: u32, window_minutes: u32) -> f64 {
        let history = self.view.history;
        let period = self.view.steps(period_minutes);
        let lag = self.steps.div_ceil(period) * period;
        let (mut recurring, mut persisting, mut known) = (0.0, 0.0, 0);
        for target in self.past_targets(window_minutes) {
            let Some(then) = target
                .checked_sub(lag)
                .filter(|then| *then >= self.view.first)
            else {
                break;
            };
            let value = history.value(target);
            let error = (value - self.smooth(then)).abs();
            let error_of_last = (value - history.value(target - self.steps)).abs();
            if !error.is_nan() && !error_of_last.is_nan() {
                recurring += error;
                persisting += error_of_last;
                known += 1;
            }
        }
        if known < 6 || persisting <= 0.0 {
            return f64::NAN;
        }
        (recurring / persisting).min(5.0)
    }

    fn past(&self) -> &PastChanges {
        self.past.get_or_init(|| {
            let history = self.view.history;
            let (mut changes, mut peaks) = (Vec::new(), Vec::new());
            for target in self.past_targets(1440) {
                let start = history.value(target - self.steps);
                let change = history.value(target) - start;
                if !change.is_nan() {
                    changes.push(change);
                    peaks.push(history.highest(target + 1 - self.steps, target) - start);
                }
            }
            let mean_size = mean(changes.iter().map(|change| change.abs()));
            changes.sort_unstable_by(f64::total_cmp);
            peaks.sort_unstable_by(f64::total_cmp);
            PastChanges {
                changes,
                peaks,
                mean_size,
            }
        })
    }

    fn best(&self) -> &BestPeriod {
        self.best.get_or_init(|| {
            let nothing = BestPeriod {
                minutes: 0,
                error: f64::NAN,
            };
            PERIODS_MINUTES
                .into_iter()
                .map(|minutes| BestPeriod {
                    minutes,
                    error: self.error_ratio(minutes, 1440),
                })
                .filter(|candidate| !candidate.error.is_nan())
                .min_by(|left, right| left.error.total_cmp(&right.error))
                .unwrap_or(nothing)
        })
    }
}

/// Mean of the known ones; NaN when there are none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .filter(|value| !value.is_nan())
        .fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
