//! Machines behind the limit; a stop asks the kill switch, a start tells what had room.

use async_trait::async_trait;

use super::GuardedCloud;
use crate::cloud::{
    error::{CloudError, ErrorKind},
    instance::{Instance, InstanceStatus},
    machines::Machines,
    operation::{Mutation, Operation},
};

#[async_trait]
impl Machines for GuardedCloud {
    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CloudError> {
        let call = self.inner.describe_instance(instance_id);
        let result = self.limited(Operation::DescribeInstance, call).await;
        if let Ok(instance) = &result {
            self.state().see(instance);
        }
        result
    }

    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError> {
        let call = self.inner.describe_instances(ids);
        let result = self.limited(Operation::DescribeInstances, call).await;
        for instance in result.iter().flatten() {
            self.state().see(instance);
        }
        result
    }

    async fn find_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let call = self.inner.find_tagged(key);
        self.limited(Operation::FindTagged, call).await
    }

    async fn status(&self, instance_id: &str) -> Result<InstanceStatus, CloudError> {
        let call = self.inner.status(instance_id);
        self.limited(Operation::Status, call).await
    }

    async fn stop_protected(&self, instance_id: &str) -> Result<bool, CloudError> {
        let call = self.inner.stop_protected(instance_id);
        self.limited(Operation::StopProtection, call).await
    }

    async fn permitted(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        // A dry run counts at AWS like the call itself.
        let call = self.inner.permitted(instance_id, mutation);
        self.limited(Operation::from(mutation), call).await
    }

    async fn mutate(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        let operation = Operation::from(mutation);
        let call = async {
            // Asked as late as possible, after the wait for a token.
            if *mutation == Mutation::Stop
                && let Some(switch) = self.guard.kill_switch().await
            {
                let message = format!("the kill switch is on: {}", switch.reason);
                return Err(CloudError::new(operation, ErrorKind::Halted, message));
            }
            self.inner.mutate(instance_id, mutation).await
        };
        let result = self.limited(operation, call).await;
        match mutation {
            // The type it has from now on is what the next start asks room for.
            Mutation::ModifyType(target) if result.is_ok() => {
                if let Some((instance_type, _)) = self.state().seen.get_mut(instance_id) {
                    instance_type.clone_from(target);
                }
            }
            Mutation::Start => self.learn(instance_id, &result),
            _ => {}
        }
        result
    }

    async fn set_tag(&self, instance_id: &str, key: &str, value: &str) -> Result<(), CloudError> {
        let call = self.inner.set_tag(instance_id, key, value);
        self.limited(Operation::SetTag, call).await
    }

    async fn remove_tag(&self, instance_id: &str, key: &str) -> Result<(), CloudError> {
        let call = self.inner.remove_tag(instance_id, key);
        self.limited(Operation::RemoveTag, call).await
    }

    async fn credit_mode(&self, instance_id: &str) -> Result<Option<String>, CloudError> {
        let call = self.inner.credit_mode(instance_id);
        self.limited(Operation::CreditMode, call).await
    }

    async fn set_credit_mode(&self, instance_id: &str, mode: &str) -> Result<(), CloudError> {
        let call = self.inner.set_credit_mode(instance_id, mode);
        self.limited(Operation::SetCreditMode, call).await
    }
}
