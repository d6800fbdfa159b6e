//! Metrics by CloudWatch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_cloudwatch::{primitives::DateTime, types as cloudwatch};
use common::clock::machine;
use jiff::Timestamp;

use super::{
    AwsCloud,
    agent::{AgentDimensions, Dimensions},
    failure::failure,
};
use crate::cloud::{
    error::{CloudError, ErrorKind},
    metric_store::{Mean, Metric, MetricSeries, MetricStore, Metrics, Stretch},
    operation::Operation,
    requests,
};

/// Metrics that one request takes.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>
const METRICS_AT_ONCE: usize = 500;
const AGENT_NAMESPACE: &str = "CWAgent";
const AGENT_MEMORY: &str = "mem_used_percent";
/// How long it is believed under which dimensions the agent hands in.
const DIMENSIONS_LAST: Duration = Duration::from_secs(24 * 3_600);
/// The same for a machine that had none: the agent may just have been installed.
const NO_DIMENSIONS_LAST: Duration = Duration::from_secs(3_600);
/// Series of one machine that differ in their dimensions: one for each type that it had, and for each image.
const MOST_DIMENSIONS: usize = 8;

/// One metric that is asked for.
struct Asked<'a> {
    instance_id: &'a str,
    metric: Metric,
    dimensions: Vec<cloudwatch::Dimension>,
}

#[async_trait]
impl MetricStore for AwsCloud {
    async fn read_metrics(
        &self,
        ids: &[String],
        metrics: &[Metric],
        stretch: Stretch,
    ) -> Result<Metrics, CloudError> {
        let mut answer = Metrics::default();
        let mut asked = Vec::new();
        for id in ids {
            let own = |metric| Asked {
                instance_id: id,
                metric,
                dimensions: vec![dimension("InstanceId", id)],
            };
            let of_ec2 = metrics
                .iter()
                .filter(|metric| **metric != Metric::MemoryUsed);
            asked.extend(of_ec2.copied().map(own));
        }
        if metrics.contains(&Metric::MemoryUsed) {
            match self.agent_dimensions(ids).await {
                Ok(found) => asked.extend(of_the_agent(ids, &found)),
                // CPU is worth having alone.
                Err(error) => answer
                    .gaps
                    .push(format!("memory is unknown: {}", error.with_remedy())),
            }
        }
        let mut series: BTreeMap<(&str, Metric), BTreeMap<Timestamp, f64>> = BTreeMap::new();
        for (number, batch) in asked.chunks(METRICS_AT_ONCE).enumerate() {
            if number > 0 {
                requests::before_next_page().await;
            }
            answer.charged += u32::try_from(batch.len()).unwrap_or(u32::MAX);
            self.read_batch(batch, stretch, &mut series, &mut answer.gaps)
                .await?;
        }
        answer.gaps.dedup();
        answer.series = series
            .into_iter()
            .map(|((instance_id, metric), means)| MetricSeries {
                instance_id: instance_id.to_owned(),
                metric,
                means: means
                    .into_iter()
                    .map(|(from, value)| Mean { from, value })
                    .collect(),
            })
            .collect();
        Ok(answer)
    }
}

impl AwsCloud {
    /// Adds what one request, and those for its further pages, answer.
    async fn read_batch<'a>(
        &self,
        batch: &[Asked<'a>],
        stretch: Stretch,
        series: &mut BTreeMap<(&'a str, Metric), BTreeMap<Timestamp, f64>>,
        gaps: &mut Vec<String>,
    ) -> Result<(), CloudError> {
        let queries = batch
            .iter()
            .enumerate()
            .map(|(number, asked)| query(number, asked, stretch.period_seconds))
            .collect();
        let pages = self
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(DateTime::from_secs(stretch.start.as_second()))
            .end_time(DateTime::from_secs(stretch.end.as_second()))
            .scan_by(cloudwatch::ScanBy::TimestampAscending)
            .into_paginator()
            .send();
        let operation = Operation::ReadMetrics;
        for page in all!(operation, pages) {
            let said = page.messages().iter().filter_map(|message| message.value());
            gaps.extend(said.map(|said| format!("CloudWatch says: {said}")));
            for found in page.metric_data_results() {
                let number = found.id().and_then(|id| id.strip_prefix('m')?.parse().ok());
                let Some(asked) = number.and_then(|number: usize| batch.get(number)) else {
                    let message =
                        format!("the answer holds {:?}, which was not asked for", found.id());
                    return Err(CloudError::new(operation, ErrorKind::Internal, message));
                };
                let partly = matches!(
                    found.status_code(),
                    Some(cloudwatch::StatusCode::Forbidden | cloudwatch::StatusCode::InternalError)
                );
                if partly {
                    gaps.push(format!(
                        "CloudWatch gave only a part of the metrics of {}",
                        asked.instance_id
                    ));
                }
                let means = series.entry((asked.instance_id, asked.metric)).or_default();
                for (time, value) in found.timestamps().iter().zip(found.values()) {
                    let Ok(from) = Timestamp::from_second(time.secs()) else {
                        continue;
                    };
                    // Two series of one machine that overlap: what was higher is what must fit.
                    let mean = means.entry(from).or_insert(*value);
                    *mean = mean.max(*value);
                }
            }
        }
        Ok(())
    }

    /// Under which dimensions the agents of these machines hand in their memory. Asked once a day: a request more than
    /// once in a while would cost more than the metrics.
    async fn agent_dimensions(&self, ids: &[String]) -> Result<Arc<Dimensions>, CloudError> {
        let now = machine().monotonic();
        let mut known = self.agent_dimensions.lock().await;
        if let AgentDimensions(Some((at, found))) = &*known {
            let all = ids.iter().all(|id| found.contains_key(id));
            let lasts = if all {
                DIMENSIONS_LAST
            } else {
                NO_DIMENSIONS_LAST
            };
            if now - *at < lasts {
                return Ok(Arc::clone(found));
            }
        }
        let pages = self
            .cloudwatch
            .list_metrics()
            .namespace(AGENT_NAMESPACE)
            .metric_name(AGENT_MEMORY)
            .into_paginator()
            .send();
        let mut found = Dimensions::new();
        for page in all!(Operation::ListMetrics, pages) {
            for metric in page.metrics() {
                let mut names = metric.dimensions().iter();
                let Some(id) = names
                    .find(|dimension| dimension.name() == Some("InstanceId"))
                    .and_then(cloudwatch::Dimension::value)
                else {
                    continue;
                };
                let sets = found.entry(id.to_owned()).or_default();
                if sets.len() < MOST_DIMENSIONS {
                    sets.push(metric.dimensions().to_vec());
                }
            }
        }
        let found = Arc::new(found);
        *known = AgentDimensions(Some((now, Arc::clone(&found))));
        Ok(found)
    }
}

fn of_the_agent<'a>(ids: &'a [String], found: &Dimensions) -> impl Iterator<Item = Asked<'a>> {
    let mut seen = BTreeSet::new();
    let ids = ids.iter().filter(move |id| seen.insert(id.as_str()));
    ids.flat_map(|id| {
        let sets = found.get(id).into_iter().flatten();
        sets.map(|dimensions| Asked {
            instance_id: id,
            metric: Metric::MemoryUsed,
            dimensions: dimensions.clone(),
        })
        .collect::<Vec<_>>()
    })
}

fn dimension(name: &str, value: &str) -> cloudwatch::Dimension {
    cloudwatch::Dimension::builder()
        .name(name)
        .value(value)
        .build()
}

fn query(number: usize, asked: &Asked<'_>, period_seconds: u32) -> cloudwatch::MetricDataQuery {
    let (namespace, name) = match asked.metric {
        Metric::CpuUtilization => ("AWS/EC2", "CPUUtilization"),
        Metric::CpuCreditBalance => ("AWS/EC2", "CPUCreditBalance"),
        Metric::MemoryUsed => (AGENT_NAMESPACE, AGENT_MEMORY),
    };
    let metric = cloudwatch::Metric::builder()
        .namespace(namespace)
        .metric_name(name)
        .set_dimensions(Some(asked.dimensions.clone()))
        .build();
    let stat = cloudwatch::MetricStat::builder()
        .metric(metric)
        .period(i32::try_from(period_seconds).unwrap_or(i32::MAX))
        .stat("Average")
        .build();
    cloudwatch::MetricDataQuery::builder()
        // Ids begin with a small letter.
        .id(format!("m{number}"))
        .metric_stat(stat)
        .build()
}
