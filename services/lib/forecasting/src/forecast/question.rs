//! What is asked of the model.

use crate::features::{LocalForecast, View};

/// A question to the model: one origin, one horizon.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What was known.
    pub view: View<'a>,
    pub horizon_seconds: u32,
    /// Of the grid.
    pub step_seconds: u32,
    /// What the series' own model says.
    pub local: LocalForecast,
}

impl Question<'_> {
    /// Grid steps to the horizon.
    pub fn steps(&self) -> usize {
        (self.horizon_seconds / self.step_seconds) as usize
    }

    /// Whether the horizon is the next grid point.
    pub fn is_one_step(&self) -> bool {
        self.steps() == 1
    }
}
