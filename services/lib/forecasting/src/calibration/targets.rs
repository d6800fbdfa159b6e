//! What a model's outputs are, and where to find them.

use crate::{artifact::manifest::Output, quantile};

/// An output of the model: which quantile of what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Of what.
    pub output: Output,
    /// Which.
    pub quantile: f64,
}

/// All outputs of a model, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    all: Vec<Target>,
    levels: Row,
    peaks: Row,
    median: usize,
    pairs: Vec<(usize, usize)>,
}

/// The targets of one output, ascending in quantile.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    positions: Vec<usize>,
    quantiles: Vec<f64>,
}

impl Targets {
    /// Those of a model with at least one output.
    pub fn new(all: Vec<Target>) -> Self {
        let row = |output| {
            let mut positions: Vec<usize> = (0..all.len())
                .filter(|index| all[*index].output == output)
                .collect();
            positions.sort_by(|left, right| all[*left].quantile.total_cmp(&all[*right].quantile));
            let quantiles = positions.iter().map(|index| all[*index].quantile).collect();
            Row {
                positions,
                quantiles,
            }
        };
        let [levels, peaks] = [Output::Level, Output::Peak].map(row);
        let from_median = |index: &usize| (all[*index].quantile - 0.5).abs();
        let median = levels
            .positions
            .iter()
            .copied()
            .min_by(|left, right| from_median(left).total_cmp(&from_median(right)))
            .unwrap_or(0);
        let twin = |level: usize| {
            let same = |peak: &&usize| all[**peak].quantile == all[level].quantile;
            peaks.positions.iter().find(same).map(|peak| (level, *peak))
        };
        let pairs = levels
            .positions
            .iter()
            .filter_map(|level| twin(*level))
            .collect();
        Self {
            all,
            levels,
            peaks,
            median,
            pairs,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.all.iter()
    }

    /// Positions of those of `output`, ascending in quantile.
    pub fn of(&self, output: Output) -> &[usize] {
        &self.row(output).positions
    }

    /// Quantiles of those of `output`, ascending.
    pub fn quantiles(&self, output: Output) -> &[f64] {
        &self.row(output).quantiles
    }

    fn row(&self, output: Output) -> &Row {
        match output {
            Output::Level => &self.levels,
            Output::Peak => &self.peaks,
        }
    }

    /// The level's median, or the nearest there is.
    pub fn median(&self) -> usize {
        self.median
    }

    /// Level and peak of the same quantile.
    pub fn pairs(&self) -> &[(usize, usize)] {
        &self.pairs
    }

    /// Makes one value for each target two valid rows of quantiles.
    pub fn order(&self, values: &mut [f64]) {
        for Row { positions, .. } in [&self.levels, &self.peaks] {
            let mut row: Vec<f64> = positions.iter().map(|index| values[*index]).collect();
            quantile::repair(&mut row, 100.0);
            for (position, value) in positions.iter().zip(row) {
                values[*position] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_whatever_their_order() {
        let target = |output, quantile| Target { output, quantile };
        let targets = Targets::new(vec![
            target(Output::Peak, 0.9),
            target(Output::Level, 0.9),
            target(Output::Level, 0.4),
            target(Output::Peak, 0.99),
        ]);
        assert_eq!(targets.of(Output::Level), [2, 1]);
        assert_eq!(targets.of(Output::Peak), [0, 3]);
        assert_eq!(targets.quantiles(Output::Level), [0.4, 0.9]);
        assert_eq!(targets.median(), 2);
        assert_eq!(targets.pairs(), [(1, 0)]);
        let mut values = [90.0, 10.0, 20.0, 300.0];
        targets.order(&mut values);
        assert!(values[2] <= values[1], "{values:?}");
        assert_eq!(values[3], 100.0);
    }
}
