//! Samples averaged into steps of 300 seconds.

/// Seconds of a step.
pub const STEP_SECONDS: i64 = 300;
/// Steps of a day.
pub const STEPS_A_DAY: usize = 288;
/// An empty cell carries the last value for at most so many steps; those after them are no steps at all.
const CARRIED_STEPS: i64 = 12;

/// One machine's CPU, step by step. Steps that were dropped leave no gap: they are seen in the times only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// When each step begins, seconds, ascending.
    pub seconds: Vec<i64>,
    /// Mean CPU in percent.
    pub percent: Vec<f64>,
    /// Whether there was a sample; carried where not.
    pub observed: Vec<bool>,
}

impl Cells {
    /// The means of samples at `seconds` (ascending), per cell of the clock.
    pub fn of(seconds: &[i64], percent: &[f64]) -> Self {
        let mut means: Vec<(i64, f64, f64)> = Vec::new();
        for (second, value) in seconds.iter().zip(percent) {
            let cell = second.div_euclid(STEP_SECONDS);
            match means.last_mut() {
                Some((last, sum, count)) if *last == cell => {
                    *sum += value;
                    *count += 1.0;
                }
                _ => means.push((cell, *value, 1.0)),
            }
        }
        let mut cells = Self::default();
        for (index, (cell, sum, count)) in means.iter().enumerate() {
            let mean = sum / count;
            cells.push(*cell, mean, true);
            if let Some((next, ..)) = means.get(index + 1) {
                for carried in cell + 1..(*next).min(cell + 1 + CARRIED_STEPS) {
                    cells.push(carried, mean, false);
                }
            }
        }
        cells
    }

    /// Only the first `steps`.
    #[must_use]
    pub fn first(mut self, steps: usize) -> Self {
        self.seconds.truncate(steps);
        self.percent.truncate(steps);
        self.observed.truncate(steps);
        self
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.percent.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.percent.is_empty()
    }

    fn push(&mut self, cell: i64, percent: f64, observed: bool) {
        self.seconds.push(cell * STEP_SECONDS);
        self.percent.push(percent);
        self.observed.push(observed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_cell_are_averaged_and_short_gaps_carried() {
        let cells = Cells::of(&[299, 300, 360, 420, 1_200], &[1.0, 2.0, 3.0, 7.0, 8.0]);
        assert_eq!(cells.seconds, [0, 300, 600, 900, 1_200]);
        assert_eq!(cells.percent, [1.0, 4.0, 4.0, 4.0, 8.0]);
        assert_eq!(cells.observed, [true, true, false, false, true]);
        assert_eq!(cells.clone().first(2).percent, [1.0, 4.0]);
        assert!(Cells::of(&[], &[]).is_empty());
    }

    #[test]
    fn an_hour_is_carried_and_what_is_longer_dropped() {
        for (empty, carried) in [(12, 12), (13, 12), (400, 12)] {
            let next = (empty + 1) * STEP_SECONDS;
            let cells = Cells::of(&[-1, next - 1], &[1.0, 5.0]);
            assert_eq!(cells.len(), carried + 2, "{empty}");
            assert_eq!(cells.percent[carried], 1.0);
            assert_eq!(cells.seconds[carried + 1], next - STEP_SECONDS);
        }
    }
}
