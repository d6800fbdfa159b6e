//! Stated probabilities against how often it came so, by tenth: of what was said to happen three times in ten, three
//! tenths should have.

use forecasting::{quantile, series::history::History};

/// What is asked of a forecast is how likely these quantiles of the series' own past are passed: rare and common things.
const THRESHOLDS: [f64; 6] = [0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
const TENTHS: usize = 10;

/// What was said to be about as likely.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tenth {
    /// Statements.
    pub count: u64,
    /// The sum of their probabilities.
    pub stated: f64,
    /// How many came true.
    pub came: u64,
}

/// Statements by their probability: 0 to 0.1, 0.1 to 0.2 …
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reliability(pub [Tenth; TENTHS]);

impl Reliability {
    /// Adds how likely a forecast, `values` at the ascending `quantiles`, called each of `thresholds` to be passed, now
    /// that `actual` came.
    pub fn add(&mut self, quantiles: &[f64], values: &[f64], thresholds: &[f64], actual: f64) {
        for threshold in thresholds {
            let stated = above(quantiles, values, *threshold);
            let tenth = &mut self.0[((stated * TENTHS as f64) as usize).min(TENTHS - 1)];
            tenth.count += 1;
            tenth.stated += stated;
            tenth.came += u64::from(actual > *threshold);
        }
    }

    /// Adds the statements of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            sum.count += more.count;
            sum.stated += more.stated;
            sum.came += more.came;
        }
    }

    /// The mean distance of what was stated from what came, each tenth counting by its statements: the expected
    /// calibration error. NaN when nothing was stated.
    pub fn error(&self) -> f64 {
        let distance: f64 = self
            .0
            .iter()
            .map(|tenth| (tenth.stated - tenth.came as f64).abs())
            .sum();
        let count: u64 = self.0.iter().map(|tenth| tenth.count).sum();
        distance / count as f64
    }
}

/// What lies where in the part of a series before `end`; empty where nothing is known.
pub fn thresholds(history: &History, end: usize) -> Vec<f64> {
    let mut known: Vec<f64> = (0..end)
        .map(|index| history.observed(index))
        .filter(|value| !value.is_nan())
        .collect();
    known.sort_unstable_by(f64::total_cmp);
    match known.is_empty() {
        true => Vec::new(),
        false => THRESHOLDS.map(|q| quantile::of_sorted(&known, q)).to_vec(),
    }
}

/// P(X > `threshold`): a line between quantiles, and half of what is left beyond the outermost.
fn above(quantiles: &[f64], values: &[f64], threshold: f64) -> f64 {
    let passed = values.partition_point(|value| *value <= threshold);
    let at_or_below = match (passed.checked_sub(1), quantiles.get(passed)) {
        (None, Some(first)) => first / 2.0,
        (Some(last), None) if threshold <= values[last] => quantiles[last],
        (Some(last), None) => f64::midpoint(quantiles[last], 1.0),
        (Some(left), Some(right)) => {
            let share = (threshold - values[left]) / (values[passed] - values[left]);
            quantiles[left] + share * (right - quantiles[left])
        }
        (None, None) => 0.5,
    };
    1.0 - at_or_below
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];

    #[test]
    fn probabilities_lie_on_lines_between_quantiles() {
        for (threshold, expected) in [
            (5.0, 0.95),
            (10.0, 0.9),
            (15.0, 0.7),
            (20.0, 0.5),
            (40.0, 0.1),
            (41.0, 0.05),
        ] {
            let stated = above(&QUANTILES, &[10.0, 20.0, 40.0], threshold);
            assert!((stated - expected).abs() < 1e-9, "{threshold}: {stated}");
        }
        assert!((above(&QUANTILES, &[7.0; 3], 7.0) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn what_comes_as_often_as_stated_has_no_error() {
        let mut right = Reliability::default();
        let mut sure = Reliability::default();
        for turn in 0..100 {
            let actual = if turn % 10 < 3 { 16.0 } else { 14.0 };
            right.add(&QUANTILES, &[0.0, 5.0, 20.0], &[12.5], actual);
            sure.add(&QUANTILES, &[10.0, 12.0, 14.0], &[15.0], actual);
        }
        // 0.3 stated, 100 % above 12.5.
        assert!((right.error() - 0.7).abs() < 1e-9, "{right:?}");
        // 0.05 stated, 30 % came.
        assert!((sure.error() - 0.25).abs() < 1e-9, "{sure:?}");
        let mut exact = Reliability::default();
        for turn in 0..10 {
            let actual = if turn < 3 { 13.0 } else { 12.0 };
            exact.add(&QUANTILES, &[0.0, 5.0, 20.0], &[12.5], actual);
        }
        assert!(exact.error() < 1e-9, "{exact:?}");
        exact.merge(&sure);
        assert!((exact.error() - 25.0 / 110.0).abs() < 1e-9);
    }

    #[test]
    fn thresholds_are_of_the_past_alone() {
        let history = History::new(300, (0..200).map(|index| index as f32).collect());
        assert_eq!(
            thresholds(&history, 101),
            [25.0, 50.0, 75.0, 90.0, 95.0, 99.0]
        );
        assert!(thresholds(&history, 0).is_empty());
    }
}
