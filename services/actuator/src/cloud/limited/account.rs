//! The account behind the limit.

use async_trait::async_trait;

use super::GuardedCloud;
use crate::cloud::{
    account::{Account, GroupMember},
    error::CloudError,
    operation::Operation,
};

#[async_trait]
impl Account for GuardedCloud {
    fn region(&self) -> Option<&str> {
        self.inner.region()
    }

    async fn ready(&self) -> Result<(), CloudError> {
        self.inner.ready().await
    }

    async fn own_instance_id(&self) -> Option<String> {
        self.inner.own_instance_id().await
    }

    async fn group_member(&self, instance_id: &str) -> Result<Option<GroupMember>, CloudError> {
        let call = self.inner.group_member(instance_id);
        self.limited(Operation::GroupMember, call).await
    }
}
