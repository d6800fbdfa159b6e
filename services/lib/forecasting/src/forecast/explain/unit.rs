//! How values of a series are shown: points of percent, or the series' own unit.

/// The unit of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// What one percent of capacity is in the unit of the series.
    pub per_percent: f64,
}

impl Unit {
    fn word(self) -> &'static str {
        match self.per_percent == 1.0 {
            true => " points",
            false => "",
        }
    }

    /// An amount of percent of capacity, without a sign.
    pub fn amount(self, percent: f64) -> String {
        format!("{}{}", self.value(percent.abs()), self.word())
    }

    /// A value of percent of capacity.
    pub fn value(self, percent: f64) -> String {
        self.number(percent * self.per_percent)
    }

    /// A contribution in the unit of the series, with its sign.
    pub fn signed(self, value: f64) -> String {
        let sign = if value < 0.0 { '-' } else { '+' };
        format!("{sign}{}", self.number(value.abs()))
    }

    fn number(self, value: f64) -> String {
        // A tenth of a percent is what matters.
        match self.per_percent {
            fine if fine < 0.02 => format!("{value:.4}"),
            fine if fine < 0.2 => format!("{value:.3}"),
            _ => format!("{value:.1}"),
        }
    }
}
