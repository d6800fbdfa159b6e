//! Demand in vCPU: recorded percent, scaled so that every series makes use of the whole ladder.

use crate::closed_loop::{
    cells::Cells,
    ladder::{LARGEST, VCPUS},
};

/// Steps of a series that are played: 30 days.
const MOST_STEPS: usize = 8_640;
/// Series shorter than this are left out.
const LEAST_STEPS: usize = 2_000;
/// Series that move less than this (standard deviation, percent) are left out.
const IDLE_DEVIATION: f64 = 0.3;
/// This quantile of the demand
const SCALED_QUANTILE: f64 = 0.995;
/// is this share of the largest rung.
const SCALED_SHARE: f64 = 0.8;
/// The first part of each series shows what the machine is like; what comes after it is scored.
const SHOWN_SHARE: f64 = 0.3;

/// What one machine has to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The file it came from.
    pub source: String,
    /// The machine.
    pub name: String,
    /// Its steps as they were recorded.
    pub cells: Cells,
    /// vCPU that one percent of the recording stands for.
    pub vcpus_per_percent: f64,
    /// vCPU asked for at each step; may lie above every capacity.
    pub vcpus: Vec<f64>,
    /// The first step that is scored.
    pub first_scored: usize,
}

/// Why a series is not played.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum LeftOut {
    #[error("it has {0} steps of 300 s, {LEAST_STEPS} are the least")]
    Short(usize),
    #[error("it stands still: its standard deviation is {0:.2} %, {IDLE_DEVIATION} % is the least")]
    Idle(f64),
}

impl Demand {
    /// The demand of a recording.
    ///
    /// # Errors
    /// When it is too short, or stands still.
    pub fn new(source: &str, name: &str, cells: Cells) -> Result<Self, LeftOut> {
        if cells.len() < LEAST_STEPS {
            return Err(LeftOut::Short(cells.len()));
        }
        let cells = cells.first(MOST_STEPS);
        let deviation = deviation(&cells.percent);
        let mut sorted = cells.percent.clone();
        sorted.sort_by(f64::total_cmp);
        let high = quantile(&sorted, SCALED_QUANTILE);
        if deviation < IDLE_DEVIATION || high <= 0.0 {
            return Err(LeftOut::Idle(deviation));
        }
        let vcpus_per_percent = SCALED_SHARE * VCPUS[LARGEST] / high;
        Ok(Self {
            source: source.to_owned(),
            name: name.to_owned(),
            vcpus: cells
                .percent
                .iter()
                .map(|percent| percent * vcpus_per_percent)
                .collect(),
            vcpus_per_percent,
            first_scored: (cells.len() as f64 * SHOWN_SHARE) as usize,
            cells,
        })
    }

    /// What is scored of it.
    pub fn scored(&self) -> &[f64] {
        &self.vcpus[self.first_scored..]
    }
}

/// The `q`-quantile of ascending `values`, linear between ranks; NaN when there are none.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    let rank = q * last as f64;
    let below = rank as usize;
    let above = (below + 1).min(last);
    values[below] + (values[above] - values[below]) * rank.fract()
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count)
        .sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(percent: Vec<f64>) -> Cells {
        let seconds: Vec<i64> = (0..percent.len() as i64).map(|step| step * 300).collect();
        Cells::of(&seconds, &percent)
    }

    #[test]
    fn the_high_quantile_of_the_steps_played_is_four_fifths_of_the_largest_rung() {
        // 0 to 2,000 in a ramp, then what is not played.
        let ramp = (0..=2_000).map(f64::from).collect::<Vec<_>>();
        let demand = Demand::new("s", "m", cells(ramp)).unwrap();
        assert!((demand.vcpus[1_990] - 6.4).abs() < 1e-9);
        assert!((demand.vcpus[2_000] - 6.4 * 2_000.0 / 1_990.0).abs() < 1e-9);
        assert_eq!(demand.first_scored, 600);
        assert_eq!(demand.scored().len(), 1_401);

        let mut long: Vec<f64> = (0..MOST_STEPS)
            .map(|step| (step % 2) as f64 * 10.0)
            .collect();
        let short = Demand::new("s", "m", cells(long.clone())).unwrap();
        long.extend([90.0; 500]);
        assert_eq!(Demand::new("s", "m", cells(long)).unwrap(), short);
        assert_eq!(short.vcpus[1], 6.4);
    }

    #[test]
    fn short_and_idle_series_are_left_out() {
        let still = |high: f64| (0..2_000).map(move |step| if step % 2 == 0 { 5.0 } else { high });
        let new = |percent: Vec<f64>| Demand::new("s", "m", cells(percent));
        assert_eq!(new(vec![1.0; 1_999]), Err(LeftOut::Short(1_999)));
        assert!(matches!(new(still(5.59).collect()), Err(LeftOut::Idle(_))));
        assert!(new(still(5.61).collect()).is_ok());
        assert!(matches!(new(vec![0.0; 2_000]), Err(LeftOut::Idle(_))));
    }

    #[test]
    fn quantiles_lie_between_ranks() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0], 0.9), 1.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
