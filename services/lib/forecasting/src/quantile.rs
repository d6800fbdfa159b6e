//! Small mathematics of quantiles: empirical ones, monotone rows, pinball loss.

/// The `q`-quantile of ascending `values`, linear between ranks; NaN when there are none.
pub fn of_sorted(values: &[f64], q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    values[below] + (values[above] - values[below]) * (position - below as f64)
}

/// The `q`-quantile of what ascending `values` are a sample of: a new value lies below it with probability `q`, as far as
/// so few can tell (Weibull's plotting position). NaN when there are none.
pub fn of_sample(values: &[f64], q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = (q * (values.len() + 1) as f64 - 1.0).clamp(0.0, last as f64);
    of_sorted(values, position / (last.max(1)) as f64)
}

/// A row of quantiles and how much it counts for.
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a> {
    /// Not negative.
    pub weight: f64,
    /// Ascending values.
    pub row: &'a [f64],
}

/// Quantiles at `levels` of the mixture of distributions: each of `rows` is what comes with its weight. Where they
/// contradict each other the mixture is wide, which a mean of their quantiles would not be.
pub fn pool(levels: &[f64], rows: &[Weighted<'_>]) -> Vec<f64> {
    let sum: f64 = rows.iter().map(|row| row.weight).sum();
    let mixed = |passed: fn(&f64, f64) -> bool, value: f64| -> f64 {
        let weighted = rows
            .iter()
            .map(|row| row.weight * probability(levels, row.row, value, passed));
        weighted.sum::<f64>() / sum
    };
    // Between the values of the rows the mixture's distribution function is a straight line; at them it may jump.
    let mut knots: Vec<f64> = rows.iter().flat_map(|row| row.row).copied().collect();
    knots.sort_unstable_by(f64::total_cmp);
    knots.dedup();
    let at_or_below: Vec<f64> = knots
        .iter()
        .map(|value| mixed(|known, value| *known <= value, *value))
        .collect();
    let quantile = |q: &f64| {
        // Rounding of the sum must not push an exact quantile up.
        let q = q - 1e-9;
        let reached = at_or_below.partition_point(|probability| *probability < q);
        let Some(high) = knots.get(reached).or(knots.last()).copied() else {
            return f64::NAN;
        };
        let Some(before) = reached.checked_sub(1) else {
            return high;
        };
        let (low, from) = (knots[before], at_or_below[before]);
        let to = mixed(|known, value| *known < value, high);
        match to > q {
            true => (low + (high - low) * (q - from) / (to - from)).min(high),
            false => high,
        }
    };
    levels.iter().map(quantile).collect()
}

/// The probability of the values that `passed` says lie before `value`, where `values` are the quantiles at `levels`;
/// what lies beyond the outermost ones is taken to lie at them.
fn probability(levels: &[f64], values: &[f64], value: f64, passed: fn(&f64, f64) -> bool) -> f64 {
    let above = values.partition_point(|known| passed(known, value));
    match (above.checked_sub(1), values.get(above)) {
        (None, _) => 0.0,
        (Some(_), None) => 1.0,
        (Some(below), Some(next)) => {
            let share = (value - values[below]) / (next - values[below]);
            levels[below] + (levels[above] - levels[below]) * share
        }
    }
}

/// The pinball loss of forecasting `forecast` for the `q`-quantile when `actual` came.
pub fn pinball(q: f64, forecast: f64, actual: f64) -> f64 {
    let error = actual - forecast;
    (q * error).max((q - 1.0) * error)
}

/// Makes a row of quantile values valid: finite ones within `0..=capacity` that never decrease.
///
/// Values that cross are sorted, which never worsens their total pinball loss (Chernozhukov et al., 2010,
/// "Quantile and probability curves without crossing").
pub fn repair(values: &mut [f64], capacity: f64) {
    values.sort_unstable_by(f64::total_cmp);
    for value in values {
        *value = value.clamp(0.0, capacity);
    }
}

/// The value at probability `q` of a distribution known at `levels` (ascending), linear between them and flat beyond.
pub fn interpolate(levels: &[f64], values: &[f64], q: f64) -> f64 {
    let above = levels.partition_point(|level| *level < q);
    match (above.checked_sub(1), levels.get(above)) {
        (None, _) => values.first().copied().unwrap_or(f64::NAN),
        (Some(below), None) => values[below],
        (Some(below), Some(level)) => {
            let share = (q - levels[below]) / (level - levels[below]);
            let (low, high) = (values[below], values[above]);
            // Rounding must not carry it beyond the next one.
            (low + (high - low) * share)
                .max(low.min(high))
                .min(low.max(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_lie_between_ranks() {
        let values = [1.0, 2.0, 4.0];
        for (q, expected) in [(0.0, 1.0), (0.25, 1.5), (0.5, 2.0), (0.75, 3.0), (1.0, 4.0)] {
            assert_eq!(of_sorted(&values, q), expected, "{q}");
        }
        assert!(of_sorted(&[], 0.5).is_nan());
        assert_eq!(interpolate(&[0.1, 0.5], &[1.0, 3.0], 0.3), 2.0);
        assert_eq!(interpolate(&[0.1, 0.5], &[1.0, 3.0], 0.9), 3.0);
        assert_eq!(interpolate(&[0.1, 0.5], &[1.0, 3.0], 0.01), 1.0);
    }

    #[test]
    fn few_values_reach_further_out_than_their_ranks() {
        let values: Vec<f64> = (1..=19).map(f64::from).collect();
        // Of 19 values a twentieth lies below the first: a new one is as likely in each of the 20 places.
        for (q, expected) in [
            (0.05, 1.0),
            (0.5, 10.0),
            (0.95, 19.0),
            (0.99, 19.0),
            (0.9, 18.0),
        ] {
            assert!((of_sample(&values, q) - expected).abs() < 1e-9, "{q}");
        }
        assert_eq!(of_sample(&[7.0], 0.9), 7.0);
        assert!(of_sample(&[], 0.5).is_nan());
    }

    #[test]
    fn a_mixture_is_as_wide_as_what_is_mixed() {
        let levels = [0.05, 0.5, 0.95];
        let low: &[f64] = &[10.0, 20.0, 30.0];
        let high: &[f64] = &[80.0, 85.0, 90.0];
        let pooled = |share| {
            let weighted = |weight, row| Weighted { weight, row };
            pool(
                &levels,
                &[weighted(share, low), weighted(1.0 - share, high)],
            )
        };
        let close = |left: &[f64], right: &[f64]| {
            let mut pairs = left.iter().zip(right);
            pairs.all(|(left, right)| (left - right).abs() < 0.01)
        };
        assert!(close(&pooled(1.0), low) && close(&pooled(0.0), high));
        let mixed = pooled(0.8);
        // What comes one time in five is above all of the lower ones.
        assert!(mixed[0] < 12.0 && mixed[1] < 30.0, "{mixed:?}");
        assert!((80.0..=90.0).contains(&mixed[2]), "{mixed:?}");
    }

    #[test]
    fn too_low_is_dear_for_a_high_quantile() {
        assert_eq!(pinball(0.9, 10.0, 20.0), 9.0);
        assert!((pinball(0.9, 20.0, 10.0) - 1.0).abs() < 1e-12);
    }

    fn row() -> impl Strategy<Value = Vec<f64>> {
        // Some are equal: there the distribution jumps.
        prop::collection::vec((0..40_u8).prop_map(f64::from), 5).prop_map(|mut row| {
            row.sort_unstable_by(f64::total_cmp);
            row
        })
    }

    proptest! {
        #[test]
        fn a_pooled_quantile_is_the_least_value_that_so_much_lies_at_or_below(
            rows in prop::collection::vec((0.01..1.0_f64, row()), 1..6),
        ) {
            let levels = [0.05, 0.25, 0.5, 0.75, 0.95];
            let weighted: Vec<Weighted<'_>> = rows
                .iter()
                .map(|(weight, row)| Weighted { weight: *weight, row })
                .collect();
            let pooled = pool(&levels, &weighted);
            prop_assert!(pooled.is_sorted());
            let sum: f64 = rows.iter().map(|(weight, _)| weight).sum();
            let below = |value: f64| -> f64 {
                let of = |row: &[f64]| probability(&levels, row, value, |known, value| *known <= value);
                rows.iter().map(|(weight, row)| weight * of(row)).sum::<f64>() / sum
            };
            for (level, value) in levels.iter().zip(pooled) {
                prop_assert!(below(value + 1e-6) >= level - 1e-6, "{level} at {value}");
                prop_assert!(below(value - 1e-6) <= level + 1e-6, "{level} at {value}");
            }
        }

        #[test]
        fn repaired_rows_are_valid(mut values in prop::collection::vec(-1e9..1e9_f64, 0..12), capacity in 0.1..1e6_f64) {
            repair(&mut values, capacity);
            prop_assert!(values.is_sorted());
            prop_assert!(values.iter().all(|value| (0.0..=capacity).contains(value)));
        }
    }
}
