//! A case: all that the checks of one resize look at.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    cloud::{CloudError, GroupMember, Instance, InstanceStatus, InstanceType, VcpuUse},
    config::Config,
    journal::{Refused, StoreError},
};

/// What is to be resized.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub instance_id: &'a str,
    pub target: &'a str,
    /// The type the caller believes it has; `None` when it didn't say.
    pub expected: Option<&'a str>,
}

/// What is remembered of types that EC2 refused for good.
#[derive(Debug)]
pub struct Memory {
    pub refused: Result<Vec<Refused>, StoreError>,
    pub now: Timestamp,
}

/// What the verdicts are made from: what was asked for, the cloud's answers, and what is remembered.
pub struct Case<'a> {
    pub config: &'a Config,
    pub subject: Subject<'a>,
    pub instance: Instance,
    pub from: Option<InstanceType>,
    pub target: Result<Option<InstanceType>, CloudError>,
    pub offered: Result<Vec<String>, CloudError>,
    pub status: Result<InstanceStatus, CloudError>,
    pub stop_protected: Result<bool, CloudError>,
    pub group: Result<Option<GroupMember>, CloudError>,
    /// `None` when the target's family has no quota that is known here.
    pub vcpus: Option<Result<VcpuUse, CloudError>>,
    /// How long ago a start on the target found no room.
    pub shortage: Option<Duration>,
    pub memory: Memory,
    /// The instance that this program runs on.
    pub own_instance_id: Option<String>,
    /// `None` when monitoring is turned off.
    pub ssm_online: Option<Result<bool, CloudError>>,
}
