//! Irregular samples onto a regular grid: averages per step, short gaps carried forward.

use crate::series::Series;

/// The steps that the model knows, in seconds.
pub const STEPS_SECONDS: [u32; 2] = [60, 300];
/// Gaps are carried forward at most this many steps, and only for features.
pub const FILL_STEPS: usize = 3;
/// What of a history is looked at: features reach back a week, the backcast another.
const MAX_SPAN_SECONDS: i64 = 15 * 86_400;
/// Samples further apart than this are too coarse for the 300 s grid.
const COARSEST_SPACING_SECONDS: i64 = 600;

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
    /// From the first to the last sample of the whole series, in seconds.
    pub span_seconds: u64,
}

impl Grid {
    /// Averages the samples of `series` (at least one) onto 60 s when they are at most 150 s apart, else onto 300 s.
    pub fn resample(series: &Series) -> Self {
        Self::resample_since(series, MAX_SPAN_SECONDS)
    }

    /// The same without forgetting what is old: for recorded series.
    pub fn resample_all(series: &Series) -> Self {
        Self::resample_since(series, i64::MAX)
    }

    fn resample_since(series: &Series, longest_span_seconds: i64) -> Self {
        let times = &series.timestamps_seconds;
        let (first, last) = match (times.first(), times.last()) {
            (Some(first), Some(last)) => (*first, *last),
            _ => (0, 0),
        };
        let oldest = last.saturating_sub(longest_span_seconds);
        let from = times.partition_point(|time| *time < oldest);
        let spacing = median_spacing(&times[from..]);
        let step: i64 = if spacing <= 150 { 60 } else { 300 };
        // When there is about one sample a step, jitter must not put two into one and none into the next.
        let nearest = spacing * 4 >= step * 3;
        let steps_back = |time: i64| {
            let back = last - time;
            let rounded = if nearest { back + step / 2 } else { back };
            (rounded / step) as usize
        };
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

/// `values` with gaps carried forward at most [`FILL_STEPS`].
pub fn fill_forward(values: &[f32]) -> Vec<f32> {
    let mut filled = Vec::with_capacity(values.len());
    let (mut last, mut age) = (f32::NAN, 0);
    for value in values {
        if value.is_nan() {
            age += 1;
        } else {
            (last, age) = (*value, 0);
        }
        filled.push(if age <= FILL_STEPS { last } else { f32::NAN });
    }
    filled
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
            let grid = Grid::resample(&series(times, cpu));
            assert_eq!(grid.step_seconds, step);
            assert_eq!(shown(&grid.values), expected, "{times:?}");
            assert_eq!(grid.last_seconds, *times.last().unwrap());
        }
    }

    #[test]
    fn absurd_times_cost_no_memory() {
        let grid = Grid::resample(&series(&[i64::MIN, 0, i64::MAX], &[1.0, 2.0, 3.0]));
        assert_eq!(grid.values.len(), 1);
        assert_eq!(grid.span_seconds, u64::MAX);
        let grid = Grid::resample(&series(&[0, 86_400 * 14], &[1.0, 2.0]));
        assert!(grid.too_coarse());
    }

    #[test]
    fn gaps_are_carried_three_steps_and_no_further() {
        let gap = f32::NAN;
        let values = [gap, 1.0, gap, gap, gap, gap, 2.0, gap];
        assert_eq!(shown(&fill_forward(&values)), ". 1 1 1 1 . 2 2");
    }
}
