//! When a machine came up, read off its series. Pure.

use super::{rules::Rules, series::Sample};

/// A machine whose memory changed by more than this share is another type.
const MEMORY_CHANGE: f64 = 0.05;

/// When the machine came up, seconds since the Unix epoch.
pub struct Restarts {
    /// At another size, or at the end of a known resize.
    pub resizes: Vec<f64>,
    /// The same and after each hole in the CPU series, ascending.
    pub all: Vec<f64>,
}

impl Restarts {
    /// Reads them off the series.
    pub fn find(cpu: &[Sample], vcpus: &[Sample], memory_total: &[Sample], rules: &Rules) -> Self {
        let changes = |samples: &[Sample], changed: fn(f64, f64) -> bool| -> Vec<f64> {
            samples
                .windows(2)
                .filter(|pair| changed(pair[0].value, pair[1].value))
                .map(|pair| pair[1].at)
                .collect()
        };
        let mut resizes = changes(vcpus, |before, after| before.round() != after.round());
        resizes.extend(changes(memory_total, |before, after| {
            (after / before - 1.0).abs() > MEMORY_CHANGE
        }));
        resizes.extend(rules.last_resize.map(|end| end.as_second() as f64));
        let hole = f64::from(rules.step_seconds) * 1.5;
        let after_holes = cpu
            .windows(2)
            .filter(|pair| pair[1].at - pair[0].at > hole)
            .map(|pair| pair[1].at);
        let mut all: Vec<f64> = after_holes.chain(resizes.iter().copied()).collect();
        all.sort_by(f64::total_cmp);
        Self { resizes, all }
    }

    /// True within `warm_up_seconds` after one of them.
    pub fn is_warm_up(&self, at: f64, rules: &Rules) -> bool {
        let warm_up = f64::from(rules.warm_up_seconds);
        let after = self.all.partition_point(|restart| *restart <= at);
        after
            .checked_sub(1)
            .is_some_and(|last| at < self.all[last] + warm_up)
    }
}
