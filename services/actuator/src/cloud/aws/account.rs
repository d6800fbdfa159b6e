//! Credentials, the metadata service, and Auto Scaling.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::config::ProvideCredentials as _;
use common::{clock::machine, text::chain};

use super::{AwsCloud, failure::failure};
use crate::cloud::{
    account::{Account, GroupMember},
    error::{CloudError, ErrorKind},
    operation::Operation,
};

#[async_trait]
impl Account for AwsCloud {
    fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    async fn ready(&self) -> Result<(), CloudError> {
        let no = |kind, message| CloudError::new(Operation::Ready, kind, message);
        if self.region.is_none() {
            return Err(no(ErrorKind::NotConfigured, "no AWS region is set"));
        }
        let missing = ErrorKind::CredentialsMissing;
        let Some(provider) = &self.credentials else {
            return Err(no(missing, "there are no AWS credentials"));
        };
        let provided = provider.provide_credentials().await.map(drop);
        provided.map_err(|error| {
            no(missing, "there are no usable AWS credentials").because(chain(&error))
        })
    }

    async fn own_instance_id(&self) -> Option<String> {
        self.own_instance_id
            .get_or_init(own_instance_id)
            .await
            .clone()
    }

    async fn group_member(&self, instance_id: &str) -> Result<Option<GroupMember>, CloudError> {
        let answer = self
            .autoscaling
            .describe_auto_scaling_instances()
            .instance_ids(instance_id)
            .send()
            .await
            .map_err(|error| failure(Operation::GroupMember, error))?;
        Ok(answer
            .auto_scaling_instances()
            .iter()
            .find(|member| member.instance_id() == Some(instance_id))
            .map(|member| GroupMember {
                group: member
                    .auto_scaling_group_name()
                    .unwrap_or_default()
                    .to_owned(),
                lifecycle: member.lifecycle_state().unwrap_or_default().to_owned(),
            }))
    }
}

/// Asks the metadata service, for two seconds at most: elsewhere nobody answers at its address.
async fn own_instance_id() -> Option<String> {
    let disabled = std::env::var("AWS_EC2_METADATA_DISABLED");
    if disabled.is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    let client = aws_config::imds::Client::builder()
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(1))
        .max_attempts(1)
        .build();
    let answer = client.get("/latest/meta-data/instance-id");
    let answer = machine().timeout(Duration::from_secs(2), answer).await;
    Some(String::from(answer.ok()?.ok()?))
}
