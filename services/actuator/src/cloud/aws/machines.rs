//! Instances, by EC2.

use async_trait::async_trait;
use aws_sdk_ec2::types as ec2;

use super::{AwsCloud, failure::failure, read};
use crate::cloud::{
    error::{CloudError, ErrorKind},
    instance::{Checks, Instance, InstanceStatus},
    machines::Machines,
    operation::{Mutation, Operation},
};

#[async_trait]
impl Machines for AwsCloud {
    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CloudError> {
        let operation = Operation::DescribeInstance;
        let answer = self
            .ec2
            .describe_instances()
            .instance_ids(instance_id)
            .send()
            .await
            .map_err(|error| failure(operation, error))?;
        answer
            .reservations()
            .iter()
            .flat_map(read::reservation)
            .find(|instance| instance.instance_id == instance_id)
            .ok_or_else(|| {
                let message = format!("instance {instance_id} does not exist");
                CloudError::new(operation, ErrorKind::NotFound, message)
            })
    }

    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError> {
        // As a filter, because an unknown id among `InstanceIds` fails the whole call.
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let found = self
            .instances(Operation::DescribeInstances, "instance-id", &ids)
            .await?;
        Ok(found.iter().flat_map(read::reservation).collect())
    }

    async fn find_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError> {
        let found = self
            .instances(Operation::FindTagged, "tag-key", &[key])
            .await?;
        Ok(found
            .iter()
            .flat_map(read::reservation)
            .filter(|instance| !instance.state.is_gone())
            .collect())
    }

    async fn status(&self, instance_id: &str) -> Result<InstanceStatus, CloudError> {
        let operation = Operation::Status;
        let answer = self
            .ec2
            .describe_instance_status()
            .instance_ids(instance_id)
            .include_all_instances(true)
            .send()
            .await
            .map_err(|error| failure(operation, error))?;
        let status = answer.instance_statuses().first().ok_or_else(|| {
            let message = format!("no status of instance {instance_id}");
            CloudError::new(operation, ErrorKind::NotFound, message)
        })?;
        let summaries = [status.system_status(), status.instance_status()]
            .map(|summary| summary.and_then(ec2::InstanceStatusSummary::status));
        let passed = |summary: &Option<&ec2::SummaryStatus>| {
            matches!(
                summary,
                Some(ec2::SummaryStatus::Ok | ec2::SummaryStatus::NotApplicable)
            )
        };
        let checks = if summaries.contains(&Some(&ec2::SummaryStatus::Impaired)) {
            Checks::Impaired
        } else if summaries.iter().all(passed) {
            Checks::Ok
        } else {
            Checks::Initializing
        };
        Ok(InstanceStatus {
            state: read::state(status.instance_state()),
            checks,
            events: status
                .events()
                .iter()
                .filter_map(ec2::InstanceStatusEvent::description)
                // AWS leaves what is over in the list for a while.
                .filter(|text| !text.starts_with("[Completed]") && !text.starts_with("[Canceled]"))
                .map(str::to_owned)
                .collect(),
        })
    }

    async fn stop_protected(&self, instance_id: &str) -> Result<bool, CloudError> {
        let answer = self
            .ec2
            .describe_instance_attribute()
            .instance_id(instance_id)
            .attribute(ec2::InstanceAttributeName::DisableApiStop)
            .send()
            .await
            .map_err(|error| failure(Operation::StopProtection, error))?;
        Ok(answer
            .disable_api_stop()
            .and_then(ec2::AttributeBooleanValue::value)
            == Some(true))
    }

    async fn permitted(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        call(&self.ec2, instance_id, mutation, true).await
    }

    async fn mutate(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError> {
        call(&self.ec2_once, instance_id, mutation, false).await
    }

    async fn set_tag(&self, instance_id: &str, key: &str, value: &str) -> Result<(), CloudError> {
        self.ec2
            .create_tags()
            .resources(instance_id)
            .tags(ec2::Tag::builder().key(key).value(value).build())
            .send()
            .await
            .map(drop)
            .map_err(|error| failure(Operation::SetTag, error))
    }

    async fn remove_tag(&self, instance_id: &str, key: &str) -> Result<(), CloudError> {
        self.ec2
            .delete_tags()
            .resources(instance_id)
            .tags(ec2::Tag::builder().key(key).build())
            .send()
            .await
            .map(drop)
            .map_err(|error| failure(Operation::RemoveTag, error))
    }

    async fn credit_mode(&self, instance_id: &str) -> Result<Option<String>, CloudError> {
        let answer = self
            .ec2
            .describe_instance_credit_specifications()
            .instance_ids(instance_id)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer
                .instance_credit_specifications()
                .first()
                .and_then(ec2::InstanceCreditSpecification::cpu_credits)
                .map(str::to_owned)),
            Err(error) => Err(failure(Operation::CreditMode, error)),
        }
    }

    async fn set_credit_mode(&self, instance_id: &str, mode: &str) -> Result<(), CloudError> {
        let operation = Operation::SetCreditMode;
        let wanted = ec2::InstanceCreditSpecificationRequest::builder()
            .instance_id(instance_id)
            .cpu_credits(mode)
            .build();
        let answer = self
            .ec2_once
            .modify_instance_credit_specification()
            .instance_credit_specifications(wanted)
            .send()
            .await
            .map_err(|error| failure(operation, error))?;
        // The call answers 200 also when it changed nothing.
        let refused = answer
            .unsuccessful_instance_credit_specifications()
            .first()
            .and_then(|item| item.error());
        match refused {
            None => Ok(()),
            Some(error) => Err(CloudError::new(
                operation,
                ErrorKind::Invalid,
                error.message().unwrap_or("no message"),
            )),
        }
    }
}

/// One of the three calls that change a machine, or the question whether it would be allowed.
async fn call(
    client: &aws_sdk_ec2::Client,
    instance_id: &str,
    mutation: &Mutation,
    dry_run: bool,
) -> Result<(), CloudError> {
    let operation = Operation::from(mutation);
    let result = match mutation {
        Mutation::Stop => client
            .stop_instances()
            .instance_ids(instance_id)
            .dry_run(dry_run)
            .send()
            .await
            .map(drop)
            .map_err(|error| failure(operation, error)),
        Mutation::ModifyType(instance_type) => client
            .modify_instance_attribute()
            .instance_id(instance_id)
            .instance_type(ec2::AttributeValue::builder().value(instance_type).build())
            .dry_run(dry_run)
            .send()
            .await
            .map(drop)
            .map_err(|error| failure(operation, error)),
        Mutation::Start => client
            .start_instances()
            .instance_ids(instance_id)
            .dry_run(dry_run)
            .send()
            .await
            .map(drop)
            .map_err(|error| failure(operation, error)),
    };
    match result {
        // How EC2 says yes to a dry run.
        Err(error) if dry_run && error.message.starts_with("DryRunOperation") => Ok(()),
        result => result,
    }
}
