//! A gridded series with the sums and maxima that make any window's statistics cheap.

use crate::series::fill;

/// A series that answers "mean, deviation, highest, lowest of these steps" in constant time.
///
/// Indices count grid points from the oldest. Ranges are inclusive and clipped at the start.
#[derive(Clone, Debug)]
pub struct History {
    step_seconds: u32,
    observed: Vec<f32>,
    filled: Vec<f32>,
    /// Before each index: sum, sum of squares and number of the filled values.
    sums: Vec<(f64, f64, u32)>,
    highest: RangeMax,
    lowest: RangeMax,
}

impl History {
    /// `values` in percent of capacity, NaN where unknown. Short gaps are carried forward.
    pub fn new(step_seconds: u32, values: Vec<f32>) -> Self {
        let filled = fill::forward(&values);
        Self::with(step_seconds, values, filled)
    }

    /// The same, with gaps filled by the series' own rhythm where it has one.
    pub fn by_rhythm(step_seconds: u32, values: Vec<f32>) -> Self {
        let filled = fill::by_rhythm(&values, step_seconds);
        Self::with(step_seconds, values, filled)
    }

    fn with(step_seconds: u32, values: Vec<f32>, filled: Vec<f32>) -> Self {
        let mut sums = Vec::with_capacity(filled.len() + 1);
        let mut total = (0.0, 0.0, 0);
        sums.push(total);
        for value in &filled {
            if !value.is_nan() {
                let value = f64::from(*value);
                total = (total.0 + value, total.1 + value * value, total.2 + 1);
            }
            sums.push(total);
        }
        let or_low = |sign: f32| {
            filled
                .iter()
                .map(|value| match value.is_nan() {
                    true => f32::NEG_INFINITY,
                    false => sign * value,
                })
                .collect()
        };
        let highest = RangeMax::new(or_low(1.0));
        let lowest = RangeMax::new(or_low(-1.0));
        Self {
            step_seconds,
            observed: values,
            filled,
            sums,
            highest,
            lowest,
        }
    }

    /// Seconds between points.
    pub fn step_seconds(&self) -> u32 {
        self.step_seconds
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.filled.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// Steps in `minutes`, at least one.
    pub fn steps(&self, minutes: u32) -> usize {
        ((minutes * 60 / self.step_seconds) as usize).max(1)
    }

    /// The value at `index`, gaps filled; NaN where unknown.
    pub fn value(&self, index: usize) -> f64 {
        self.filled
            .get(index)
            .map_or(f64::NAN, |value| f64::from(*value))
    }

    /// The value at `index` when it was observed, else NaN.
    pub fn observed(&self, index: usize) -> f64 {
        self.observed
            .get(index)
            .map_or(f64::NAN, |value| f64::from(*value))
    }

    /// Highest observed value of `from..=to`; NaN when less than four fifths of them were observed.
    pub fn observed_peak(&self, from: usize, to: usize) -> f64 {
        self.peak_of(from, to, 0.8)
    }

    /// The same when at least a third of them were observed: what is known of the peak, which may have been higher.
    pub fn known_peak(&self, from: usize, to: usize) -> f64 {
        self.peak_of(from, to, 0.33)
    }

    fn peak_of(&self, from: usize, to: usize, least_share: f64) -> f64 {
        let Some(values) = self.observed.get(from..=to) else {
            return f64::NAN;
        };
        let known = values.iter().filter(|value| !value.is_nan()).count();
        if (known as f64) < values.len() as f64 * least_share {
            return f64::NAN;
        }
        f64::from(values.iter().copied().fold(f32::NAN, f32::max))
    }

    /// Observed values of `from..=to`.
    pub fn observed_count(&self, from: usize, to: usize) -> usize {
        let values = self.observed.get(from..=to).unwrap_or_default();
        values.iter().filter(|value| !value.is_nan()).count()
    }

    /// Mean of `from..=to`, NaN when nothing is known there.
    pub fn mean(&self, from: usize, to: usize) -> f64 {
        match self.difference(from, to) {
            (_, _, 0) => f64::NAN,
            (sum, _, count) => sum / f64::from(count),
        }
    }

    /// Standard deviation of `from..=to`, NaN when fewer than two values are known.
    pub fn deviation(&self, from: usize, to: usize) -> f64 {
        match self.difference(from, to) {
            (_, _, 0 | 1) => f64::NAN,
            (sum, squares, count) => {
                let mean = sum / f64::from(count);
                (squares / f64::from(count) - mean * mean).max(0.0).sqrt()
            }
        }
    }

    /// Known values in `from..=to`.
    pub fn known(&self, from: usize, to: usize) -> usize {
        self.difference(from, to).2 as usize
    }

    /// Highest value of `from..=to`, NaN when nothing is known there.
    pub fn highest(&self, from: usize, to: usize) -> f64 {
        finite(self.highest.query(from, to))
    }

    /// Lowest value of `from..=to`, NaN when nothing is known there.
    pub fn lowest(&self, from: usize, to: usize) -> f64 {
        -finite(self.lowest.query(from, to))
    }

    fn difference(&self, from: usize, to: usize) -> (f64, f64, u32) {
        let end = (to + 1).min(self.len());
        if from >= end {
            return (0.0, 0.0, 0);
        }
        let (before, after) = (self.sums[from], self.sums[end]);
        (after.0 - before.0, after.1 - before.1, after.2 - before.2)
    }
}

fn finite(value: f32) -> f64 {
    match value.is_finite() {
        true => f64::from(value),
        false => f64::NAN,
    }
}

/// Highest value of any range in constant time: a sparse table.
#[derive(Clone, Debug)]
struct RangeMax {
    /// Level k holds the maxima of 2^k values from each index.
    levels: Vec<Vec<f32>>,
}

impl RangeMax {
    fn new(values: Vec<f32>) -> Self {
        let mut levels = vec![values];
        let mut width = 1;
        while let Some(last) = levels.last()
            && last.len() > width
        {
            let next = last
                .iter()
                .zip(&last[width..])
                .map(|(left, right)| left.max(*right))
                .collect();
            levels.push(next);
            width *= 2;
        }
        Self { levels }
    }

    fn query(&self, from: usize, to: usize) -> f32 {
        let len = self.levels[0].len();
        if len == 0 || from > to || from >= len {
            return f32::NEG_INFINITY;
        }
        let to = to.min(len - 1);
        let level = (to - from + 1).ilog2() as usize;
        let row = &self.levels[level];
        row[from].max(row[to + 1 - (1 << level)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_agree_with_plain_loops() {
        let mut state = 7_u32;
        let values: Vec<f32> = (0..97)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match state >> 28 {
                    0 => f32::NAN,
                    _ => (state >> 8) as f32 / 167_772.16,
                }
            })
            .collect();
        let filled = fill::forward(&values);
        let history = History::new(300, values);
        for from in 0..97 {
            for to in from..97 {
                let known: Vec<f64> = filled[from..=to]
                    .iter()
                    .filter(|value| !value.is_nan())
                    .map(|value| f64::from(*value))
                    .collect();
                let close = |left: f64, right: f64| {
                    (left.is_nan() && right.is_nan()) || (left - right).abs() < 1e-4
                };
                let count = known.len() as f64;
                let mean = known.iter().sum::<f64>() / count;
                assert!(close(history.mean(from, to), mean));
                let high = known.iter().copied().fold(f64::NAN, f64::max);
                let low = known.iter().copied().fold(f64::NAN, f64::min);
                assert!(close(history.highest(from, to), high));
                assert!(close(history.lowest(from, to), low));
                if known.len() > 1 {
                    let squares: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
                    assert!(close(history.deviation(from, to), (squares / count).sqrt()));
                }
            }
        }
        assert!(history.mean(200, 300).is_nan());
        assert!(History::new(60, Vec::new()).highest(0, 5).is_nan());
    }
}
