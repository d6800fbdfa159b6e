//! How far the model's answer is trusted: as far as it saw the last horizon, and its past forecasts are known.

use super::prepared::Prepared;

/// The model's answer is judged by so many outcomes; with fewer it is mixed with what the series did before.
pub const ENOUGH_OUTCOMES: f64 = 24.0;
/// Less than this is never looked back at.
const LEAST_MINUTES: u32 = 30;

/// How far the model is trusted at one horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trust {
    /// Grid points that a sample was expected for within the last horizon, and how many had none.
    pub expected: usize,
    pub missing: usize,
    /// How long that was.
    pub minutes: u32,
    /// Outcomes of past forecasts that are known.
    pub outcomes: f64,
}

impl Trust {
    /// The model isn't asked.
    pub const NONE: Self = Self {
        expected: 1,
        missing: 1,
        minutes: 0,
        outcomes: 0.0,
    };

    /// In what the model says of `steps` ahead.
    pub fn of(prepared: &Prepared, steps: usize, outcomes: f64) -> Self {
        let history = &prepared.history;
        let back = steps.max(history.steps(LEAST_MINUTES)).min(history.len());
        let minutes = back as u32 * prepared.step_seconds / 60;
        let spacing = prepared.spacing_seconds.max(1) as usize;
        let samples = (back * prepared.step_seconds as usize).div_ceil(spacing);
        let expected = back.min(samples).max(1);
        let observed = history.observed_count(history.len() - back, prepared.last());
        Self {
            expected,
            missing: expected.saturating_sub(observed),
            minutes,
            outcomes,
        }
    }

    /// The share of what was expected that was seen.
    pub fn seen(self) -> f64 {
        1.0 - self.missing as f64 / self.expected as f64
    }

    /// Whether enough outcomes are known to judge the model by.
    pub fn is_judged(self) -> bool {
        self.outcomes >= ENOUGH_OUTCOMES
    }

    /// The model's share of the answer, 0 to 1.
    pub fn share(self) -> f64 {
        self.seen() * (self.outcomes / ENOUGH_OUTCOMES).min(1.0)
    }
}
