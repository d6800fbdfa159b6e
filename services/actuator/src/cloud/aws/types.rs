//! Instance types by EC2, and limits on them by Service Quotas.

use async_trait::async_trait;
use aws_sdk_ec2::types as ec2;

use super::{AwsCloud, failure::failure, read};
use crate::cloud::{
    error::{CloudError, ErrorKind},
    operation::Operation,
    quota::{VcpuQuota, VcpuUse, family},
    requests,
    types::{InstanceType, Types},
};

const COMMON_SIZES: [&str; 15] = [
    "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge",
    "6xlarge", "8xlarge", "9xlarge", "12xlarge", "16xlarge", "24xlarge",
];

#[async_trait]
impl Types for AwsCloud {
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
            .filter(|name| self::family(name) == family)
            .collect())
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
}
