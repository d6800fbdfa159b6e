//! Metrics that the cloud itself keeps of machines.

use jiff::Timestamp;

/// A metric of a machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Metric {
    /// Percent of the vCPUs that it had at the time.
    CpuUtilization,
    /// CPU credits left.
    CpuCreditBalance,
    /// Percent of its memory.
    MemoryUsed,
}

/// A question for the metrics of some machines.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsWanted {
    /// EC2 instance ids.
    pub instance_ids: Vec<String>,
    /// What of each.
    pub metrics: Vec<Metric>,
    /// From here.
    pub start: Timestamp,
    /// To here.
    pub end: Timestamp,
    /// Seconds of one mean.
    pub period_seconds: u32,
}

/// A metric of one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Means {
    /// EC2 instance id.
    pub instance_id: String,
    /// Which one.
    pub metric: Metric,
    /// The beginning of each period, seconds since the Unix epoch, and the mean in it; ascending.
    pub means: Vec<(i64, f64)>,
}

/// Metrics as they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsRead {
    /// Those that have a value.
    pub series: Vec<Means>,
    /// What is missing and why, one line each.
    pub gaps: Vec<String>,
}
