//! An instance as EC2 describes it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::bindings::Bindings;

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Display, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum InstanceState {
    /// Started, not booted yet.
    Pending,
    Running,
    Stopping,
    Stopped,
    #[strum(serialize = "shutting down")]
    ShuttingDown,
    Terminated,
}

impl InstanceState {
    /// True when it will never run again.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// One instance, as far as a resize cares.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub instance_id: String,
    pub instance_type: String,
    pub state: InstanceState,
    pub availability_zone: String,
    pub private_ip: Option<String>,
    pub public_ip: Option<String>,
    /// The public address is an Elastic IP, which survives a stop.
    pub elastic_ip: bool,
    /// Such as `x86_64`.
    pub architecture: String,
    /// By its CPU options; `None` when the cloud doesn't say.
    pub vcpus: Option<u32>,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// Whether the image has the ENA driver; `None` when the cloud doesn't say.
    pub ena: Option<bool>,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    pub spot: bool,
    /// Set up to hibernate.
    pub hibernation: bool,
    /// `default`, `dedicated` or `host`.
    pub tenancy: String,
    pub placement_group: Option<String>,
    /// Number of network interfaces attached.
    pub network_interfaces: u32,
    /// Private IPv4 addresses of the interface that has most of them.
    pub addresses_per_interface: u32,
    /// Number of EBS volumes attached.
    pub volumes: u32,
    /// What it booted with: `uefi` or `legacy-bios`; `None` when the cloud doesn't say.
    pub boot_mode: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// When somebody asked to stop it, while it is down for that and the cloud says so.
    pub stop_asked_at: Option<Timestamp>,
    /// When it was started last, where the cloud says.
    pub started_at: Option<Timestamp>,
    /// The account it belongs to; empty where the cloud doesn't say.
    pub account: String,
    /// Such as `ami-0123456789abcdef0`.
    pub image_id: String,
    pub bindings: Bindings,
}
/// The cloud's own checks of a running instance.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    Ok,
    /// Not decided yet.
    Initializing,
    Impaired,
}

/// What the cloud reports of a running instance's health.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceStatus {
    pub state: InstanceState,
    pub checks: Checks,
    /// Maintenance that is planned, one sentence each.
    pub events: Vec<String>,
}
