//! Instance types: what they are, where they are sold, and how many of their vCPUs may run.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use super::{
    bindings::Abilities,
    error::CloudError,
    quota::{VcpuQuota, VcpuUse},
};

/// One instance type.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType {
    pub name: String,
    pub vcpus: u32,
    pub memory_mib: u64,
    /// Such as `x86_64`; a type can run more than one.
    pub architectures: Vec<String>,
    /// Subset of `hvm` and `paravirtual`.
    pub virtualizations: Vec<String>,
    /// T types, whose sustained capacity is below their vCPU count.
    pub burstable: bool,
    /// The image must have the ENA driver.
    pub ena_required: bool,
    /// Runs on Nitro, whose disks are NVMe; the others run on Xen.
    pub nitro: bool,
    /// Has disks that lose their data at each stop.
    pub instance_storage: bool,
    pub max_network_interfaces: u32,
    /// Private IPv4 addresses that one interface takes.
    pub max_addresses_per_interface: u32,
    /// EBS volumes that it takes, where the cloud says; on most Nitro types interfaces count against it, too.
    pub max_volumes: Option<u32>,
    /// Interfaces count against `max_volumes`.
    pub interfaces_take_volume_slots: bool,
    /// Subset of `uefi` and `legacy-bios`.
    pub boot_modes: Vec<String>,
    pub abilities: Abilities,
}
/// The types, and the limits on them. Every call is bounded in time by the implementation.
#[async_trait]
pub trait Types: fmt::Debug + Send + Sync + 'static {
    /// The types of these names that exist; at most 100 names.
    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError>;

    /// Names of the types of `family` (such as `t3`) that `availability_zone` sells.
    async fn offered_types(
        &self,
        family: &str,
        availability_zone: &str,
    ) -> Result<Vec<String>, CloudError>;

    /// The quota in this region, and the vCPUs that run against it.
    async fn vcpu_use(&self, quota: VcpuQuota) -> Result<VcpuUse, CloudError>;

    /// How long ago a start of this type found no room in this zone, as far as this program remembers.
    fn shortage(&self, _instance_type: &str, _availability_zone: &str) -> Option<Duration> {
        None
    }
}
