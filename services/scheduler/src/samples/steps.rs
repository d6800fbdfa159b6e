//! The demand of a machine on the grid of the sizing rules: vCPU, one number for each five minutes. Pure.

use sizing::{past::Past, past::walk, step};

use crate::domain::Series;

/// So much of a past is looked at: 10 days are replayed, and what was 7 days before them is in their profiles.
const MOST_STEPS: i64 = 21 * step::DAY as i64;

/// Demand in vCPU, the mean of each step's samples, unknown where a step has none; the last step is that of the last
/// sample. Empty where nobody knows how many vCPUs the machine has.
pub fn demand(series: &Series) -> Vec<Option<f32>> {
    let (Some(vcpus), Some(last)) = (series.vcpus, series.timestamps.last()) else {
        return Vec::new();
    };
    let cell = |second: i64| second.div_euclid(i64::from(step::SECONDS));
    let last = cell(*last);
    let oldest = series.timestamps.first().map_or(last, |first| cell(*first));
    let first = oldest.max(last - MOST_STEPS + 1);
    let steps = usize::try_from(last - first + 1).unwrap_or_default();
    let mut sums = vec![(0.0, 0_u32); steps];
    for (second, percent) in series.timestamps.iter().zip(&series.cpu_percent) {
        let place = usize::try_from(cell(*second) - first).ok();
        if let Some((sum, count)) = place.and_then(|place| sums.get_mut(place)) {
            *sum += percent / 100.0 * vcpus;
            *count += 1;
        }
    }
    let mean = |(sum, count): (f64, u32)| (count > 0).then(|| (sum / f64::from(count)) as f32);
    sums.into_iter().map(mean).collect()
}

/// The past at the last step.
pub fn past(series: &Series) -> Option<Past> {
    walk(&demand(series)).pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[(i64, f64)], vcpus: Option<f64>) -> Series {
        Series {
            timestamps: samples.iter().map(|(second, _)| *second).collect(),
            cpu_percent: samples.iter().map(|(_, percent)| *percent).collect(),
            vcpus,
            ..Series::default()
        }
    }

    #[test]
    fn a_step_is_the_mean_of_its_samples_in_vcpu_and_unknown_without_one() {
        let samples = [(600, 50.0), (660, 100.0), (1_200, 150.0)];
        let seen = series(&samples, Some(4.0));
        assert_eq!(demand(&seen), [Some(3.0), None, Some(6.0)]);
        let past = past(&seen).unwrap();
        assert_eq!((past.now, past.peak_1h), (Some(6.0), Some(6.0)));
        assert!(demand(&series(&samples, None)).is_empty());
        assert!(demand(&series(&[], Some(4.0))).is_empty());
    }

    #[test]
    fn no_more_than_three_weeks_are_looked_at() {
        let samples = [(0, 50.0), (300 * 9_000, 25.0)];
        let demand = demand(&series(&samples, Some(1.0)));
        assert_eq!(demand.len(), 6_048);
        assert_eq!(demand.iter().flatten().collect::<Vec<_>>(), [&0.25]);
    }
}
