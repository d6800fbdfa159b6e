//! The committed model, and made-up machines to ask it about.

use std::{
    f64::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

/// The committed model's folder.
pub fn artifact() -> PathBuf {
    crate::workspace().join("artifacts/cpu")
}

/// A copy of it that a test may break.
pub fn copy_of_artifact(to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(artifact()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Times and CPU percent of `points` samples `step` seconds apart: a daily curve, an hourly job, and noise from `seed`.
pub fn machine(points: usize, step: i64, seed: u32) -> (Vec<i64>, Vec<f64>) {
    let mut state = seed;
    let cpu = (0..points).map(|index| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 16) / 65_536.0;
        let minutes = index as f64 * step as f64 / 60.0;
        let daily = (minutes / 1440.0 * TAU).sin();
        let job = if minutes % 60.0 < 10.0 { 20.0 } else { 0.0 };
        35.0 + 20.0 * daily + job + 10.0 * noise
    });
    let times = (0..points as i64).map(|index| 1_700_000_000 + index * step);
    (times.collect(), cpu.collect())
}
