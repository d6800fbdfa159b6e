//! What a source of metrics is.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    domain::{Instance, Reach, Target},
    samples::{
        series::{RawSeries, Sample},
        units::{CpuUnit, MemoryUnit},
    },
};

/// A source of metrics.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// The grid and the units of its samples.
    fn sampling(&self) -> Sampling;

    /// The number of machines that may be asked for at the same time.
    fn concurrency(&self) -> usize;

    /// Begins to read the window that ends at `end`. What needs no description of the machines is read here, while others
    /// describe them.
    async fn begin<'a>(&'a self, targets: &'a [Target], end: Timestamp) -> Box<dyn Reading + 'a>;

    /// Whether it answered at the last tick.
    fn reach(&self) -> Reach;
}

/// A reading of one window.
#[async_trait]
pub trait Reading: Send + Sync {
    /// The series of one target, whose instance is described by now.
    ///
    /// # Errors
    /// Why its metrics are unknown.
    async fn of(&self, target: &Target, instance: &Instance) -> Result<Measured, Unmeasured>;
}

/// The series of one target, and what is missing without making the whole unknown.
#[derive(Debug, Default)]
pub struct Measured {
    /// As the source gave them.
    pub series: RawSeries,
    /// CPU that the host kept from the machine lately, percent; empty where nobody knows.
    pub steal: Vec<Sample>,
    /// Gaps that don't make the whole unknown, one line each.
    pub notes: Vec<String>,
    /// Remarks that are no trouble, one line each.
    pub advice: Vec<String>,
    /// To be raised when all this is of no use.
    pub doubt: Doubt,
    /// The source may have more of the window, which is not read yet.
    pub is_part: bool,
}

/// Says to a source that what it keeps of the past may be wrong.
#[derive(Debug, Default)]
pub struct Doubt(Vec<Arc<AtomicBool>>);

impl Doubt {
    /// About what these flags are of.
    pub fn new(flags: Vec<Arc<AtomicBool>>) -> Self {
        Self(flags)
    }

    /// The source reads it anew.
    pub fn raise(&self) {
        for flag in &self.0 {
            flag.store(true, Ordering::Relaxed);
        }
    }
}

/// A reason why the metrics of a target are unknown, one line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unmeasured(pub String);

/// The grid and the units of a source's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Seconds between samples.
    pub step_seconds: u32,
    /// Seconds between what is measured and what is measured next, at most.
    pub scrape_interval_seconds: u32,
    /// Fewer CPU samples are no basis.
    pub min_samples: u32,
    /// Samples this soon after a machine came up are left out.
    pub warm_up_seconds: u32,
    /// Unit of the CPU series, when somebody said so.
    pub cpu_unit: Option<CpuUnit>,
    /// Unit of the memory series, when somebody said so.
    pub memory_unit: Option<MemoryUnit>,
}
