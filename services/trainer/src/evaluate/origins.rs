//! Origins to forecast from: which part of a series is trained on, which is scored, and what is known at one.

use forecasting::series::{Series, history::History};

/// The part of each series, by time, that is not scored.
pub const TRAINING_SHARE: f64 = 0.6;
/// Series that move less than this (standard deviation, percent of capacity) are idle and not scored.
pub const IDLE_DEVIATION: f64 = 0.3;

/// Whether a series moves enough to be scored or learned from.
pub fn moves(history: &History) -> bool {
    history.deviation(0, history.len().saturating_sub(1)) >= IDLE_DEVIATION
}

/// The first origin that is scored. Observations are counted, not time: a machine that was switched off for most of the
/// second half would otherwise be scored on next to nothing.
pub fn first_scored(history: &History) -> usize {
    let mut observed = (0..history.len()).filter(|index| !history.observed(*index).is_nan());
    let training = (observed.clone().count() as f64 * TRAINING_SHARE).ceil() as usize;
    observed.nth(training).unwrap_or(history.len())
}

/// Every `stride`-th origin that is scored, where something was observed.
pub fn asked(history: &History, stride: usize) -> impl Iterator<Item = usize> + '_ {
    let scored = first_scored(history)..history.len();
    scored.filter(move |origin| origin % stride == 0 && !history.observed(*origin).is_nan())
}

/// The last `window_seconds` before `origin` as a caller would send them.
pub fn known_at(history: &History, origin: usize, window_seconds: u32) -> Series {
    let step = history.step_seconds();
    let mut series = Series {
        id: "recorded".to_owned(),
        timestamps_seconds: Vec::new(),
        cpu: Vec::new(),
        capacity: 100.0,
        calibration_state: Vec::new(),
    };
    for index in origin.saturating_sub((window_seconds / step) as usize)..=origin {
        let value = history.observed(index);
        if !value.is_nan() {
            series
                .timestamps_seconds
                .push(index as i64 * i64::from(step));
            series.cpu.push(value);
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_of_the_observations() {
        // On for 20 steps, off for 75, on again for 5.
        let value = |index: usize| match index {
            20..95 => f32::NAN,
            _ => index as f32,
        };
        let history = History::new(300, (0..100).map(value).collect());
        assert_eq!(first_scored(&history), 15);
        let whole = History::new(300, vec![1.0; 100]);
        assert_eq!(first_scored(&whole), 60);
        assert_eq!(first_scored(&History::new(300, vec![f32::NAN; 9])), 9);
    }
}
