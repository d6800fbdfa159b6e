//! Rows that every reader of the artifact must reproduce.

use forecasting::{
    features::{self, Feature, View},
    local::LocalPass,
    series::history::History,
};

use super::outputs::HORIZONS_SECONDS;

/// Feature rows of made-up machines, so that no recorded data stands in the manifest.
pub fn golden_rows(features: &[Feature]) -> Vec<f32> {
    let mut rows = Vec::new();
    for (step_seconds, points) in [(300, 2_400), (60, 3_000), (300, 20)] {
        let values = (0..points)
            .map(|index: u32| {
                let minutes = f64::from(index * step_seconds) / 60.0;
                let daily = (minutes / 1440.0 * std::f64::consts::TAU).sin();
                let job = if minutes % 60.0 < 10.0 { 25.0 } else { 0.0 };
                let noise = f64::from(index.wrapping_mul(2_654_435_761) >> 20) / 4096.0;
                (30.0 + 15.0 * daily + job + 8.0 * noise) as f32
            })
            .collect();
        let history = History::new(step_seconds, values);
        for (turn, horizon) in HORIZONS_SECONDS.into_iter().enumerate() {
            if let Some(view) = View::new(&history, history.len() - 1 - turn, 0) {
                let steps = (horizon / step_seconds) as usize;
                let local = LocalPass::new(&history, 0, steps, 25).at(&view);
                features::append(features, &view, steps, &local, &mut rows);
            }
        }
    }
    rows
}
