//! The cloud's own metrics of machines: what it measures from outside, and what an agent on the machine hands in.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::CloudError;

/// Machines whose metrics one call reads.
pub const MEASURED_AT_ONCE: usize = 100;

/// A metric of a machine.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Metric {
    /// Percent of the vCPUs of the type that it had at the time.
    CpuUtilization,
    /// CPU credits left: minutes of one vCPU. Burstable types only.
    CpuCreditBalance,
    /// Percent of its memory. Only where the cloud's agent runs on it.
    MemoryUsed,
}

/// A stretch of time in periods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stretch {
    pub start: Timestamp,
    pub end: Timestamp,
    /// Seconds of one period; a multiple of 60.
    pub period_seconds: u32,
}

/// The mean of a metric in a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The period's beginning.
    pub from: Timestamp,
    pub value: f64,
}

/// A metric of one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeries {
    pub instance_id: String,
    pub metric: Metric,
    /// Ascending; periods without a value are left out.
    pub means: Vec<Mean>,
}

/// Metrics as they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Those that have a value in the stretch.
    pub series: Vec<MetricSeries>,
    /// The number of metrics asked for, as the cloud charges them.
    pub charged: u32,
    /// What is missing, and why; one line each.
    pub gaps: Vec<String>,
}

/// The store of metrics. Every call is bounded in time by the implementation.
#[async_trait]
pub trait MetricStore: fmt::Debug + Send + Sync + 'static {
    /// Means of these metrics of at most [`MEASURED_AT_ONCE`] machines. It costs money.
    async fn read_metrics(
        &self,
        ids: &[String],
        metrics: &[Metric],
        stretch: Stretch,
    ) -> Result<Metrics, CloudError>;
}
