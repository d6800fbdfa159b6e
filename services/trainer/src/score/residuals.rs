//! Empirical quantiles of what a forecast missed by lately.

use std::collections::VecDeque;

use forecasting::quantile;

/// A window of residuals that gives its quantiles at any time.
#[derive(Clone, Debug, Default)]
pub struct Residuals {
    sorted: Vec<f64>,
    arrived: VecDeque<f64>,
    most: usize,
}

impl Residuals {
    /// Keeps the last `most`.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Adds one; NaN is ignored.
    pub fn push(&mut self, residual: f64) {
        if residual.is_nan() {
            return;
        }
        if self.arrived.len() == self.most
            && let Some(oldest) = self.arrived.pop_front()
        {
            let position = self.sorted.partition_point(|value| *value < oldest);
            self.sorted.remove(position);
        }
        self.arrived.push_back(residual);
        let position = self.sorted.partition_point(|value| *value < residual);
        self.sorted.insert(position, residual);
    }

    /// The `q`-quantile, 0 while there is none.
    pub fn quantile(&self, q: f64) -> f64 {
        match self.sorted.is_empty() {
            true => 0.0,
            false => quantile::of_sorted(&self.sorted, q),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_forget_the_oldest() {
        let mut residuals = Residuals::new(3);
        assert_eq!(residuals.quantile(0.5), 0.0);
        for value in [9.0, f64::NAN, 1.0, 2.0, 3.0] {
            residuals.push(value);
        }
        assert_eq!(residuals.quantile(1.0), 3.0);
        assert_eq!(residuals.quantile(0.5), 2.0);
    }
}
