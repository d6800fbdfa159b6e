//! Made-up series.

pub mod exam;
pub mod signals;

use forecasting::series::Series;

/// `points` samples `step` seconds apart; see [`testkit::model::machine`].
pub fn machine(id: &str, points: usize, step: i64, seed: u32) -> Series {
    let (timestamps_seconds, cpu) = testkit::model::machine(points, step, seed);
    Series {
        id: id.to_owned(),
        timestamps_seconds,
        cpu,
        capacity: 100.0,
        calibration_state: Vec::new(),
    }
}
