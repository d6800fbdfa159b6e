//! What the actuator needs of a cloud, in its own words, as five traits: [`machines`], their [`types`], the [`account`],
//! [`commands`] on machines, and the [`metric_store`]. `aws.rs` is the real one, and `limited.rs` stands before it.

pub mod account;
#[cfg(feature = "aws")]
pub mod aws;
mod bindings;
pub mod commands;
mod error;
mod instance;
pub(crate) mod limited;
pub mod machines;
pub mod metric_store;
mod operation;
pub mod quota;
pub mod requests;
pub mod types;

pub use self::{
    account::{Account, GroupMember},
    bindings::{Abilities, Bindings},
    commands::{CommandStatus, Commands, Delivery, Document, Script, Standing},
    error::{CloudError, ErrorKind},
    instance::{Checks, Instance, InstanceState, InstanceStatus},
    machines::{DESCRIBED_AT_ONCE, Machines},
    metric_store::{MEASURED_AT_ONCE, Mean, Metric, MetricSeries, MetricStore, Metrics, Stretch},
    operation::{Mutation, Operation},
    quota::{VcpuQuota, VcpuUse, family},
    types::{InstanceType, Types},
};

/// The whole of a cloud, for who needs all five.
pub trait Cloud: Machines + Types + Account + Commands + MetricStore {}

impl<T: Machines + Types + Account + Commands + MetricStore> Cloud for T {}
