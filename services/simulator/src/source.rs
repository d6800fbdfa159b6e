//! Metrics straight from the fleet, for schedulers of this process.

use async_trait::async_trait;
use jiff::Timestamp;
use scheduler::{
    PrometheusConfig,
    source::{
        Instance, Measured, RawSeries, Reach, Reading, Sample, Sampling, Source, Target, Unmeasured,
    },
};

use crate::{
    fleet::{Machine, Metric},
    prometheus::SharedFleet,
};

/// What [`crate::prometheus`] shows, without HTTP.
#[derive(Clone, Debug)]
pub struct FleetSource {
    fleet: SharedFleet,
    config: PrometheusConfig,
}

impl FleetSource {
    /// Of this fleet; window, step and units are the configuration's.
    pub fn new(fleet: SharedFleet, config: PrometheusConfig) -> Self {
        Self { fleet, config }
    }
}

#[async_trait]
impl Source for FleetSource {
    fn sampling(&self) -> Sampling {
        Sampling {
            step_seconds: self.config.step_seconds,
            scrape_interval_seconds: self.config.scrape_interval_seconds,
            min_samples: self.config.min_samples,
            warm_up_seconds: self.config.warm_up_seconds,
            cpu_unit: self.config.cpu_unit,
            memory_unit: self.config.memory_unit,
        }
    }

    fn concurrency(&self) -> usize {
        1
    }

    async fn begin<'a>(&'a self, _: &'a [Target], end: Timestamp) -> Box<dyn Reading + 'a> {
        Box::new(Window {
            source: self,
            end: end.as_second(),
        })
    }

    fn reach(&self) -> Reach {
        Reach {
            reached: 1,
            ..Reach::default()
        }
    }
}

/// The window that ends at `end`, seconds since the Unix epoch.
struct Window<'a> {
    source: &'a FleetSource,
    end: i64,
}

#[async_trait]
impl Reading for Window<'_> {
    async fn of(&self, target: &Target, _: &Instance) -> Result<Measured, Unmeasured> {
        let Ok(fleet) = self.source.fleet.lock() else {
            return Err(Unmeasured("the fleet is broken".to_owned()));
        };
        let machine = fleet
            .iter()
            .find(|machine| machine.instance_id == target.instance_id)
            .ok_or_else(|| Unmeasured(format!("there is no machine {}", target.instance_id)))?;
        Ok(Measured {
            series: RawSeries {
                cpu: self.samples(machine, Metric::CpuPercent),
                memory: self.samples(machine, Metric::MemoryPercent),
                disk: self.samples(machine, Metric::DiskBytesPerSecond),
                vcpus: self.samples(machine, Metric::Vcpus),
                memory_total: self.samples(machine, Metric::MemoryTotalBytes),
            },
            ..Measured::default()
        })
    }
}

impl Window<'_> {
    fn samples(&self, machine: &Machine, metric: Metric) -> Vec<Sample> {
        let config = &self.source.config;
        let step = i64::from(config.step_seconds.max(1));
        let steps = i64::from(config.window_seconds) / step;
        (0..=steps)
            .map(|back| self.end - (steps - back) * step)
            .filter_map(|at| {
                let value = machine.reading(metric, at)?;
                Some(Sample {
                    at: at as f64,
                    value,
                })
            })
            .collect()
    }
}
