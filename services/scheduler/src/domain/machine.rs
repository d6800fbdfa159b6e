//! Targets, their instances, and instance types.

use jiff::Timestamp;

/// One instance to scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Name in the configuration.
    pub id: String,
    /// EC2 instance id.
    pub instance_id: String,
    /// Value of the instance label of its series, when configured.
    pub label: Option<String>,
    /// Instance types, smallest first; empty means the policy's.
    pub ladder: Vec<String>,
}

/// An instance as the actuator describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Such as "t2.small".
    pub instance_type: String,
    /// Only a running one may be resized or measured.
    pub state: InstanceState,
    /// Empty when it has none.
    pub private_ip: String,
    /// Empty when it has none.
    pub public_ip: String,
    /// True when the actuator only pretends.
    pub dry_run: bool,
    /// How many it has by its CPU options; absent when AWS doesn't say.
    pub vcpus: Option<u32>,
    /// The time of its last start; absent when AWS doesn't say.
    pub started_at: Option<Timestamp>,
}

/// The state of an instance at EC2.
#[derive(Clone, Copy, Debug, Eq, PartialEq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum InstanceState {
    /// On its way up.
    Pending,
    /// Up.
    Running,
    /// On its way down.
    Stopping,
    /// Down.
    Stopped,
    /// On its way out.
    #[strum(to_string = "shutting down")]
    ShuttingDown,
    /// Gone for good.
    Terminated,
}

/// An instance type.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeInfo {
    /// Such as "t2.small".
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}
