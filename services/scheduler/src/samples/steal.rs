//! CPU that the host keeps from a machine: reported, and no demand. Pure.

use super::{series::Sample, units::RATE_TOLERANCE};

/// From here on it is worth a word.
const MUCH_PERCENT: f64 = 10.0;

/// The mean of `samples`, percent of the machine, beside its CPU; `None` where it is not known, or is no such share. `cpu`
/// are the CPU samples as the source gave them: a server that gives the same for both did not look at the question.
pub fn mean_percent(samples: &[Sample], cpu: &[Sample], cpu_percent: f64) -> Option<f64> {
    let known: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.value.is_finite())
        .collect();
    let newest = known.last()?.value;
    let possible = known.iter().all(|sample| sample.value >= -RATE_TOLERANCE);
    // What works and what is kept make no more than the whole.
    let is_beside = newest + cpu_percent <= 100.0 + RATE_TOLERANCE;
    let is_cpu = newest > 0.0 && known.iter().all(|sample| cpu.contains(sample));
    let sum: f64 = known.iter().map(|sample| sample.value).sum();
    (possible && is_beside && !is_cpu).then(|| (sum / known.len() as f64).max(0.0))
}

/// What to say of it, when it is much.
pub fn note(mean_percent: f64) -> Option<String> {
    (mean_percent >= MUCH_PERCENT).then(|| {
        format!(
            "steal is {mean_percent:.1} % of the machine, the mean of the last hour: its host, or CPU credits that are used up, keep CPU from it; that is not counted as demand"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Vec<Sample> {
        let sample = |&value: &f64| Sample { at: 0.0, value };
        values.iter().map(sample).collect()
    }

    fn of(values: &[f64], cpu: f64) -> Option<f64> {
        mean_percent(&samples(values), &samples(&[cpu]), cpu)
    }

    #[test]
    fn it_is_a_share_beside_the_cpu_or_unknown() {
        assert_eq!(of(&[10.0, 30.0], 60.0), Some(20.0));
        assert_eq!(of(&[f64::NAN, 30.0], 60.0), Some(30.0));
        assert_eq!(of(&[-0.2], 60.0), Some(0.0));
        assert_eq!(of(&[], 60.0), None);
        assert_eq!(of(&[f64::NAN], 60.0), None);
        assert_eq!(of(&[30.0], 88.0), None, "more than the whole");
        assert_eq!(of(&[-7.0, 3.0], 8.0), None);
        assert_eq!(of(&[30.0], 30.0), None, "the CPU itself");
        assert_eq!(of(&[0.0], 0.0), Some(0.0));
    }

    #[test]
    fn only_much_of_it_is_worth_a_word() {
        assert_eq!(note(9.9), None);
        assert!(note(23.06).unwrap().contains("steal is 23.1 %"));
    }
}
