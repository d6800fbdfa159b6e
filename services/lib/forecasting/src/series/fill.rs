//! Values for where there was no sample, for features only: carried forward over short gaps, and taken from the series'
//! own rhythm where it has one.

/// Gaps are carried forward at most this many steps.
const CARRIED_STEPS: usize = 3;
/// Rhythms that a series may have, in minutes: one of the hour covers those of its parts.
const PERIODS_MINUTES: [u32; 3] = [60, 360, 1440];
/// A period must have been met so many times.
const LEAST_TURNS: usize = 2;
/// The rhythm must say so much better what comes than what was before the gap.
const WORTH: f64 = 0.6;
/// Its errors are looked at over so many minutes, at about so many points.
const JUDGED_MINUTES: u32 = 3 * 1440;
const JUDGED_POINTS: usize = 400;
/// How long ago the value before a gap is taken to be at least, and at most.
const AGES_MINUTES: (u32, u32) = (15, 720);

/// `values` with gaps carried forward at most three steps.
pub fn forward(values: &[f32]) -> Vec<f32> {
    let mut filled = Vec::with_capacity(values.len());
    let (mut last, mut age) = (f32::NAN, 0);
    for value in values {
        if value.is_nan() {
            age += 1;
        } else {
            (last, age) = (*value, 0);
        }
        filled.push(if age <= CARRIED_STEPS { last } else { f32::NAN });
    }
    filled
}

/// The same, but where the series has a rhythm that says better what was in a gap, what that says: an hourly job that
/// fell into a gap has run.
pub fn by_rhythm(values: &[f32], step_seconds: u32) -> Vec<f32> {
    let mut filled = forward(values);
    let mut rhythm = None;
    let mut index = 0;
    while index < values.len() {
        if !values[index].is_nan() {
            index += 1;
            continue;
        }
        let gap = index;
        while index < values.len() && values[index].is_nan() {
            index += 1;
        }
        let rhythm = rhythm.get_or_insert_with(|| Rhythm::of(values, step_seconds));
        let Some(period) = rhythm.worth_more_than_carrying(values, index - gap) else {
            continue;
        };
        for hole in gap..index {
            // What was filled before is looked at too: a gap may be longer than the period.
            let known = (1..=LEAST_TURNS)
                .filter_map(|turn| hole.checked_sub(turn * period))
                .map(|then| filled[then])
                .find(|value| !value.is_nan());
            if let Some(value) = known {
                filled[hole] = value;
            }
        }
    }
    filled
}

/// The period with the least error, in steps, and that error.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    step_seconds: u32,
    best: Option<(usize, f64)>,
}

impl Rhythm {
    fn of(values: &[f32], step_seconds: u32) -> Self {
        let best = PERIODS_MINUTES
            .into_iter()
            .map(|minutes| steps(minutes, step_seconds))
            .filter_map(|period| Some((period, error(values, step_seconds, period)?)))
            .min_by(|left, right| left.1.total_cmp(&right.1));
        Self { step_seconds, best }
    }

    /// The period, if "as one period ago" is the better guess within a gap of `len` steps.
    fn worth_more_than_carrying(self, values: &[f32], len: usize) -> Option<usize> {
        let (period, error_of_rhythm) = self.best?;
        let least = steps(AGES_MINUTES.0, self.step_seconds);
        let most = steps(AGES_MINUTES.1, self.step_seconds);
        let age = (len / 2).clamp(least, most);
        // The same few ages each time.
        let age = 1 << age.ilog2();
        let error_of_carrying = error(values, self.step_seconds, age)?;
        (error_of_rhythm < WORTH * error_of_carrying).then_some(period)
    }
}

/// The mean error of "as `lag` steps ago" lately; `None` when too little is known.
fn error(values: &[f32], step_seconds: u32, lag: usize) -> Option<f64> {
    let reach = values.len().min(steps(JUDGED_MINUTES, step_seconds));
    let every = (reach / JUDGED_POINTS).max(1) | 1;
    let (mut sum, mut known) = (0.0, 0_usize);
    for index in (values.len() - reach..values.len()).rev().step_by(every) {
        let Some(then) = index.checked_sub(lag) else {
            break;
        };
        let error = f64::from((values[index] - values[then]).abs());
        if !error.is_nan() {
            sum += error;
            known += 1;
        }
    }
    let enough = known * every >= LEAST_TURNS * lag.min(steps(1440, step_seconds) / 2);
    (known > 0 && enough).then(|| sum / known as f64)
}

fn steps(minutes: u32, step_seconds: u32) -> usize {
    ((minutes * 60 / step_seconds) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: f32 = f32::NAN;

    #[test]
    fn gaps_are_carried_three_steps_and_no_further() {
        let filled = forward(&[GAP, 1.0, GAP, GAP, GAP, GAP, 2.0, GAP]);
        let known: Vec<i32> = filled
            .iter()
            .map(|value| if value.is_nan() { -1 } else { *value as i32 })
            .collect();
        assert_eq!(known, [-1, 1, 1, 1, 1, -1, 2, 2]);
    }

    #[test]
    fn an_hourly_job_that_fell_into_a_gap_has_run() {
        let value = |index: usize| match index % 12 {
            7 | 8 => 80.0,
            _ => 20.0,
        };
        for (from, to) in [(199, 201), (190, 202), (100, 202)] {
            let whole: Vec<f32> = (0..206).map(value).collect();
            let mut values = whole.clone();
            values[from..to].fill(GAP);
            assert_eq!(by_rhythm(&values, 300), whole, "{from} to {to}");
        }
    }

    #[test]
    fn where_nothing_recurs_gaps_are_carried() {
        let mut state = 7_u32;
        let mut level = 50.0_f32;
        let mut values: Vec<f32> = (0..900)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                level += (state >> 16) as f32 / 32_768.0 - 1.0;
                level
            })
            .collect();
        values[880..890].fill(GAP);
        let same = |left: &[f32], right: &[f32]| {
            let mut pairs = left.iter().zip(right);
            pairs.all(|(left, right)| left == right || (left.is_nan() && right.is_nan()))
        };
        assert!(same(&by_rhythm(&values, 300), &forward(&values)));
    }
}
