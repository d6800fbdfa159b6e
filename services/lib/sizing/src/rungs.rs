//! Rungs: what each size can do and what it costs.

use serde::{Deserialize, Serialize};

/// The sizes that a machine may have, the smallest first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rungs {
    capacities: Vec<f64>,
    prices: Vec<f64>,
}

impl Rungs {
    /// Capacities in vCPU that do not fall, each with a price above zero. `None` for anything else.
    pub fn new(capacities: &[f64], prices: &[f64]) -> Option<Self> {
        let usable = !capacities.is_empty()
            && capacities.len() == prices.len()
            && capacities
                .iter()
                .chain(prices)
                .all(|&number| number.is_finite() && number > 0.0)
            && capacities.is_sorted();
        usable.then(|| Self {
            capacities: capacities.to_vec(),
            prices: prices.to_vec(),
        })
    }

    /// The largest one's place.
    pub fn largest(&self) -> usize {
        self.capacities.len() - 1
    }

    /// vCPU of a rung; that of the largest beyond it.
    pub fn capacity(&self, rung: usize) -> f64 {
        self.capacities[rung.min(self.largest())]
    }

    /// What a rung costs, as a share of the largest one's price.
    pub fn cost(&self, rung: usize) -> f64 {
        let largest = self.largest();
        self.prices[rung.min(largest)] / self.prices[largest]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rising_sizes_with_prices_are_rungs() {
        for (capacities, prices, usable) in [
            (&[1.0, 2.0, 2.0][..], &[1.0, 2.0, 3.0][..], true),
            (&[], &[], false),
            (&[2.0, 1.0], &[1.0, 1.0], false),
            (&[1.0, 2.0], &[1.0], false),
            (&[0.0, 2.0], &[1.0, 2.0], false),
            (&[1.0, f64::NAN], &[1.0, 2.0], false),
            (&[1.0, 2.0], &[0.0, 2.0], false),
        ] {
            assert_eq!(
                Rungs::new(capacities, prices).is_some(),
                usable,
                "{capacities:?} {prices:?}"
            );
        }
        let rungs = Rungs::new(&[1.0, 4.0], &[0.5, 2.0]).unwrap();
        assert_eq!(
            (rungs.largest(), rungs.capacity(9), rungs.cost(0)),
            (1, 4.0, 0.25)
        );
    }
}
