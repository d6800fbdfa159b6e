//! Types behind the limit, and the memory of what had no room.

use std::time::Duration;

use async_trait::async_trait;

use super::GuardedCloud;
use crate::cloud::{
    error::CloudError,
    operation::Operation,
    quota::{VcpuQuota, VcpuUse},
    types::{InstanceType, Types},
};

#[async_trait]
impl Types for GuardedCloud {
    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError> {
        let call = self.inner.describe_types(names);
        self.limited(Operation::DescribeTypes, call).await
    }

    async fn offered_types(&self, family: &str, zone: &str) -> Result<Vec<String>, CloudError> {
        let call = self.inner.offered_types(family, zone);
        self.limited(Operation::OfferedTypes, call).await
    }

    async fn vcpu_use(&self, quota: VcpuQuota) -> Result<VcpuUse, CloudError> {
        let call = self.inner.vcpu_use(quota);
        self.limited(Operation::VcpuUse, call).await
    }

    fn shortage(&self, instance_type: &str, zone: &str) -> Option<Duration> {
        let now = self.clock.now();
        let state = self.state();
        state
            .shortages
            .recall(instance_type, zone, now, self.shortage_memory)
    }
}
