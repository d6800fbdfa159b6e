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
    /// An older last sample is stale. 0: not judged here.
    pub max_sample_age_seconds: u32,
    /// End of the last resize that is known of.
    pub last_resize: Option<Timestamp>,
    /// Unit of the CPU series, when somebody said so.
    pub cpu_unit: Option<CpuUnit>,
    /// Unit of the memory series, when somebody said so.
    pub memory_unit: Option<MemoryUnit>,
}

/// The machine as it is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurrentType {
    /// vCPUs by its CPU options or the type's description.
    pub vcpus: u32,
    /// Memory by the type's description, MiB.
    pub memory_mib: u64,
}
