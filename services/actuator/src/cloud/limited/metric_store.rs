//! The store of metrics behind the limit.

use async_trait::async_trait;

use super::GuardedCloud;
use crate::cloud::{
    error::CloudError,
    metric_store::{Metric, MetricStore, Metrics, Stretch},
    operation::Operation,
};

#[async_trait]
impl MetricStore for GuardedCloud {
    async fn read_metrics(
        &self,
        ids: &[String],
        metrics: &[Metric],
        stretch: Stretch,
    ) -> Result<Metrics, CloudError> {
        let call = self.inner.read_metrics(ids, metrics, stretch);
        self.limited(Operation::ReadMetrics, call).await
    }
}
