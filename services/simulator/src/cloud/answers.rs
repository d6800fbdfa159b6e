//! The fake as the rest of the program meets it.

use std::time::Duration;

use actuator::cloud::{
    Account, CloudError, CommandStatus, Commands, Delivery, Document, ErrorKind, GroupMember,
    Instance, InstanceStatus, InstanceType, Machines, Metric, MetricStore, Metrics, Mutation,
    Operation, Script, Standing, Stretch, Types, VcpuQuota, VcpuUse, family,
};
use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::{FakeCloud, catalogue};

#[async_trait]
impl Machines for FakeCloud {
    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CloudError> {
        self.call(
            Operation::DescribeInstance,
            instance_id,
            "",
            false,
            |world, now| world.describe(now, instance_id),
        )
        .await
    }

    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError> {
        self.call(
            Operation::DescribeInstances,
            "",
            &ids.join(","),
            false,
            |world, now| {
                let found = ids.iter().map(|id| world.describe(now, id));
                Ok(found.flatten().collect())
            },
        )
        .await
    }

    async fn find_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        self.call(Operation::FindTagged, "", key, false, |world, now| {
            Ok(world.tagged(now, key))
        })
        .await
    }

    async fn status(&self, instance_id: &str) -> Result<InstanceStatus, CloudError> {
        self.call(Operation::Status, instance_id, "", false, |world, now| {
            world.status(now, instance_id)
        })
        .await
    }

    async fn stop_protected(&self, instance_id: &str) -> Result<bool, CloudError> {
        self.call(
            Operation::StopProtection,
            instance_id,
            "",
            false,
            |world, _| {
                Ok(world
                    .machine(Operation::StopProtection, instance_id)?
                    .stop_protected)
            },
        )
        .await
    }

    async fn permitted(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        self.call(
            mutation.into(),
            instance_id,
            &detail(mutation),
            true,
            |world, now| world.mutate(now, instance_id, mutation, true),
        )
        .await
    }

    async fn mutate(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        self.call(
            mutation.into(),
            instance_id,
            &detail(mutation),
            false,
            |world, now| world.mutate(now, instance_id, mutation, false),
        )
        .await
    }

    async fn set_tag(&self, instance_id: &str, key: &str, value: &str) -> Result<(), CloudError> {
        let operation = Operation::SetTag;
        self.call(operation, instance_id, key, false, |world, _| {
            world.allowed(operation)?;
            let tags = &mut world.machine(operation, instance_id)?.instance.tags;
            tags.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
        .await
    }

    async fn remove_tag(&self, instance_id: &str, key: &str) -> Result<(), CloudError> {
        let operation = Operation::RemoveTag;
        self.call(operation, instance_id, key, false, |world, _| {
            world.allowed(operation)?;
            world
                .machine(operation, instance_id)?
                .instance
                .tags
                .remove(key);
            Ok(())
        })
        .await
    }

    async fn credit_mode(&self, instance_id: &str) -> Result<Option<String>, CloudError> {
        let operation = Operation::CreditMode;
        self.call(operation, instance_id, "", false, |world, now| {
            world.allowed(operation)?;
            Ok(world.machine(operation, instance_id)?.credit_mode(now))
        })
        .await
    }

    async fn set_credit_mode(&self, instance_id: &str, mode: &str) -> Result<(), CloudError> {
        let operation = Operation::SetCreditMode;
        self.call(operation, instance_id, mode, false, |world, _| {
            world.allowed(operation)?;
            world.machine(operation, instance_id)?.credit_mode = Some(mode.to_owned());
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Types for FakeCloud {
    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError> {
        self.call(
            Operation::DescribeTypes,
            "",
            &names.join(","),
            false,
            |_, _| {
                Ok(catalogue::all()
                    .into_iter()
                    .filter(|found| names.contains(&found.name))
                    .collect())
            },
        )
        .await
    }

    async fn offered_types(
        &self,
        wanted: &str,
        availability_zone: &str,
    ) -> Result<Vec<String>, CloudError> {
        self.call(
            Operation::OfferedTypes,
            "",
            availability_zone,
            false,
            |_, _| {
                Ok(catalogue::all()
                    .into_iter()
                    .map(|found| found.name)
                    .filter(|name| family(name) == wanted)
                    .collect())
            },
        )
        .await
    }

    async fn vcpu_use(&self, quota: VcpuQuota) -> Result<VcpuUse, CloudError> {
        let operation = Operation::VcpuUse;
        self.call(operation, "", quota.code, false, |world, now| {
            world.allowed(operation)?;
            Ok(world.vcpu_use(now, quota))
        })
        .await
    }
}

#[async_trait]
impl Account for FakeCloud {
    async fn ready(&self) -> Result<(), CloudError> {
        self.call(Operation::Ready, "", "", false, |_, _| Ok(()))
            .await
    }

    async fn own_instance_id(&self) -> Option<String> {
        self.world().own_instance_id.clone()
    }

    async fn group_member(&self, instance_id: &str) -> Result<Option<GroupMember>, CloudError> {
        let operation = Operation::GroupMember;
        self.call(operation, instance_id, "", false, |world, _| {
            world.allowed(operation)?;
            Ok(world.machine(operation, instance_id)?.group.clone())
        })
        .await
    }
}

#[async_trait]
impl MetricStore for FakeCloud {
    async fn read_metrics(
        &self,
        ids: &[String],
        metrics: &[Metric],
        stretch: Stretch,
    ) -> Result<Metrics, CloudError> {
        let operation = Operation::ReadMetrics;
        let detail = ids.join(",");
        self.call(operation, "", &detail, false, |world, _| {
            world.allowed(operation)?;
            Ok(world.measured.read(ids, metrics, stretch))
        })
        .await
    }
}

#[async_trait]
impl Commands for FakeCloud {
    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError> {
        self.call(
            Operation::SsmOnline,
            instance_id,
            "",
            false,
            |world, now| Ok(world.ssm_online(now, instance_id)),
        )
        .await
    }

    async fn look_at_script(&self, script: Script<'_>) -> Result<Standing, CloudError> {
        match self.document(script.name).await {
            Ok(found) if found.sha256 == hex::encode(Sha256::digest(script.text)) => {
                Ok(Standing::Current(found))
            }
            Ok(found) => Ok(Standing::Other(found)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Standing::Absent),
            Err(error) => Err(error),
        }
    }

    async fn publish_script(&self, script: Script<'_>) -> Result<Document, CloudError> {
        let sha256 = hex::encode(Sha256::digest(script.text));
        self.set_document(script.name, &sha256).await
    }

    async fn send_script(
        &self,
        instance_id: &str,
        delivery: Delivery<'_>,
        _limit: Duration,
    ) -> Result<String, CloudError> {
        let detail = match delivery {
            Delivery::Document { name, .. } => name,
            Delivery::Shell { text } => text,
        };
        self.call(
            Operation::SendScript,
            instance_id,
            detail,
            false,
            |world, now| world.send(now, instance_id, delivery),
        )
        .await
    }

    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        self.call(
            Operation::PollCommand,
            instance_id,
            command_id,
            false,
            |world, now| world.poll(now, instance_id, command_id),
        )
        .await
    }
}

fn detail(mutation: &Mutation) -> String {
    match mutation {
        Mutation::ModifyType(instance_type) => instance_type.clone(),
        Mutation::Stop | Mutation::Start => String::new(),
    }
}
