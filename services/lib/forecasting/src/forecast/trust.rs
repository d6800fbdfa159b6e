//! How far the model's answer is trusted: as far as it saw the last horizon, and its past forecasts are known.

use super::prepared::Prepared;

/// The model's answer is judged by so many outcomes; with fewer it is mixed with what the series did before.
pub const ENOUGH_OUTCOMES: f64 = 24.0;
/// Less than this is never looked back at.
const LEAST_MINUTES: u32 = 30;

/// Much of what the model goes by lies in the last day,
const DAY_MINUTES: u32 = 1440;
/// so of a day that was not seen at all half remains, and
const LEAST_OF_A_DAY: f64 = 0.5;
/// none is lost where this share of it was.
const ENOUGH_OF_A_DAY: f64 = 0.9;

/// How far the model is trusted at one horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trust {
    /// Of the last horizon, or of the last day where that says less of the model.
    pub window: Window,
    /// What remains of the model by that, 0 to 1.
    pub seen: f64,
    /// Outcomes of past forecasts that are known.
    pub outcomes: f64,
}

/// A time up to now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Grid points that a sample was expected for, and how many had none.
    pub expected: usize,
    pub missing: usize,
    /// How long it was.
    pub minutes: u32,
}

impl Window {
    /// The last `steps`, as far as the history goes.
    fn of(prepared: &Prepared, steps: usize) -> Self {
        let history = &prepared.history;
        let back = steps.min(history.len());
        let spacing = prepared.spacing_seconds.max(1) as usize;
        let samples = (back * prepared.step_seconds as usize).div_ceil(spacing);
        let expected = back.min(samples).max(1);
        let observed = history.observed_count(history.len() - back, prepared.last());
        Self {
            expected,
            missing: expected.saturating_sub(observed),
            minutes: back as u32 * prepared.step_seconds / 60,
        }
    }

    /// The share of what was expected that was seen.
    fn seen(self) -> f64 {
        1.0 - self.missing as f64 / self.expected as f64
    }
}

impl Trust {
    /// The model isn't asked.
    pub const NONE: Self = Self {
        window: Window {
            expected: 1,
            missing: 1,
            minutes: 0,
        },
        seen: 0.0,
        outcomes: 0.0,
    };

    /// In what the model says of `steps` ahead.
    pub fn of(prepared: &Prepared, steps: usize, outcomes: f64) -> Self {
        let history = &prepared.history;
        let lately = Window::of(prepared, steps.max(history.steps(LEAST_MINUTES)));
        let day = Window::of(prepared, history.steps(DAY_MINUTES));
        let of_day = (day.seen() / ENOUGH_OF_A_DAY).min(1.0);
        let of_day = LEAST_OF_A_DAY + (1.0 - LEAST_OF_A_DAY) * of_day;
        let (window, seen) = match of_day < lately.seen() {
            true => (day, of_day),
            false => (lately, lately.seen()),
        };
        Self {
            window,
            seen,
            outcomes,
        }
    }

    /// Whether enough outcomes are known to judge the model by.
    pub fn is_judged(self) -> bool {
        self.outcomes >= ENOUGH_OUTCOMES
    }

    /// The model's share of the answer, 0 to 1.
    pub fn share(self) -> f64 {
        self.seen * (self.outcomes / ENOUGH_OUTCOMES).min(1.0)
    }
}
