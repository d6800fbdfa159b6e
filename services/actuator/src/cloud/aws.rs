//! EC2, SSM, Auto Scaling and Service Quotas through the AWS SDK. Nothing outside this module knows the SDK's types.

mod count;
mod failure;
mod read;
mod ssm;

use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ec2::{
    config::{ProvideCredentials as _, SharedCredentialsProvider},
    types as ec2,
};
use common::text::chain;
use tokio::sync::OnceCell;

use self::{count::Count, failure::failure, ssm::Ssm};
use crate::{
    cloud::{
        Checks, Cloud, CloudError, CommandStatus, Delivery, Document, ErrorKind, GroupMember,
        Instance, InstanceStatus, InstanceType, Mutation, Operation, Script, Standing, VcpuQuota,
        VcpuUse, requests,
    },
    config::Config,
};

/// Everything on all pages; between two of them the limit on the rate of calls is asked.
macro_rules! all {
    ($operation:expr, $pages:expr) => {{
        let mut pages = $pages;
        let mut found = Vec::new();
        while let Some(next) = pages.next().await {
            found.push(next.map_err(|error| failure($operation, error))?);
            requests::before_next_page().await;
        }
        found
    }};
}

/// Instances on a page.
const PAGE: i32 = 500;

const COMMON_SIZES: [&str; 15] = [
    "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge",
    "6xlarge", "8xlarge", "9xlarge", "12xlarge", "16xlarge", "24xlarge",
];

/// The clients for one account and region.
#[derive(Clone, Debug)]
pub struct AwsCloud {
    /// For reads; they are repeated.
    ec2: aws_sdk_ec2::Client,
    /// For what changes something; never repeated, for after a lost answer the state decides.
    ec2_once: aws_sdk_ec2::Client,
    ssm: Ssm,
    autoscaling: aws_sdk_autoscaling::Client,
    quotas: aws_sdk_servicequotas::Client,
    region: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
    /// Asked once: a program doesn't move.
    own_instance_id: OnceCell<Option<String>>,
}

/// Builds the clients from the configuration, the environment, the profile, and the instance's role, in this order.
/// Nothing is called and nothing fails here: what lacks is what [`Cloud::ready`] says.
pub async fn connect(config: &Config) -> AwsCloud {
    build(config, aws_config::defaults(BehaviorVersion::latest())).await
}

/// The same clients at another address, with credentials that mean nothing: for what stands in for AWS.
pub async fn connect_to(config: &Config, url: &str) -> AwsCloud {
    let credentials = aws_sdk_ec2::config::Credentials::new("test", "test", None, None, "test");
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(url)
        .credentials_provider(credentials);
    build(config, loader).await
}

async fn build(config: &Config, loader: aws_config::ConfigLoader) -> AwsCloud {
    let seconds = Duration::from_secs;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(seconds(config.aws.connect_seconds))
        .read_timeout(seconds(config.aws.read_seconds))
        .operation_attempt_timeout(seconds(config.aws.attempt_seconds))
        .operation_timeout(seconds(config.aws.operation_seconds))
        .build();
    let mut loader = loader
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    let sdk = loader.load().await;
    let once = sdk
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .build();
    AwsCloud {
        ec2: ec2_client(&sdk),
        ec2_once: ec2_client(&once),
        ssm: Ssm::new(&sdk, &once),
        autoscaling: aws_sdk_autoscaling::Client::from_conf(
            aws_sdk_autoscaling::config::Builder::from(&sdk)
                .interceptor(Count)
                .build(),
        ),
        quotas: aws_sdk_servicequotas::Client::from_conf(
            aws_sdk_servicequotas::config::Builder::from(&sdk)
                .interceptor(Count)
                .build(),
        ),
        region: sdk.region().map(ToString::to_string),
        credentials: sdk.credentials_provider(),
        own_instance_id: OnceCell::new(),
    }
}

fn ec2_client(sdk: &aws_config::SdkConfig) -> aws_sdk_ec2::Client {
    let config = aws_sdk_ec2::config::Builder::from(sdk)
        .interceptor(Count)
        .build();
    aws_sdk_ec2::Client::from_conf(config)
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn ready(&self) -> Result<(), CloudError> {
        let no = |kind, message: String| Err(CloudError::new(Operation::Ready, kind, message));
        if self.region.is_none() {
            return no(ErrorKind::NotConfigured, "no AWS region is set".to_owned());
        }
        let Some(provider) = &self.credentials else {
            return no(
                ErrorKind::CredentialsMissing,
                "there are no AWS credentials".to_owned(),
            );
        };
        match provider.provide_credentials().await {
            Ok(_) => Ok(()),
            Err(error) => no(
                ErrorKind::CredentialsMissing,
                format!("there are no usable AWS credentials ({})", chain(&error)),
            ),
        }
    }

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

    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError> {
        // As a filter, because an unknown name among `InstanceTypes` fails the whole call.
        let filter = ec2::Filter::builder()
            .name("instance-type")
            .set_values(Some(names.to_vec()))
            .build();
        let pages = self
            .ec2
            .describe_instance_types()
            .filters(filter)
            .into_paginator()
            .items()
            .send();
        let types = all!(Operation::DescribeTypes, pages);
        Ok(types.iter().filter_map(read::instance_type).collect())
    }

    async fn offered_types(
        &self,
        family: &str,
        availability_zone: &str,
    ) -> Result<Vec<String>, CloudError> {
        let filter = |name: &str, values: Vec<String>| {
            ec2::Filter::builder()
                .name(name)
                .set_values(Some(values))
                .build()
        };
        // The pattern finds them all at AWS; servers that stand in for it compare names.
        let mut names = vec![format!("{family}.*")];
        names.extend(COMMON_SIZES.iter().map(|size| format!("{family}.{size}")));
        let offerings = self
            .ec2
            .describe_instance_type_offerings()
            .location_type(ec2::LocationType::AvailabilityZone)
            .filters(filter("location", vec![availability_zone.to_owned()]))
            .filters(filter("instance-type", names))
            .into_paginator()
            .items()
            .send();
        let offerings = all!(Operation::OfferedTypes, offerings);
        Ok(offerings
            .iter()
            .filter_map(|offering| Some(offering.instance_type()?.as_str().to_owned()))
            .filter(|name| crate::cloud::family(name) == family)
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

    async fn vcpu_use(&self, quota: VcpuQuota) -> Result<VcpuUse, CloudError> {
        let operation = Operation::VcpuUse;
        let answer = self
            .quotas
            .get_service_quota()
            .service_code("ec2")
            .quota_code(quota.code)
            .send()
            .await
            .map_err(|error| failure(operation, error))?;
        let limit = answer
            .quota()
            .and_then(aws_sdk_servicequotas::types::ServiceQuota::value)
            .ok_or_else(|| {
                let message = format!("the answer holds no value of quota {}", quota.code);
                CloudError::new(operation, ErrorKind::Internal, message)
            })?;
        let states = ["pending", "running"];
        let running = self
            .instances(operation, "instance-state-name", &states)
            .await?
            .iter()
            .flat_map(ec2::Reservation::instances)
            // Spot instances have quotas of their own.
            .filter(|found| found.instance_lifecycle().is_none())
            .filter(|found| {
                found
                    .instance_type()
                    .is_some_and(|name| quota.counts(name.as_str()))
            })
            .map(read::vcpus)
            .sum();
        Ok(VcpuUse {
            // Quotas are whole numbers that AWS writes as floats.
            limit: limit.clamp(0.0, f64::from(u32::MAX)) as u32,
            running,
        })
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

    async fn own_instance_id(&self) -> Option<String> {
        self.own_instance_id
            .get_or_init(own_instance_id)
            .await
            .clone()
    }

    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError> {
        self.ssm.online(instance_id).await
    }

    async fn look_at_script(&self, script: Script<'_>) -> Result<Standing, CloudError> {
        self.ssm.look(script).await
    }

    async fn publish_script(&self, script: Script<'_>) -> Result<Document, CloudError> {
        self.ssm.publish(script).await
    }

    async fn send_script(
        &self,
        instance_id: &str,
        delivery: Delivery<'_>,
        limit: Duration,
    ) -> Result<String, CloudError> {
        self.ssm.send(instance_id, delivery, limit).await
    }

    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        self.ssm.poll(instance_id, command_id).await
    }
}

impl AwsCloud {
    /// Where it calls; `None` when nothing says so.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// All instances that a filter finds, page by page.
    async fn instances(
        &self,
        operation: Operation,
        filter: &str,
        values: &[&str],
    ) -> Result<Vec<ec2::Reservation>, CloudError> {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let filter = ec2::Filter::builder()
            .name(filter)
            .set_values(Some(values))
            .build();
        let pages = self
            .ec2
            .describe_instances()
            .filters(filter)
            .into_paginator()
            .page_size(PAGE)
            .send();
        let reservations = all!(operation, pages);
        Ok(reservations
            .into_iter()
            .flat_map(|page| page.reservations.unwrap_or_default())
            .collect())
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
    let answer = tokio::time::timeout(Duration::from_secs(2), answer).await;
    Some(String::from(answer.ok()?.ok()?))
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
