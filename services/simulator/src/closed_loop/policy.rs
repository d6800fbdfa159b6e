//! What chooses sizes, and what it is shown.

use crate::closed_loop::forecasts::Answer;

/// What is known at one step.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Demand in vCPU of every step so far, the present one last.
    pub demand: &'a [f64],
    /// When each of them began, seconds, ascending.
    pub seconds: &'a [i64],
    /// Whether each of them was measured; carried where not.
    pub observed: &'a [bool],
    /// The rung that the machine is on.
    pub rung: usize,
    /// Steps that it has been on it since it was resized, 0 on the first; `None` before its first resize.
    pub since_resize: Option<usize>,
    /// What is forecast, where that was recorded.
    pub forecast: Option<Answer<'a>>,
}

impl<'a> Moment<'a> {
    /// Demand now.
    pub fn now(&self) -> f64 {
        self.demand.last().copied().unwrap_or(0.0)
    }

    /// The last `steps` of demand, or all there is.
    pub fn past(&self, steps: usize) -> &'a [f64] {
        &self.demand[self.demand.len().saturating_sub(steps)..]
    }

    /// The highest demand of the last `steps`.
    pub fn highest(&self, steps: usize) -> f64 {
        self.past(steps).iter().copied().fold(0.0, f64::max)
    }
}

/// Chooses a rung, step by step, for one machine.
pub trait Policy {
    /// The rung to be on from the next step on. Asked once for each step, from the first of the series on; an answer while
    /// no resize is allowed changes nothing.
    fn choose(&mut self, moment: &Moment<'_>) -> usize;
}
