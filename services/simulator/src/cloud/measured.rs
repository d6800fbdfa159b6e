//! The metrics that the fake's store holds.

use std::collections::BTreeMap;

use actuator::cloud::{Mean, Metric, MetricSeries, Metrics, Stretch};

/// Means by machine and metric.
#[derive(Debug, Default)]
pub(super) struct Measured(BTreeMap<(String, Metric), Vec<Mean>>);

impl Measured {
    pub(super) fn set(&mut self, instance_id: &str, metric: Metric, means: Vec<Mean>) {
        self.0.insert((instance_id.to_owned(), metric), means);
    }

    /// Machines that have the metric.
    pub(super) fn with(&self, metric: Metric) -> Vec<String> {
        let of_it = self.0.keys().filter(|(_, other)| *other == metric);
        of_it.map(|(id, _)| id.clone()).collect()
    }

    /// What lies in the stretch; it charges what it was asked for.
    pub(super) fn read(&self, ids: &[String], metrics: &[Metric], stretch: Stretch) -> Metrics {
        let asked = ids
            .iter()
            .flat_map(|id| metrics.iter().map(move |metric| (id.clone(), *metric)));
        let mut answer = Metrics::default();
        for (id, metric) in asked {
            answer.charged += 1;
            let Some(means) = self.0.get(&(id.clone(), metric)) else {
                continue;
            };
            let within = |mean: &&Mean| stretch.start <= mean.from && mean.from < stretch.end;
            let means: Vec<Mean> = means.iter().filter(within).copied().collect();
            if !means.is_empty() {
                answer.series.push(MetricSeries {
                    instance_id: id,
                    metric,
                    means,
                });
            }
        }
        answer
    }
}
