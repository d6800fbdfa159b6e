//! Probabilities out of forecast quantiles.

use crate::decide::input::Quantile;

/// A distribution known at some quantiles.
///
/// Between two quantiles its distribution function is a straight line; before the first and after the last it is an
/// exponential tail whose density continues that of the neighbouring line. Equal values are a jump. So it never falls,
/// whatever the quantiles.
#[derive(Clone, Copy, Debug)]
pub struct Distribution<'a> {
    quantiles: &'a [Quantile],
}

impl<'a> Distribution<'a> {
    /// `quantiles` ascend in quantile and don't fall in value. `None` with fewer than two: nothing lies between them.
    pub fn new(quantiles: &'a [Quantile]) -> Option<Self> {
        (quantiles.len() >= 2).then_some(Self { quantiles })
    }

    /// P(X > `value`), 0 to 1.
    pub fn above(&self, value: f64) -> f64 {
        1.0 - self.cumulative(value, Side::AtOrBelow)
    }

    /// P(X < `value`), 0 to 1.
    pub fn below(&self, value: f64) -> f64 {
        self.cumulative(value, Side::Below)
    }

    /// The value at `quantile`, where that lies between the given ones.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let known = self.quantiles;
        let after = known.iter().position(|known| known.quantile >= quantile)?;
        let right = known[after];
        let Some(left) = after.checked_sub(1).map(|before| known[before]) else {
            return (right.quantile == quantile).then_some(right.value);
        };
        let share = (quantile - left.quantile) / (right.quantile - left.quantile);
        Some(left.value + share * (right.value - left.value))
    }

    fn cumulative(&self, value: f64, side: Side) -> f64 {
        let quantiles = self.quantiles;
        // How many of the given values the wanted probability lies past.
        let passed = quantiles.partition_point(|known| match side {
            Side::AtOrBelow => known.value <= value,
            Side::Below => known.value < value,
        });
        let probability = match passed {
            0 => {
                let (first, second) = (quantiles[0], quantiles[1]);
                // CPU is never negative, whatever the tail says.
                if value < 0.0 || (value == 0.0 && side == Side::Below) {
                    0.0
                } else {
                    first.quantile * tail(first.value - value, first, second, first.quantile)
                }
            }
            all if all == quantiles.len() => {
                let (last, before) = (quantiles[all - 1], quantiles[all - 2]);
                let rest = 1.0 - last.quantile;
                1.0 - rest * tail(value - last.value, before, last, rest)
            }
            between => {
                let (left, right) = (quantiles[between - 1], quantiles[between]);
                // The values differ: one is past, the other isn't.
                let share = (value - left.value) / (right.value - left.value);
                left.quantile + share * (right.quantile - left.quantile)
            }
        };
        probability.clamp(0.0, 1.0)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    AtOrBelow,
    Below,
}

/// What is left of a tail of probability `mass` at `distance` beyond its end: exp(-distance × density / mass), with the
/// density of the line between `left` and `right`.
fn tail(distance: f64, left: Quantile, right: Quantile, mass: f64) -> f64 {
    let width = right.value - left.value;
    if width <= 0.0 || mass <= 0.0 {
        // All of the neighbouring probability at one value: the tail has no length.
        return 0.0;
    }
    if distance <= 0.0 {
        return 1.0;
    }
    let density = (right.quantile - left.quantile) / width;
    (-distance * density / mass).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantiles(pairs: &[(f64, f64)]) -> Vec<Quantile> {
        pairs
            .iter()
            .map(|&(quantile, value)| Quantile { quantile, value })
            .collect()
    }

    #[test]
    fn what_lies_above_and_below() {
        let forecast = quantiles(&[(0.1, 40.0), (0.5, 60.0), (0.9, 80.0)]);
        let forecast = Distribution::new(&forecast).unwrap();
        for (value, above) in [
            (40.0, 0.9),
            (50.0, 0.7),
            (60.0, 0.5),
            (75.0, 0.2),
            (80.0, 0.1),
            // The upper tail: density 0.02, mass 0.1, so a factor of exp(-2) in 10 percent.
            (90.0, 0.1 * (-2.0_f64).exp()),
            (30.0, 1.0 - 0.1 * (-2.0_f64).exp()),
        ] {
            assert!(
                (forecast.above(value) - above).abs() < 1e-12,
                "{value}: {}",
                forecast.above(value)
            );
            assert!(
                (forecast.below(value) - (1.0 - above)).abs() < 1e-12,
                "{value}"
            );
        }
    }

    #[test]
    fn a_jump_counts_on_the_side_that_includes_it() {
        // A machine at rest: 90 of 100 forecasts say exactly 0.
        let idle = quantiles(&[(0.05, 0.0), (0.9, 0.0), (0.99, 10.0)]);
        let idle = Distribution::new(&idle).unwrap();
        assert!((idle.above(0.0) - 0.1).abs() < 1e-12);
        assert_eq!(idle.below(0.0), 0.0);
        // A saturated one: nothing above 100, nothing lost below it.
        let full = quantiles(&[(0.1, 100.0), (0.9, 100.0)]);
        let full = Distribution::new(&full).unwrap();
        assert_eq!(full.above(100.0), 0.0);
        assert_eq!(full.above(99.9), 1.0);
        assert_eq!(full.below(100.0), 0.0);
    }

    #[test]
    fn one_quantile_is_no_distribution() {
        assert!(Distribution::new(&quantiles(&[(0.5, 10.0)])).is_none());
    }

    prop_compose! {
        fn any_quantiles()(
            mut values in prop::collection::vec(prop_oneof![0.0..150.0_f64, Just(0.0), Just(100.0)], 8),
        ) -> Vec<Quantile> {
            values.sort_by(f64::total_cmp);
            let probabilities = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
            probabilities
                .into_iter()
                .zip(values)
                .map(|(quantile, value)| Quantile { quantile, value })
                .collect()
        }
    }

    proptest! {
        #[test]
        fn probabilities_never_rise_with_the_value(
            quantiles in any_quantiles(),
            low in -10.0..200.0_f64,
            step in 0.0..50.0_f64,
        ) {
            let forecast = Distribution::new(&quantiles).unwrap();
            let (first, second) = (forecast.above(low), forecast.above(low + step));
            prop_assert!((0.0..=1.0).contains(&first));
            prop_assert!(second <= first + 1e-12, "{first} then {second}");
            prop_assert!(forecast.below(low) <= forecast.below(low + step) + 1e-12);
            prop_assert!(forecast.above(low) + forecast.below(low) <= 1.0 + 1e-12);
        }

        #[test]
        fn given_quantiles_are_kept(quantiles in any_quantiles()) {
            let forecast = Distribution::new(&quantiles).unwrap();
            for known in &quantiles {
                prop_assert!(forecast.above(known.value) <= 1.0 - known.quantile + 1e-12);
                prop_assert!(forecast.below(known.value) <= known.quantile + 1e-12);
            }
        }
    }
}
