//! Demand, not percent (design rule 1): the past of a machine in percent of the type that it has now. Pure.
//!
//! `cpu_percent_now = cpu_percent_then × vcpus_then / vcpus_now`: the same demand in vCPU, on another scale.

use super::series::Sample;

/// CPU history on the scale of the current type.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescaled {
    /// Percent of the current type, one for each sample.
    pub percent: Vec<f64>,
    /// The largest value possible in the window: `100 × max vcpus / vcpus now`.
    pub capacity_percent: f64,
}

/// How many vCPUs the machine has now.
///
/// The exporter knows better than the type's description (threads per core can be turned off), unless its last word is
/// from before the last resize, at `resized` seconds since the Unix epoch.
pub fn vcpus_now(counts: &[Sample], resized: Option<f64>, described: Option<u32>) -> Option<f64> {
    let measured = counts.last();
    let current = measured.filter(|count| resized.is_none_or(|resized| count.at >= resized));
    match (current, described, measured) {
        (Some(count), _, _) => Some(count.value.round()),
        (None, Some(vcpus), _) => Some(f64::from(vcpus)),
        (None, None, measured) => measured.map(|count| count.value.round()),
    }
}

/// Rescales percentages by the vCPUs at their time. What the counts don't cover is taken at its face value.
pub fn in_percent_of_current(
    cpu: &[Sample],
    counts: &[Sample],
    vcpus_now: Option<f64>,
) -> Rescaled {
    let Some(now) = vcpus_now.filter(|vcpus| *vcpus >= 1.0) else {
        return Rescaled {
            percent: cpu.iter().map(|sample| sample.value).collect(),
            capacity_percent: 100.0,
        };
    };
    let mut most = now;
    let percent = cpu
        .iter()
        .map(|sample| {
            let then = step_value(counts, sample.at).map_or(now, f64::round);
            most = most.max(then);
            sample.value * then / now
        })
        .collect();
    Rescaled {
        percent,
        capacity_percent: 100.0 * most / now,
    }
}

/// The value in force at `at` of something that changes in steps: the last one before, else the first one after.
pub fn step_value(samples: &[Sample], at: f64) -> Option<f64> {
    let after = samples.partition_point(|sample| sample.at <= at + 0.5);
    let sample = match after.checked_sub(1) {
        Some(before) => samples.get(before),
        None => samples.first(),
    };
    sample.map(|sample| sample.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[(f64, f64)]) -> Vec<Sample> {
        values
            .iter()
            .map(|&(at, value)| Sample { at, value })
            .collect()
    }

    #[test]
    fn a_resize_changes_the_scale_and_not_the_demand() {
        let cpu = samples(&[(0.0, 80.0), (300.0, 90.0), (600.0, 45.0), (900.0, 40.0)]);
        let counts = samples(&[(0.0, 1.0), (300.0, 1.0), (600.0, 2.0), (900.0, 2.0)]);
        let up = in_percent_of_current(&cpu, &counts, Some(2.0));
        assert_eq!(up.percent, [40.0, 45.0, 45.0, 40.0]);
        assert_eq!(up.capacity_percent, 100.0);

        let counts = samples(&[(0.0, 4.0), (600.0, 2.0)]);
        let down = in_percent_of_current(&cpu, &counts, Some(2.0));
        assert_eq!(down.percent, [160.0, 180.0, 45.0, 40.0]);
        assert_eq!(down.capacity_percent, 200.0);
    }

    #[test]
    fn without_counts_percentages_stay_as_they_are() {
        let cpu = samples(&[(0.0, 80.0), (300.0, 90.0)]);
        for now in [None, Some(2.0)] {
            let same = in_percent_of_current(&cpu, &[], now);
            assert_eq!(same.percent, [80.0, 90.0]);
            assert_eq!(same.capacity_percent, 100.0);
        }
    }

    #[test]
    fn the_exporter_counts_unless_its_word_is_older_than_the_resize() {
        let counts = samples(&[(0.0, 1.0), (300.0, 1.0)]);
        assert_eq!(vcpus_now(&counts, None, Some(2)), Some(1.0));
        assert_eq!(vcpus_now(&counts, Some(200.0), Some(2)), Some(1.0));
        assert_eq!(vcpus_now(&counts, Some(400.0), Some(2)), Some(2.0));
        assert_eq!(vcpus_now(&counts, Some(400.0), None), Some(1.0));
        assert_eq!(vcpus_now(&[], None, Some(2)), Some(2.0));
        assert_eq!(vcpus_now(&[], None, None), None);
    }
}
