//! CloudWatch as a source, read by the actuator: for who has no Prometheus.
//!
//! A read costs money, so it is made now and then, of the tail only, and kept between.

mod machine;
pub mod settings;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::FutureExt as _;
use jiff::Timestamp;

use self::{
    machine::{Machine, Window},
    settings::CloudWatchConfig,
};
use super::source::{Measured, Reading, Sampling, Source, Unmeasured};
use crate::{
    bounded::run_all,
    domain::{Instance, MetricsRead, MetricsWanted, Reach, Target},
    peers::{Actuator, CallError},
    samples::units::{CpuUnit, MemoryUnit},
};

/// Machines in one call; the actuator takes no more.
const MOST_MACHINES: usize = 100;
/// Means in the answer to one call: about two megabytes.
const MOST_MEANS: usize = 150_000;
/// Such calls in flight.
const CALLS: usize = 4;
/// Machines looked up at the same time in what was read.
const LOOKUPS: usize = 16;
/// Seconds until CloudWatch shows a period after its end, as a rule.
const DELAY_SECONDS: u32 = 300;

/// The metrics of all targets.
pub struct CloudWatchSource {
    config: CloudWatchConfig,
    window: Window,
    tick_interval_seconds: u32,
    actuator: Arc<dyn Actuator>,
    known: Mutex<Known>,
}

/// What was read so far.
#[derive(Debug, Default)]
struct Known {
    machines: HashMap<String, Machine>,
    /// Of machines whose last read failed: why.
    failed: HashMap<String, String>,
    /// What the last reads said is missing.
    gaps: Vec<String>,
    reach: Reach,
}

/// The window that ends at a time.
struct WindowReading<'a> {
    source: &'a CloudWatchSource,
    end: Timestamp,
}

impl fmt::Debug for CloudWatchSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CloudWatchSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Source for CloudWatchSource {
    fn sampling(&self) -> Sampling {
        let config = &self.config;
        Sampling {
            step_seconds: config.period_seconds,
            scrape_interval_seconds: config
                .read_interval_seconds
                .saturating_add(self.tick_interval_seconds)
                .saturating_add(DELAY_SECONDS),
            min_samples: config.min_samples,
            // The mean of the period in which it came up is also of the time before.
            warm_up_seconds: config.warm_up_seconds + config.period_seconds,
            cpu_unit: Some(CpuUnit::Percent),
            memory_unit: Some(MemoryUnit::Percent),
        }
    }

    fn concurrency(&self) -> usize {
        LOOKUPS
    }

    async fn begin<'a>(&'a self, targets: &'a [Target], end: Timestamp) -> Box<dyn Reading + 'a> {
        let mut by_start: HashMap<Timestamp, Vec<String>> = HashMap::new();
        {
            let mut known = self.known();
            for target in targets {
                let machine = known
                    .machines
                    .entry(target.instance_id.clone())
                    .or_default();
                if let Some(start) = machine.due(end, self.window) {
                    by_start
                        .entry(start)
                        .or_default()
                        .push(target.instance_id.clone());
                }
            }
        }
        if !by_start.is_empty() {
            self.read(by_start, end).await;
        }
        Box::new(WindowReading { source: self, end })
    }

    fn reach(&self) -> Reach {
        self.known().reach.clone()
    }
}

#[async_trait]
impl Reading for WindowReading<'_> {
    async fn of(&self, target: &Target, instance: &Instance) -> Result<Measured, Unmeasured> {
        self.source.measured(target, instance, self.end)
    }
}

impl CloudWatchSource {
    /// Reads through `actuator` at the first tick.
    pub fn new(
        config: &CloudWatchConfig,
        tick_interval_seconds: u32,
        actuator: Arc<dyn Actuator>,
    ) -> Self {
        Self {
            window: Window {
                seconds: config.window_seconds,
                period_seconds: config.period_seconds,
                read_interval_seconds: config.read_interval_seconds,
            },
            config: config.clone(),
            tick_interval_seconds,
            actuator,
            known: Mutex::default(),
        }
    }

    async fn read(&self, by_start: HashMap<Timestamp, Vec<String>>, end: Timestamp) {
        let metrics = self.config.metrics();
        let mut calls = Vec::new();
        for (start, ids) in by_start {
            let seconds = end.as_second() - start.as_second();
            let periods = seconds / i64::from(self.config.period_seconds) + 1;
            let of_each = usize::try_from(periods)
                .unwrap_or(usize::MAX)
                .saturating_mul(metrics.len());
            let machines = (MOST_MEANS / of_each.max(1)).clamp(1, MOST_MACHINES);
            calls.extend(ids.chunks(machines).map(|ids| MetricsWanted {
                instance_ids: ids.to_vec(),
                metrics: metrics.clone(),
                start,
                end,
                period_seconds: self.config.period_seconds,
            }));
        }
        let calls = calls.into_iter().map(|wanted| {
            async move {
                let answer = self.actuator.read_metrics(&wanted).await;
                (wanted.instance_ids, answer)
            }
            .boxed()
        });
        let answers = run_all(CALLS, calls.collect()).await;
        self.learn(answers, end);
    }

    fn learn(&self, answers: Vec<(Vec<String>, Result<MetricsRead, CallError>)>, end: Timestamp) {
        let mut known = self.known();
        known.reach = Reach::default();
        known.gaps.clear();
        for (ids, answer) in answers {
            match answer {
                Ok(read) => {
                    known.reach.reached = known.reach.reached.saturating_add(1);
                    for series in &read.series {
                        if let Some(machine) = known.machines.get_mut(&series.instance_id) {
                            machine.take(series, end, self.window);
                        }
                    }
                    for id in &ids {
                        known.failed.remove(id);
                        if let Some(machine) = known.machines.get_mut(id) {
                            machine.read(end, self.window);
                        }
                    }
                    let new = read.gaps.into_iter();
                    let new: Vec<String> = new.filter(|gap| !known.gaps.contains(gap)).collect();
                    known.gaps.extend(new);
                }
                Err(error) => {
                    let why = format!("CloudWatch can't be read: {error}");
                    known.reach.unreached = known.reach.unreached.saturating_add(1);
                    if known.reach.detail.is_empty() {
                        known.reach.detail.clone_from(&why);
                    }
                    for id in ids {
                        known.failed.insert(id, why.clone());
                    }
                }
            }
        }
    }

    fn measured(
        &self,
        target: &Target,
        instance: &Instance,
        end: Timestamp,
    ) -> Result<Measured, Unmeasured> {
        let mut known = self.known();
        let id = &target.instance_id;
        let failed = known.failed.get(id).cloned();
        let machine = known.machines.entry(id.clone()).or_default();
        if !machine.see(instance, end) {
            return Err(Unmeasured(format!(
                "EC2 does not say since when {id} runs, so nobody knows of which size its CPU is a percentage"
            )));
        }
        let series = machine.series();
        let advice = machine.spent_credits().into_iter().collect();
        if series.cpu.is_empty() {
            return Err(Unmeasured(failed.unwrap_or_else(|| {
                format!(
                    "CloudWatch has no CPU of {id} since it was started; basic monitoring shows the first values after five to ten \
                     minutes"
                )
            })));
        }
        let notes = known.gaps.iter().cloned().chain(failed).collect();
        Ok(Measured {
            series,
            notes,
            advice,
            ..Measured::default()
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What a panicking holder left is a mixture of two reads, each of which is true.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
