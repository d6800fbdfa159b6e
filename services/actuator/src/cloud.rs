//! What the actuator needs of a cloud, in its own words, as four traits: [`machines`], their [`types`], the [`account`],
//! and [`commands`] on machines. `aws.rs` is the real one, and `limited.rs` stands before it.

pub mod account;
#[cfg(feature = "aws")]
pub mod aws;
mod bindings;
pub mod commands;
mod error;
mod instance;
pub(crate) mod limited;
pub mod machines;
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
    operation::{Mutation, Operation},
    quota::{VcpuQuota, VcpuUse, family},
    types::{InstanceType, Types},
};

/// The whole of a cloud, for who needs all four.
pub trait Cloud: Machines + Types + Account + Commands {}

impl<T: Machines + Types + Account + Commands> Cloud for T {}
