//! Commands behind the limit.

use std::time::Duration;

use async_trait::async_trait;

use super::GuardedCloud;
use crate::cloud::{
    commands::{CommandStatus, Commands, Delivery, Document, Script, Standing},
    error::CloudError,
    operation::Operation,
};

#[async_trait]
impl Commands for GuardedCloud {
    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError> {
        let call = self.inner.ssm_online(instance_id);
        self.limited(Operation::SsmOnline, call).await
    }

    async fn look_at_script(&self, script: Script<'_>) -> Result<Standing, CloudError> {
        let call = self.inner.look_at_script(script);
        self.limited(Operation::LookAtScript, call).await
    }

    async fn publish_script(&self, script: Script<'_>) -> Result<Document, CloudError> {
        let call = self.inner.publish_script(script);
        self.limited(Operation::PublishScript, call).await
    }

    async fn send_script(
        &self,
        instance_id: &str,
        delivery: Delivery<'_>,
        limit: Duration,
    ) -> Result<String, CloudError> {
        let call = self.inner.send_script(instance_id, delivery, limit);
        self.limited(Operation::SendScript, call).await
    }

    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        let call = self.inner.poll_command(instance_id, command_id);
        self.limited(Operation::PollCommand, call).await
    }
}
