//! Machines: what they are, and what changes them.

use std::fmt;

use async_trait::async_trait;

use super::{
    error::CloudError,
    instance::{Instance, InstanceStatus},
    operation::Mutation,
};

/// Instances that one call describes: as many values as EC2 takes in a filter.
pub const DESCRIBED_AT_ONCE: usize = 200;
/// The machines. Every call is bounded in time by the implementation.
#[async_trait]
pub trait Machines: fmt::Debug + Send + Sync + 'static {
    /// One instance; terminated ones too, as long as the cloud remembers them.
    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CloudError>;

    /// Those of these instances that exist, as [`Machines::describe_instance`] sees them; at most [`DESCRIBED_AT_ONCE`].
    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError>;

    /// All instances that have the tag and are not gone.
    async fn find_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError>;

    /// Health of an instance in any state.
    async fn status(&self, instance_id: &str) -> Result<InstanceStatus, CloudError>;

    /// Whether the owner forbade stopping it.
    async fn stop_protected(&self, instance_id: &str) -> Result<bool, CloudError>;

    /// Ok when the call would be allowed; changes nothing.
    async fn permitted(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError>;

    /// Ok when the call was accepted; its effect comes later. Never repeated by the implementation.
    async fn mutate(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError>;

    /// Writes a tag, over the one that may be there.
    async fn set_tag(&self, instance_id: &str, key: &str, value: &str) -> Result<(), CloudError>;

    /// Takes a tag away; Ok when it wasn't there.
    async fn remove_tag(&self, instance_id: &str, key: &str) -> Result<(), CloudError>;

    /// `standard` or `unlimited`; `None` for types without CPU credits. A change of type resets it.
    async fn credit_mode(&self, instance_id: &str) -> Result<Option<String>, CloudError>;

    /// Sets what [`Machines::credit_mode`] reads.
    async fn set_credit_mode(&self, instance_id: &str, mode: &str) -> Result<(), CloudError>;
}
