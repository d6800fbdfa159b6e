//! What a trained model answers.

/// Quantiles that the model answers.
pub const QUANTILES: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
/// Horizons that it answers, in seconds.
pub const HORIZONS_SECONDS: [u32; 6] = [300, 900, 1_800, 3_600, 10_800, 21_600];
/// Below this the model isn't asked.
pub const LEAST_HISTORY_SECONDS: u32 = 3_600;
