//! The account: whether its calls can be signed, and what in it has to do with a machine.

use std::fmt;

use async_trait::async_trait;

use super::error::CloudError;

/// An instance's place in an Auto Scaling group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupMember {
    pub group: String,
    /// Such as `InService` or `Standby`. In standby the group leaves it alone.
    pub lifecycle: String,
}
/// The account. Every call is bounded in time by the implementation.
#[async_trait]
pub trait Account: fmt::Debug + Send + Sync + 'static {
    /// Ok when calls can be signed; says why not otherwise.
    async fn ready(&self) -> Result<(), CloudError>;

    /// Where it calls; `None` when nothing says so.
    fn region(&self) -> Option<&str> {
        None
    }

    /// The instance that this program runs on; `None` when it doesn't run on one.
    async fn own_instance_id(&self) -> Option<String> {
        None
    }

    /// Its Auto Scaling group; `None` when it is in none.
    async fn group_member(&self, instance_id: &str) -> Result<Option<GroupMember>, CloudError>;
}
