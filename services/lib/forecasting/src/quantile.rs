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
            values[below] + (values[above] - values[below]) * share
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
    fn too_low_is_dear_for_a_high_quantile() {
        assert_eq!(pinball(0.9, 10.0, 20.0), 9.0);
        assert!((pinball(0.9, 20.0, 10.0) - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn repaired_rows_are_valid(mut values in prop::collection::vec(-1e9..1e9_f64, 0..12), capacity in 0.1..1e6_f64) {
            repair(&mut values, capacity);
            prop_assert!(values.is_sorted());
            prop_assert!(values.iter().all(|value| (0.0..=capacity).contains(value)));
        }
    }
}
