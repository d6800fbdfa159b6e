//! Samples as a source gave them.

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds since the Unix epoch.
    pub at: f64,
    /// In the metric's unit; not finite when the source said so.
    pub value: f64,
}

/// The series of one machine, as the source gave them. Empty where there was none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawSeries {
    /// Percent, or what the rules say.
    pub cpu: Vec<Sample>,
    /// Percent, or what the rules say.
    pub memory: Vec<Sample>,
    /// Bytes per second.
    pub disk: Vec<Sample>,
    /// Count.
    pub vcpus: Vec<Sample>,
    /// Bytes.
    pub memory_total: Vec<Sample>,
}

/// A reason why samples are no basis for anything, one line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);
