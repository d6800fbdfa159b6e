//! What samples are judged by.

use jiff::Timestamp;

use super::units::{CpuUnit, MemoryUnit};

pub const BYTES_PER_MIB: f64 = 1_048_576.0;

/// The rules that samples are judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Time of the query's end: nothing can be newer.
    pub now: Timestamp,
    /// Seconds between samples.
    pub step_seconds: u32,
    /// Fewer CPU samples are no basis.
    pub min_samples: u32,
    /// Samples this soon after a machine came up are left out.
    pub warm_up_seconds: u32,
    /// Seconds between scrapes of the exporter.
    pub scrape_interval_seconds: u32,
    /// Seconds that a tick may take from the window's end to the last decision.
    pub tick_timeout_seconds: u32,
    /// An older last sample is stale, unless it is usual. 0: what is usual is the limit.
    pub max_sample_age_seconds: u32,
    /// End of the last resize that is known of.
    pub last_resize: Option<Timestamp>,
    /// Unit of the CPU series, when somebody said so.
    pub cpu_unit: Option<CpuUnit>,
    /// Unit of the memory series, when somebody said so.
    pub memory_unit: Option<MemoryUnit>,
}

impl Rules {
    /// The age to which the last sample may grow without anything being wrong: the one at the window's end may be of a
    /// machine that just came up, the one before of a machine that was down, and each is as old as its scrape.
    pub fn usual_age_seconds(&self) -> u32 {
        self.step_seconds
            .saturating_mul(2)
            .saturating_add(self.scrape_interval_seconds)
    }

    /// The same until it is decided on.
    pub fn sample_age_limit_seconds(&self) -> u32 {
        self.usual_age_seconds()
            .saturating_add(self.tick_timeout_seconds)
            .min(MOST_AGE_SECONDS)
    }
}

/// The decision service takes no older sample for the present.
const MOST_AGE_SECONDS: u32 = 86_400;

/// The machine as it is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurrentType {
    /// vCPUs by its CPU options or the type's description.
    pub vcpus: u32,
    /// Memory by the type's description, MiB.
    pub memory_mib: u64,
}
