//! Kubernetes' Vertical Pod Autoscaler: a percentile of a histogram that fades, with a margin of 15 %.
//!
//! As in its recommender (`pkg/recommender/util/histogram.go`, `decaying_histogram.go`, `model/aggregations_config.go`): buckets
//! that grow by 5 % from 0.01 cores, weights that halve in 24 hours, the upper end of the bucket that the percentile falls into.

use crate::closed_loop::{
    cells::STEPS_A_DAY,
    ladder::fitting,
    policy::{Moment, Policy},
};

const FIRST_BUCKET: f64 = 0.01;
const GROWTH: f64 = 1.05;
const BUCKETS: usize = 176;
const MARGIN: f64 = 1.15;
const HALF_LIFE_STEPS: f64 = STEPS_A_DAY as f64;

/// Fits a percentile of the past.
#[derive(Clone, Debug)]
pub struct Vpa {
    percentile: f64,
    weights: Vec<f64>,
}

impl Vpa {
    /// With `percentile` between 0 and 1.
    pub fn new(percentile: f64) -> Self {
        Self {
            percentile,
            weights: vec![0.0; BUCKETS],
        }
    }

    fn learn(&mut self, vcpus: f64) {
        let fade = 0.5_f64.powf(1.0 / HALF_LIFE_STEPS);
        for weight in &mut self.weights {
            *weight *= fade;
        }
        self.weights[bucket(vcpus)] += 1.0;
    }

    fn recommended(&self) -> f64 {
        let total: f64 = self.weights.iter().sum();
        let mut seen = 0.0;
        let found = self.weights.iter().position(|weight| {
            seen += weight;
            seen >= self.percentile * total
        });
        start(found.unwrap_or(BUCKETS - 1) + 1) * MARGIN
    }
}

/// Where a bucket starts.
fn start(bucket: usize) -> f64 {
    FIRST_BUCKET * (GROWTH.powi(bucket as i32) - 1.0) / (GROWTH - 1.0)
}

fn bucket(vcpus: f64) -> usize {
    if vcpus < FIRST_BUCKET {
        return 0;
    }
    let bucket = ((vcpus * (GROWTH - 1.0) / FIRST_BUCKET + 1.0).ln() / GROWTH.ln()) as usize;
    bucket.min(BUCKETS - 1)
}

impl Policy for Vpa {
    fn choose(&mut self, moment: &Moment<'_>) -> usize {
        self.learn(moment.now());
        fitting(self.recommended(), 1.0)
    }
}
