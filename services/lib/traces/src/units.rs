//! What times and CPU are written in. Pure.

/// What CPU is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CpuUnit {
    /// Of the machine, 0 to 100
    Percent,
    /// Of the machine, 0 to 1
    Ratio,
}

/// What times are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

const COLUMN: &str = "timestamp";
/// The columns of times.
pub const TIMES: [(&str, TimeUnit); 4] = [
    (COLUMN, TimeUnit::Seconds),
    ("timestamp_ms", TimeUnit::Milliseconds),
    ("timestamp_us", TimeUnit::Microseconds),
    ("timestamp_ns", TimeUnit::Nanoseconds),
];

impl TimeUnit {
    /// How many are a second.
    pub fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
            Self::Nanoseconds => 1e9,
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }

    /// The column whose name says it.
    pub fn column(self) -> &'static str {
        let of_it = TIMES.iter().find(|(_, unit)| *unit == self);
        of_it.map_or(COLUMN, |(name, _)| *name)
    }
}
