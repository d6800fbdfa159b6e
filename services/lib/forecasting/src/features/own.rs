//! What the linear model of one series alone says: given to the features from outside.

/// A change over the horizon, divided by the view's scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// At the horizon.
    pub level: f64,
    /// Of the highest value up to it.
    pub peak: f64,
}

/// What it says at an origin. NaN while too little was learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalForecast {
    /// The change that it expects.
    pub change: Change,
    /// Its recent mean error over that of "no change".
    pub error: Change,
}

impl LocalForecast {
    /// Nothing was learned.
    pub const UNKNOWN: Self = Self {
        change: Change {
            level: f64::NAN,
            peak: f64::NAN,
        },
        error: Change {
            level: f64::NAN,
            peak: f64::NAN,
        },
    };
}
