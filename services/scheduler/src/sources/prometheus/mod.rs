//! Prometheus as a source: from PromQL expressions to the series of each target.

pub mod addresses;
mod answers;
mod client;
pub mod expressions;
mod headers;
mod matching;
mod secret;
pub mod settings;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use common::text::one_line;
use futures::future::OptionFuture;
use jiff::Timestamp;
use prometheus_api::shown;
use url::Url;

use super::source::{Measured, Reading, Sampling, Source, Unmeasured};
use crate::domain::{Instance, Reach, Target};
use answers::{Answers, Complete};
use client::{MetricsError, Prometheus, Window, base_url};
use matching::Wanted;
use settings::{Address, Mode, PrometheusConfig};

/// So much of steal is read, seconds: it says something of now only.
const STEAL_SECONDS: u32 = 3_600;
/// Machines looked up at the same time in what a central Prometheus answered.
const LOOKUPS: usize = 16;

/// One Prometheus for all targets, or one on each.
#[derive(Debug)]
pub struct PrometheusSource {
    prometheus: Prometheus,
    config: PrometheusConfig,
    central: Option<Url>,
    /// Of the tick that asked at this time.
    reach: Mutex<(Option<Timestamp>, Reach)>,
}

/// What a central Prometheus answered for the fleet.
struct FleetReading(Answers);

/// A window that is read from the Prometheus of each target.
struct EachReading<'a> {
    source: &'a PrometheusSource,
    end: Timestamp,
}

#[async_trait]
impl Source for PrometheusSource {
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
        match self.central {
            Some(_) => LOOKUPS,
            None => self.config.concurrency as usize,
        }
    }

    async fn begin<'a>(&'a self, targets: &'a [Target], end: Timestamp) -> Box<dyn Reading + 'a> {
        let Some(url) = &self.central else {
            return Box::new(EachReading { source: self, end });
        };
        let labels = targets.iter().filter_map(|target| target.label.as_deref());
        Box::new(FleetReading(self.ask(url, labels.collect(), end).await))
    }

    fn reach(&self) -> Reach {
        let reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        reach.1.clone()
    }
}

#[async_trait]
impl Reading for FleetReading {
    async fn of(&self, target: &Target, instance: &Instance) -> Result<Measured, Unmeasured> {
        self.0.measured(&match &target.label {
            Some(label) => Wanted::Label(label),
            None => Wanted::Machine {
                instance_id: &target.instance_id,
                private_ip: &instance.private_ip,
                public_ip: &instance.public_ip,
            },
        })
    }
}

#[async_trait]
impl Reading for EachReading<'_> {
    async fn of(&self, target: &Target, instance: &Instance) -> Result<Measured, Unmeasured> {
        self.source.of_one(target, instance, self.end).await
    }
}

impl PrometheusSource {
    /// Connects at the first query.
    ///
    /// # Errors
    /// A URL that can't be used, or a TLS set-up that can't be built.
    pub fn new(config: &PrometheusConfig) -> Result<Self, MetricsError> {
        let central = match config.mode {
            Mode::Central => Some(base_url(&config.url)?),
            Mode::OnInstance => None,
        };
        Ok(Self {
            prometheus: Prometheus::new(config, central.as_ref())?,
            config: config.clone(),
            central,
            reach: Mutex::default(),
        })
    }

    /// One Prometheus was asked for the tick at `end`.
    fn note_reach(&self, end: Timestamp, unreached: Option<String>) {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_at, reach) = &mut *reach;
        if *asked_at != Some(end) {
            *asked_at = Some(end);
            *reach = Reach::default();
        }
        match unreached {
            None => reach.reached = reach.reached.saturating_add(1),
            Some(why) => {
                reach.unreached = reach.unreached.saturating_add(1);
                if reach.detail.is_empty() {
                    reach.detail = one_line(&why);
                }
            }
        }
    }

    /// One target, from the Prometheus that runs on it.
    ///
    /// # Errors
    /// Why its metrics are unknown, one line.
    async fn of_one(
        &self,
        target: &Target,
        instance: &Instance,
        end: Timestamp,
    ) -> Result<Measured, Unmeasured> {
        let (address, kind) = match self.config.address {
            Address::Private => (&instance.private_ip, "private"),
            Address::Public => (&instance.public_ip, "public"),
        };
        if address.is_empty() {
            return Err(Unmeasured(format!(
                "{} has no {kind} address to ask Prometheus at; see scheduler.prometheus.address",
                target.instance_id
            )));
        }
        let address =
            addresses::instance_address(address).map_err(|error| Unmeasured(error.to_string()))?;
        let url = format!(
            "http://{}",
            std::net::SocketAddr::new(address, self.config.port)
        );
        let url = base_url(&url).map_err(|error| Unmeasured(error.to_string()))?;
        let answers = self
            .ask(&url, target.label.as_deref().into_iter().collect(), end)
            .await;
        let wanted = match &target.label {
            Some(label) => Wanted::Label(label),
            None => Wanted::Only,
        };
        answers.measured(&wanted)
    }

    async fn ask(&self, url: &Url, labels: Vec<&str>, end: Timestamp) -> Answers {
        let over = |seconds: u32| Window {
            end,
            step_seconds: self.config.step_seconds,
            seconds: seconds.min(self.config.window_seconds),
        };
        let unreached = &Mutex::new(None);
        let one = |expression: &str, window: Window| {
            let expression = self.config.in_range(expression);
            let query = expressions::with_instances(&expression, labels.iter().copied());
            async move {
                match self.prometheus.query_range(url, &query, window).await {
                    Ok(answer) if answer.warnings.is_empty() => {
                        Ok(Complete::new(answer, &self.config.instance_label))
                    }
                    // That is how a federated store says that part of the data is missing.
                    Ok(answer) => Err(Unmeasured(format!(
                        "Prometheus at {} warns that its answer may be incomplete: {}",
                        shown(url),
                        one_line(&answer.warnings.join("; "))
                    ))),
                    Err(error) => {
                        if error.is_out_of_reach() {
                            let mut first =
                                unreached.lock().unwrap_or_else(PoisonError::into_inner);
                            first.get_or_insert_with(|| error.to_string());
                        }
                        Err(Unmeasured(error.to_string()))
                    }
                }
            }
        };
        let config = &self.config;
        let whole = over(u32::MAX);
        let steal = config.steal_query.as_deref();
        let (cpu, memory, disk, vcpus, memory_total, steal) = futures::join!(
            one(&config.cpu_query, whole),
            one(&config.memory_query, whole),
            one(&config.disk_query, whole),
            one(&config.vcpus_query, whole),
            one(&config.memory_total_query, whole),
            OptionFuture::from(steal.map(|query| one(query, over(STEAL_SECONDS)))),
        );
        let unreached = unreached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.note_reach(end, unreached);
        Answers {
            cpu,
            memory,
            disk,
            vcpus,
            memory_total,
            steal,
        }
    }
}
