//! EC2 and SSM through the AWS SDK. No other file knows the SDK's types.

use std::{error::Error, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ec2::{
    config::{ProvideCredentials as _, SharedCredentialsProvider},
    types as ec2,
};
use aws_sdk_ssm::types as ssm;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{
    cloud::{
        Checks, Cloud, CloudError, CommandStatus, ErrorKind, Instance, InstanceState,
        InstanceStatus, InstanceType, Mutation, Operation,
    },
    config::Config,
};

const COMMON_SIZES: [&str; 15] = [
    "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge",
    "6xlarge", "8xlarge", "9xlarge", "12xlarge", "16xlarge", "24xlarge",
];

/// The clients for one account and region.
#[derive(Clone, Debug)]
pub struct AwsCloud {
    /// For reads; they are repeated.
    ec2: aws_sdk_ec2::Client,
    ssm: aws_sdk_ssm::Client,
    /// For what changes something; never repeated, for after a lost answer the state decides.
    ec2_once: aws_sdk_ec2::Client,
    ssm_once: aws_sdk_ssm::Client,
    region: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
}

/// Builds the clients from the configuration, the environment, the profile, and the instance's role, in this order.
/// Nothing is called and nothing fails here: what lacks is what [`Cloud::ready`] says.
pub async fn connect(config: &Config) -> AwsCloud {
    let seconds = Duration::from_secs;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(seconds(config.aws.connect_seconds))
        .read_timeout(seconds(config.aws.read_seconds))
        .operation_attempt_timeout(seconds(config.aws.attempt_seconds))
        .operation_timeout(seconds(config.aws.operation_seconds))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
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
        ec2: aws_sdk_ec2::Client::new(&sdk),
        ssm: aws_sdk_ssm::Client::new(&sdk),
        ec2_once: aws_sdk_ec2::Client::new(&once),
        ssm_once: aws_sdk_ssm::Client::new(&once),
        region: sdk.region().map(ToString::to_string),
        credentials: sdk.credentials_provider(),
    }
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
            .flat_map(ec2::Reservation::instances)
            .find(|instance| instance.instance_id() == Some(instance_id))
            .map(instance)
            .ok_or_else(|| {
                let message = format!("instance {instance_id} does not exist");
                CloudError::new(operation, ErrorKind::NotFound, message)
            })
    }

    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError> {
        // As a filter, because an unknown name among `InstanceTypes` fails the whole call.
        let filter = ec2::Filter::builder()
            .name("instance-type")
            .set_values(Some(names.to_vec()))
            .build();
        let types = self
            .ec2
            .describe_instance_types()
            .filters(filter)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| failure(Operation::DescribeTypes, error))?;
        Ok(types.iter().filter_map(instance_type).collect())
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
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| failure(Operation::OfferedTypes, error))?;
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
            state: state(status.instance_state()),
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

    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError> {
        let filter = ssm::InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .values(instance_id)
            .build()
            .map_err(|error| {
                CloudError::new(Operation::SsmOnline, ErrorKind::Invalid, error.to_string())
            })?;
        let answer = self
            .ssm
            .describe_instance_information()
            .filters(filter)
            .send()
            .await
            .map_err(|error| failure(Operation::SsmOnline, error))?;
        Ok(answer
            .instance_information_list()
            .iter()
            .any(|agent| agent.ping_status() == Some(&ssm::PingStatus::Online)))
    }

    async fn send_script(
        &self,
        instance_id: &str,
        script: &str,
        limit: Duration,
    ) -> Result<String, CloudError> {
        let answer = self
            .ssm_once
            .send_command()
            .document_name("AWS-RunShellScript")
            .instance_ids(instance_id)
            .comment("Cloud Autoscaler: set monitoring up")
            .parameters("commands", vec![script.to_owned()])
            .parameters("executionTimeout", vec![limit.as_secs().to_string()])
            // For its delivery, which is quick or not at all.
            .timeout_seconds(60)
            .send()
            .await
            .map_err(|error| failure(Operation::SendScript, error))?;
        answer
            .command()
            .and_then(ssm::Command::command_id)
            .map(str::to_owned)
            .ok_or_else(|| {
                CloudError::new(
                    Operation::SendScript,
                    ErrorKind::LostReply,
                    "the answer holds no command id",
                )
            })
    }

    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        let answer = self
            .ssm
            .get_command_invocation()
            .instance_id(instance_id)
            .command_id(command_id)
            .send()
            .await
            .map_err(|error| failure(Operation::PollCommand, error))?;
        let output = [
            answer.standard_output_content(),
            answer.standard_error_content(),
        ]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
        Ok(match answer.status() {
            Some(ssm::CommandInvocationStatus::Success) => CommandStatus::Succeeded { output },
            Some(
                ssm::CommandInvocationStatus::Cancelled
                | ssm::CommandInvocationStatus::Failed
                | ssm::CommandInvocationStatus::TimedOut,
            ) => CommandStatus::Failed {
                output: match output.is_empty() {
                    true => answer.status_details().unwrap_or("no output").to_owned(),
                    false => output,
                },
            },
            _ => CommandStatus::Running,
        })
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

fn instance(found: &ec2::Instance) -> Instance {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let placement = found.placement();
    let owner = found
        .network_interfaces()
        .iter()
        .filter_map(|interface| interface.association()?.ip_owner_id())
        .next();
    Instance {
        instance_id: text(found.instance_id()),
        instance_type: text(found.instance_type().map(ec2::InstanceType::as_str)),
        state: state(found.state()),
        availability_zone: text(placement.and_then(ec2::Placement::availability_zone)),
        private_ip: found.private_ip_address().map(str::to_owned),
        public_ip: found
            .public_ip_address()
            .filter(|address| !address.is_empty())
            .map(str::to_owned),
        // Addresses that AWS lends belong to "amazon"; Elastic IPs belong to the account.
        elastic_ip: owner.is_some_and(|owner| owner != "amazon"),
        architecture: text(found.architecture().map(ec2::ArchitectureValues::as_str)),
        virtualization: text(
            found
                .virtualization_type()
                .map(ec2::VirtualizationType::as_str),
        ),
        ena: found.ena_support(),
        root_device_type: text(found.root_device_type().map(ec2::DeviceType::as_str)),
        spot: found.instance_lifecycle() == Some(&ec2::InstanceLifecycleType::Spot),
        hibernation: found
            .hibernation_options()
            .and_then(ec2::HibernationOptions::configured)
            == Some(true),
        tenancy: text(placement.and_then(|place| Some(place.tenancy()?.as_str()))),
        placement_group: placement
            .and_then(ec2::Placement::group_name)
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        network_interfaces: u32::try_from(found.network_interfaces().len()).unwrap_or(u32::MAX),
        tags: found
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), text(tag.value()))))
            .collect(),
    }
}

/// An unknown state is taken for one that changes by itself: it is looked at again.
fn state(state: Option<&ec2::InstanceState>) -> InstanceState {
    match state.and_then(ec2::InstanceState::name) {
        Some(ec2::InstanceStateName::Running) => InstanceState::Running,
        Some(ec2::InstanceStateName::Stopping) => InstanceState::Stopping,
        Some(ec2::InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(ec2::InstanceStateName::ShuttingDown) => InstanceState::ShuttingDown,
        Some(ec2::InstanceStateName::Terminated) => InstanceState::Terminated,
        _ => InstanceState::Pending,
    }
}

fn instance_type(found: &ec2::InstanceTypeInfo) -> Option<InstanceType> {
    let processor = found.processor_info();
    Some(InstanceType {
        name: found.instance_type()?.as_str().to_owned(),
        vcpus: u32::try_from(found.v_cpu_info()?.default_v_cpus()?).ok()?,
        memory_mib: u64::try_from(found.memory_info()?.size_in_mib()?).ok()?,
        architectures: processor
            .map(ec2::ProcessorInfo::supported_architectures)
            .unwrap_or_default()
            .iter()
            .map(|architecture| architecture.as_str().to_owned())
            .collect(),
        virtualizations: found
            .supported_virtualization_types()
            .iter()
            .map(|virtualization| virtualization.as_str().to_owned())
            .collect(),
        burstable: found.burstable_performance_supported() == Some(true),
        ena_required: found.network_info().and_then(ec2::NetworkInfo::ena_support)
            == Some(&ec2::EnaSupport::Required),
        nitro: found.hypervisor() != Some(&ec2::InstanceTypeHypervisor::Xen),
        instance_storage: found.instance_storage_supported() == Some(true),
        max_network_interfaces: found
            .network_info()
            .and_then(ec2::NetworkInfo::maximum_network_interfaces)
            .and_then(|maximum| u32::try_from(maximum).ok())
            .unwrap_or(1),
    })
}

/// The one place where AWS's error codes get a meaning.
fn failure<E, R>(operation: Operation, error: SdkError<E, R>) -> CloudError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let causes = chain(&error);
    let (kind, message) = match &error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no error code");
            let message = service.err().message().unwrap_or("no message");
            (
                kind_of(operation, code, message),
                format!("{code}: {message}"),
            )
        }
        SdkError::TimeoutError(_) => (
            ErrorKind::LostReply,
            format!("no answer in time ({causes})"),
        ),
        SdkError::ResponseError(_) => (
            ErrorKind::LostReply,
            format!("the answer can't be read ({causes})"),
        ),
        // Signing is a part of dispatch, so credentials and settings that lack surface here.
        _ if causes.contains("Missing Region") => {
            (ErrorKind::NotConfigured, "no AWS region is set".to_owned())
        }
        _ if causes.to_lowercase().contains("credential") => (
            ErrorKind::CredentialsMissing,
            format!("there are no usable AWS credentials ({causes})"),
        ),
        SdkError::DispatchFailure(_) => (
            ErrorKind::LostReply,
            format!("no answer from AWS ({causes})"),
        ),
        _ => (ErrorKind::Invalid, causes),
    };
    CloudError::new(operation, kind, one_line(&message))
}

fn kind_of(operation: Operation, code: &str, message: &str) -> ErrorKind {
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    match code {
        "InsufficientInstanceCapacity"
        | "InsufficientCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientCapacityOnHost" => ErrorKind::InsufficientCapacity,
        "VcpuLimitExceeded" | "InstanceLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
            ErrorKind::LimitExceeded
        }
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "EC2ThrottledException"
        | "TooManyRequestsException"
        | "RateExceeded" => ErrorKind::Throttled,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            ErrorKind::Unauthorized
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => ErrorKind::CredentialsMissing,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            ErrorKind::CredentialsExpired
        }
        "InvalidInstanceId" if operation == Operation::SendScript => ErrorKind::NotOnline,
        "InvalidInstanceID.NotFound"
        | "InvalidInstanceID.Malformed"
        | "InvocationDoesNotExist"
        | "InvalidInstanceId" => ErrorKind::NotFound,
        "IncorrectInstanceState" | "IncorrectState" | "InvalidState" => ErrorKind::WrongState,
        "OperationNotPermitted" => ErrorKind::Protected,
        "InvalidParameterValue" | "InvalidParameterCombination"
            if message.contains("LaunchPlan") =>
        {
            ErrorKind::TypeMismatch
        }
        "Unsupported" | "UnsupportedOperation" | "UnsupportedHostConfiguration" => {
            ErrorKind::Unsupported
        }
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "Unavailable"
        | "ServiceUnavailable"
        | "RequestTimeout" => ErrorKind::Internal,
        _ => ErrorKind::Invalid,
    }
}

/// The error with all its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_meaning_that_decides_what_comes_next() {
        for (operation, code, message, expected) in [
            (
                Operation::Start,
                "InsufficientInstanceCapacity",
                "",
                ErrorKind::InsufficientCapacity,
            ),
            (
                Operation::Start,
                "VcpuLimitExceeded",
                "",
                ErrorKind::LimitExceeded,
            ),
            (
                Operation::Start,
                "InvalidParameterValue",
                "LaunchPlan instance type does not match attribute value",
                ErrorKind::TypeMismatch,
            ),
            (
                Operation::ModifyType,
                "InvalidParameterValue",
                "no such type",
                ErrorKind::Invalid,
            ),
            (
                Operation::SendScript,
                "InvalidInstanceId",
                "",
                ErrorKind::NotOnline,
            ),
            (
                Operation::PollCommand,
                "InvalidInstanceId",
                "",
                ErrorKind::NotFound,
            ),
            (
                Operation::Stop,
                "OperationNotPermitted",
                "",
                ErrorKind::Protected,
            ),
            (Operation::Stop, "SomethingNew", "", ErrorKind::Invalid),
        ] {
            assert_eq!(kind_of(operation, code, message), expected, "{code}");
        }
    }
}
