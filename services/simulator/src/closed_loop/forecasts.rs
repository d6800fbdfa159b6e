//! Forecasts of one series as they were recorded: at each step, what was said of the CPU to come.

/// Which horizons and quantiles answers have.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Ascending.
    pub horizons_seconds: Vec<u32>,
    /// Ascending.
    pub quantiles: Vec<f64>,
}

impl Shape {
    /// Numbers of one answer: for each horizon the level's quantiles, then the peak's.
    pub fn width(&self) -> usize {
        self.horizons_seconds.len() * 2 * self.quantiles.len()
    }
}

/// The answers of a whole series, in percent of its recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    pub shape: Shape,
    /// One row of [`Shape::width`] numbers for each step.
    pub values: Vec<f32>,
}

impl Forecasts {
    /// The answer at `step`, with values of `vcpus_per_percent` vCPU each.
    pub fn at(&self, step: usize, vcpus_per_percent: f64) -> Option<Answer<'_>> {
        let width = self.shape.width();
        let row = self.values.get(step * width..(step + 1) * width)?;
        Some(Answer {
            shape: &self.shape,
            row,
            vcpus_per_percent,
        })
    }
}

/// What was said at one step, in vCPU.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    shape: &'a Shape,
    row: &'a [f32],
    vcpus_per_percent: f64,
}

impl<'a> Answer<'a> {
    /// Which horizons and quantiles there are.
    pub fn shape(&self) -> &'a Shape {
        self.shape
    }

    /// Quantiles of demand at a horizon, by their place among the horizons.
    pub fn level(&self, horizon: usize) -> impl Iterator<Item = f64> + use<'a> {
        self.values(horizon, 0)
    }

    /// Quantiles of the highest demand up to a horizon, by its place among the horizons.
    pub fn peak(&self, horizon: usize) -> impl Iterator<Item = f64> + use<'a> {
        self.values(horizon, 1)
    }

    /// The `q`-quantile of the highest demand of the next `horizon_seconds`; `None` where that is no horizon.
    pub fn peak_quantile(&self, horizon_seconds: u32, q: f64) -> Option<f64> {
        let mut horizons = self.shape.horizons_seconds.iter();
        let horizon = horizons.position(|known| *known == horizon_seconds)?;
        self.between(q, self.peak(horizon))
    }

    /// The `q`-quantile of demand at a horizon, by its place among the horizons.
    pub fn level_quantile(&self, horizon: usize, q: f64) -> Option<f64> {
        self.between(q, self.level(horizon))
    }

    /// Linear between known quantiles; the first and the last one beyond them.
    fn between(&self, q: f64, values: impl Iterator<Item = f64>) -> Option<f64> {
        let quantiles = &self.shape.quantiles;
        let values: Vec<f64> = values.collect();
        let above = quantiles.partition_point(|known| *known < q);
        let (Some(high), Some(low)) = (quantiles.get(above), above.checked_sub(1)) else {
            return values.get(above).or(values.last()).copied();
        };
        let share = (q - quantiles[low]) / (high - quantiles[low]);
        Some(values[low] + (values.get(above)? - values[low]) * share)
    }

    fn values(&self, horizon: usize, output: usize) -> impl Iterator<Item = f64> + use<'a> {
        let count = self.shape.quantiles.len();
        let from = (horizon * 2 + output) * count;
        let unit = self.vcpus_per_percent;
        let values = self.row.get(from..from + count).unwrap_or_default();
        values.iter().map(move |value| f64::from(*value) * unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_back_by_step_horizon_and_quantile() {
        let forecasts = Forecasts {
            shape: Shape {
                horizons_seconds: vec![900, 3_600],
                quantiles: vec![0.1, 0.5, 0.9],
            },
            values: (0..24_u8).map(f32::from).collect(),
        };
        let answer = forecasts.at(1, 2.0).unwrap();
        assert_eq!(answer.level(1).collect::<Vec<_>>(), [36.0, 38.0, 40.0]);
        assert_eq!(answer.peak(1).collect::<Vec<_>>(), [42.0, 44.0, 46.0]);
        for (q, value) in [
            (0.05, 42.0),
            (0.1, 42.0),
            (0.4, 43.5),
            (0.5, 44.0),
            (0.99, 46.0),
        ] {
            assert_eq!(answer.peak_quantile(3_600, q), Some(value), "{q}");
        }
        assert_eq!(answer.peak_quantile(1_800, 0.5), None);
        assert_eq!(answer.level_quantile(0, 0.5), Some(26.0));
        assert!(forecasts.at(2, 2.0).is_none());
    }
}
