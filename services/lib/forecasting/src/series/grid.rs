//! Irregular samples onto a regular grid: averages per step.

use crate::series::Series;

/// The steps that the model knows, in seconds.
pub const STEPS_SECONDS: [u32; 2] = [FINE_SECONDS as u32, COARSE_SECONDS as u32];
const FINE_SECONDS: i64 = 60;
const COARSE_SECONDS: i64 = 300;
/// Nothing for so long is a gap, and says nothing of how often samples come.
const LEAST_GAP_SECONDS: i64 = 600;
/// What of a history is looked at: features reach back a week, the backcast another.
const MAX_SPAN_SECONDS: i64 = 15 * 86_400;
/// Samples further apart than this are too coarse for the 300 s grid.
const COARSEST_SPACING_SECONDS: i64 = 600;
/// A finer grid is left when so much of it is empty, where samples came at all: every third point or nearly so.
const MOST_EMPTY: f64 = 0.3;
/// And gone back to only when less is: a series at the edge must not change its grid, and lose what is known of it, with
/// each sample.
const EMPTY_TO_RETURN: f64 = 0.2;

/// A series on a regular grid that ends at its last sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Seconds between grid points.
    pub step_seconds: u32,
    /// Time of the last grid point, seconds since the Unix epoch.
    pub last_seconds: i64,
    /// CPU in percent of capacity; NaN where there was no sample.
    pub values: Vec<f32>,
    /// The usual distance between samples, in seconds.
    pub spacing_seconds: i64,
    /// Grid points that samples were expected for: those within gaps are not.
    pub expected: usize,
    /// From the first to the last sample of the whole series, in seconds.
    pub span_seconds: u64,
}

impl Grid {
    /// Averages the samples of `series` (at least one) onto 60 s, or onto 300 s when nearly a third of those points or
    /// more would be empty. `before` is the step that this series had, if it is known.
    pub fn resample(series: &Series, before: Option<u32>) -> Self {
        Self::resample_since(series, MAX_SPAN_SECONDS, before)
    }

    /// The same without forgetting what is old: for recorded series.
    pub fn resample_all(series: &Series) -> Self {
        Self::resample_since(series, i64::MAX, None)
    }

    fn resample_since(series: &Series, longest_span_seconds: i64, before: Option<u32>) -> Self {
        let times = &series.timestamps_seconds;
        let (first, last) = match (times.first(), times.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => (0, 0),
        };
        let oldest = last.saturating_sub(longest_span_seconds);
        let from = times.partition_point(|time| *time < oldest);
        let spacing = median_spacing(&times[from..]);
        let most_empty = match before {
            Some(step) if i64::from(step) > FINE_SECONDS => EMPTY_TO_RETURN,
            _ => MOST_EMPTY,
        };
        let step = match empty_share(&times[from..], FINE_SECONDS, spacing) < most_empty {
            true => FINE_SECONDS,
            false => COARSE_SECONDS,
        };
        let steps_back = |time: i64| steps_back(last, time, step, spacing);
        let points = times.get(from).map_or(0, |time| steps_back(*time) + 1);
        let mut sums = vec![(0.0_f64, 0_u32); points];
        for (time, value) in times[from..].iter().zip(&series.cpu[from..]) {
            let slot = &mut sums[points - 1 - steps_back(*time)];
            slot.0 += value / series.capacity * 100.0;
            slot.1 += 1;
        }
        let values = sums
            .into_iter()
            .map(|(sum, count)| match count {
                0 => f32::NAN,
                _ => (sum / f64::from(count)) as f32,
            })
            .collect();
        Self {
            step_seconds: step as u32,
            last_seconds: last,
            values,
            spacing_seconds: spacing,
            expected: cells(&times[from..], step, spacing).1,
            span_seconds: last.abs_diff(first),
        }
    }

    /// Whether samples come too seldom for the model's grids.
    pub fn too_coarse(&self) -> bool {
        self.spacing_seconds > COARSEST_SPACING_SECONDS
    }

    /// Grid points with at least one sample.
    pub fn observed(&self) -> usize {
        self.values.iter().filter(|value| !value.is_nan()).count()
    }
}

/// How many grid points before `last` a sample belongs to.
fn steps_back(last: i64, time: i64, step: i64, spacing: i64) -> usize {
    let back = last - time;
    // When there is about one sample a step, jitter must not put two into one and none into the next.
    let nearest = spacing * 4 >= step * 3;
    let rounded = if nearest { back + step / 2 } else { back };
    (rounded / step) as usize
}

/// Grid points with a sample, and those that lie between samples no further apart than a gap.
fn cells(times: &[i64], step: i64, spacing: i64) -> (usize, usize) {
    let Some(last) = times.last() else {
        return (0, 0);
    };
    let gap = (LEAST_GAP_SECONDS.max(spacing.saturating_mul(3)) / step) as usize;
    let (mut seen, mut between) = (1, 1);
    for pair in times.windows(2) {
        let back = |time| steps_back(*last, time, step, spacing);
        let apart = back(pair[0]) - back(pair[1]);
        if apart > 0 {
            seen += 1;
            between += if apart > gap { 1 } else { apart };
        }
    }
    (seen, between)
}

/// The share of grid points without a sample, where samples came at all; 1 of a single sample, whose grid isn't known.
fn empty_share(times: &[i64], step: i64, spacing: i64) -> f64 {
    if times.len() < 2 {
        return 1.0;
    }
    let (seen, between) = cells(times, step, spacing);
    1.0 - seen as f64 / between as f64
}

/// The median distance of at most the last 2,000 samples; 300 when there is only one.
fn median_spacing(times: &[i64]) -> i64 {
    let recent = &times[times.len().saturating_sub(2_001)..];
    let mut gaps: Vec<i64> = recent
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    if gaps.is_empty() {
        return 300;
    }
    let middle = gaps.len() / 2;
    *gaps.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(times: &[i64], cpu: &[f64]) -> Series {
        Series {
            id: "a".into(),
            timestamps_seconds: times.to_vec(),
            cpu: cpu.to_vec(),
            capacity: 100.0,
            calibration_state: Vec::new(),
        }
    }

    /// Values as text, `.` for a gap.
    fn shown(values: &[f32]) -> String {
        let shown: Vec<String> = values
            .iter()
            .map(|value| match value.is_nan() {
                true => ".".to_owned(),
                false => format!("{value}"),
            })
            .collect();
        shown.join(" ")
    }

    #[test]
    fn samples_land_on_the_grid() {
        for (times, cpu, step, expected) in [
            (&[0, 300, 600][..], &[1.0, 2.0, 3.0][..], 300, "1 2 3"),
            // Jitter neither doubles nor drops a point.
            (&[0, 290, 615, 890], &[1.0, 2.0, 3.0, 4.0], 300, "1 2 3 4"),
            (&[0, 300, 1200], &[1.0, 2.0, 5.0], 300, "1 2 . . 5"),
            // 30 s samples are averaged in pairs, counted from the last one.
            (
                &[0, 30, 60, 90, 120],
                &[9.0, 1.0, 3.0, 5.0, 7.0],
                60,
                "9 2 6",
            ),
            (&[7], &[4.0], 300, "4"),
        ] {
            let grid = Grid::resample(&series(times, cpu), None);
            assert_eq!(grid.step_seconds, step);
            assert_eq!(shown(&grid.values), expected, "{times:?}");
            assert_eq!(grid.last_seconds, *times.last().unwrap());
        }
    }

    /// Samples `spacing` seconds apart of which those with `lost` are missing.
    fn sampled(spacing: i64, lost: impl Fn(i64) -> bool) -> Series {
        let times: Vec<i64> = (0..600)
            .filter(|index| !lost(*index))
            .map(|index| index * spacing)
            .collect();
        let cpu = vec![1.0; times.len()];
        series(&times, &cpu)
    }

    #[test]
    fn a_grid_that_would_be_a_third_empty_is_not_used() {
        let none = |_: i64| false;
        let every = |nth: i64| move |index: i64| index % nth == 1;
        for (series, step) in [
            (sampled(30, none), 60),
            (sampled(60, none), 60),
            (sampled(60, every(5)), 60),
            (sampled(60, every(3)), 300),
            (sampled(60, every(2)), 300),
            (sampled(90, none), 300),
            (sampled(120, none), 300),
            (sampled(150, none), 300),
            // A long gap says nothing of how often samples come.
            (sampled(60, |index| (100..500).contains(&index)), 60),
        ] {
            assert_eq!(Grid::resample(&series, None).step_seconds, step);
        }
    }

    #[test]
    fn at_the_edge_the_grid_stays_what_it_was() {
        let edge = sampled(60, |index| index % 4 == 1);
        assert_eq!(Grid::resample(&edge, None).step_seconds, 60);
        assert_eq!(Grid::resample(&edge, Some(60)).step_seconds, 60);
        assert_eq!(Grid::resample(&edge, Some(300)).step_seconds, 300);
        let whole = sampled(60, |_| false);
        assert_eq!(Grid::resample(&whole, Some(300)).step_seconds, 60);
    }

    #[test]
    fn absurd_times_cost_no_memory() {
        let grid = Grid::resample(&series(&[i64::MIN, 0, i64::MAX], &[1.0, 2.0, 3.0]), None);
        assert_eq!(grid.values.len(), 1);
        assert_eq!(grid.span_seconds, u64::MAX);
        let grid = Grid::resample(&series(&[0, 86_400 * 14], &[1.0, 2.0]), None);
        assert!(grid.too_coarse());
    }
}
