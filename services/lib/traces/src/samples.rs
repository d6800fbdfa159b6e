//! Samples of many series as they come from a file, in any order.

use std::collections::BTreeMap;

use crate::error::BadValue;

/// Seconds later than this (the year 5138) are milliseconds that somebody took for seconds.
const LATEST_SECONDS: f64 = 1e11;

/// The recorded CPU of one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Times of the samples, seconds since the Unix epoch, strictly ascending.
    pub timestamps_seconds: Vec<i64>,
    /// CPU at each of them, 0 to 100.
    pub cpu_percent: Vec<f64>,
}

/// `seconds` unless it can't be seconds.
///
/// # Errors
/// When it must be milliseconds.
pub(crate) fn believable(seconds: f64) -> Result<f64, BadValue> {
    match seconds.abs() > LATEST_SECONDS {
        true => Err(BadValue::Milliseconds(seconds)),
        false => Ok(seconds),
    }
}

/// Samples by series and time.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<String, BTreeMap<i64, f64>>);

impl Samples {
    /// Adds a sample: CPU in percent, clipped to 0 to 100. One that is not finite is dropped, like the second one of a
    /// time.
    ///
    /// # Errors
    /// When the time can't be seconds.
    pub fn add(&mut self, series: &str, seconds: f64, cpu: f64) -> Result<(), BadValue> {
        believable(seconds)?;
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

    /// The series by name.
    pub fn into_series(self) -> Vec<Series> {
        let all = self.0.into_iter().map(|(name, samples)| Series {
            name,
            timestamps_seconds: samples.keys().copied().collect(),
            cpu_percent: samples.into_values().collect(),
        });
        all.collect()
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
        assert!(error.to_string().contains("milliseconds"), "{error}");
        let series = samples.into_series();
        let names: Vec<&str> = series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(series[0].cpu_percent, [100.0]);
        assert_eq!(series[1].timestamps_seconds, [0, 600]);
        assert_eq!(series[1].cpu_percent, [0.0, 7.0]);
    }
}
