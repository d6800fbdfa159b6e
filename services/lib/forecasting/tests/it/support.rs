//! What the scenario tests share: made-up series, a copy of the committed artifact.

use std::path::{Path, PathBuf};

use forecasting::series::Series;

/// The committed artifact.
pub fn artifact() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../artifacts/cpu")
}

/// A copy of it that a test may break.
pub fn copy_of_artifact(to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(artifact()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// `points` samples `step` seconds apart: a daily curve, an hourly job, and noise from `seed`.
pub fn machine(id: &str, points: usize, step: i64, seed: u32) -> Series {
    let mut state = seed;
    let cpu = (0..points)
        .map(|index| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 16) / 65_536.0;
            let minutes = index as f64 * step as f64 / 60.0;
            let daily = (minutes / 1440.0 * std::f64::consts::TAU).sin();
            let job = if minutes % 60.0 < 10.0 { 20.0 } else { 0.0 };
            35.0 + 20.0 * daily + job + 10.0 * noise
        })
        .collect();
    Series {
        id: id.to_owned(),
        timestamps_seconds: (0..points as i64)
            .map(|index| 1_700_000_000 + index * step)
            .collect(),
        cpu,
        capacity: 100.0,
        calibration_state: Vec::new(),
    }
}
