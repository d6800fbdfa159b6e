//! Samples of many series as they come from a file, in any order.

use std::collections::BTreeMap;

use forecasting::series::{Series, grid::Grid, history::History};

/// Seconds later than this (the year 5138) are milliseconds that somebody took for seconds.
const LATEST_SECONDS: f64 = 1e11;

/// Samples by series and time.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<String, BTreeMap<i64, f64>>);

impl Samples {
    /// Adds a sample: CPU in percent, clipped to 0 to 100. One that is not finite is dropped, like the second one of a
    /// time.
    ///
    /// # Errors
    /// When the time can't be seconds.
    pub fn add(&mut self, series: &str, seconds: f64, cpu: f64) -> Result<(), String> {
        if seconds.abs() > LATEST_SECONDS {
            return Err(format!(
                "timestamp {seconds} is too large for seconds; is it milliseconds?"
            ));
        }
        if !cpu.is_finite() || !seconds.is_finite() {
            return Ok(());
        }
        let values = match self.0.get_mut(series) {
            Some(values) => values,
            None => self.0.entry(series.to_owned()).or_default(),
        };
        values
            .entry(seconds as i64)
            .or_insert(cpu.clamp(0.0, 100.0));
        Ok(())
    }

    /// Every series on its grid, by name.
    pub fn into_histories(self) -> Vec<(String, History)> {
        self.0
            .into_iter()
            .map(|(id, samples)| {
                let series = Series {
                    id: id.clone(),
                    timestamps_seconds: samples.keys().copied().collect(),
                    cpu: samples.values().copied().collect(),
                    capacity: 100.0,
                    calibration_state: Vec::new(),
                };
                let grid = Grid::resample_all(&series);
                (id, History::new(grid.step_seconds, grid.values))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_sorted_clipped_and_what_is_no_number_is_dropped() {
        let mut samples = Samples::default();
        for (series, seconds, cpu) in [
            ("b", 600.0, 7.0),
            ("b", 0.0, -3.0),
            ("b", 300.0, f64::NAN),
            ("b", 600.0, 9.0),
            ("a", 0.0, 120.0),
            ("a", f64::NAN, 1.0),
        ] {
            samples.add(series, seconds, cpu).unwrap();
        }
        let error = samples.add("b", 1.7e12, 1.0).unwrap_err();
        assert!(error.contains("milliseconds"), "{error}");
        let histories = samples.into_histories();
        let names: Vec<&str> = histories.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(histories[0].1.value(0), 100.0);
        let b = &histories[1].1;
        assert_eq!((b.observed(0), b.observed(2)), (0.0, 7.0));
        assert!(b.observed(1).is_nan());
    }
}
