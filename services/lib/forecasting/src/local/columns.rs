//! What a local model looks at.

use crate::features::{Feature, Recurrence};

/// What it looks at, each relative to the last value, and 0 where unknown: "as now".
pub const FEATURES: [Feature; COLUMNS - 1] = {
    const fn value(period: u32, back: u32) -> Feature {
        let what = Recurrence::Value { back, shift: 0 };
        Feature::Recurrence { period, what }
    }
    const fn recur(period: u32, what: Recurrence) -> Feature {
        Feature::Recurrence { period, what }
    }
    [
        Feature::Lag(5),
        Feature::Lag(10),
        Feature::Lag(15),
        Feature::Lag(20),
        Feature::Lag(30),
        Feature::Lag(45),
        Feature::Mean(15),
        Feature::Mean(60),
        Feature::Mean(360),
        Feature::Mean(1440),
        Feature::Highest(30),
        Feature::Highest(180),
        Feature::Lowest(60),
        value(60, 1),
        value(60, 2),
        recur(60, Recurrence::Mean(6)),
        recur(60, Recurrence::Peak(1)),
        recur(60, Recurrence::PeakMean(6)),
        value(1440, 1),
        value(1440, 2),
        recur(1440, Recurrence::Mean(6)),
        recur(1440, Recurrence::Change),
        recur(1440, Recurrence::Peak(1)),
        recur(1440, Recurrence::PeakMean(6)),
    ]
};

/// Columns of a row: the features and a constant.
pub const COLUMNS: usize = 25;
/// Numbers in the upper triangle of the Gram matrix.
pub const GRAM: usize = COLUMNS * (COLUMNS + 1) / 2;
/// Rows and outcomes are clipped here, in units of the view's scale.
pub const CLIP: f64 = 8.0;

/// The value of each feature at an origin, and a constant.
pub type Row = [f64; COLUMNS];

/// The weights that follow from what was learned: level, peak.
pub type Coefficients = [[f64; COLUMNS]; 2];
