//! EC2, SSM, Auto Scaling, Service Quotas and CloudWatch through the AWS SDK. Nothing outside this module knows the SDK's types.

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

mod account;
mod agent;
mod commands;
mod count;
mod failure;
mod machines;
mod metric_store;
mod read;
mod types;

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ec2::{config::SharedCredentialsProvider, types as ec2};
use tokio::sync::{Mutex, OnceCell};

use self::{agent::AgentDimensions, count::Count, failure::failure};
use crate::{
    cloud::{error::CloudError, operation::Operation, requests},
    config::Config,
};

/// Instances on a page.
const PAGE: i32 = 500;

/// The clients for one account and region.
#[derive(Clone, Debug)]
pub struct AwsCloud {
    /// For reads; they are repeated.
    ec2: aws_sdk_ec2::Client,
    /// For what changes something; never repeated, for after a lost answer the state decides.
    ec2_once: aws_sdk_ec2::Client,
    /// As `ec2`.
    ssm: aws_sdk_ssm::Client,
    /// As `ec2_once`.
    ssm_once: aws_sdk_ssm::Client,
    autoscaling: aws_sdk_autoscaling::Client,
    quotas: aws_sdk_servicequotas::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    /// Shared by all clones.
    agent_dimensions: Arc<Mutex<AgentDimensions>>,
    region: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
    /// Asked once: a program doesn't move.
    own_instance_id: OnceCell<Option<String>>,
}

/// Builds the clients from the configuration, the environment, the profile, and the instance's role, in this order.
/// Nothing is called and nothing fails here: what lacks is what [`crate::cloud::Account::ready`] says.
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
        ssm: ssm_client(&sdk),
        ssm_once: ssm_client(&once),
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
        cloudwatch: aws_sdk_cloudwatch::Client::from_conf(
            aws_sdk_cloudwatch::config::Builder::from(&sdk)
                .interceptor(Count)
                .build(),
        ),
        agent_dimensions: Arc::default(),
        region: sdk.region().map(ToString::to_string),
        credentials: sdk.credentials_provider(),
        own_instance_id: OnceCell::new(),
    }
}

fn ssm_client(sdk: &aws_config::SdkConfig) -> aws_sdk_ssm::Client {
    let config = aws_sdk_ssm::config::Builder::from(sdk)
        .interceptor(Count)
        .build();
    aws_sdk_ssm::Client::from_conf(config)
}

fn ec2_client(sdk: &aws_config::SdkConfig) -> aws_sdk_ec2::Client {
    let config = aws_sdk_ec2::config::Builder::from(sdk)
        .interceptor(Count)
        .build();
    aws_sdk_ec2::Client::from_conf(config)
}

impl AwsCloud {
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
