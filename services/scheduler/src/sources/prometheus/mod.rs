//! Metrics: from PromQL expressions to the series of each target.

pub mod addresses;
mod client;
pub mod expressions;
pub mod matching;

use std::sync::{Mutex, PoisonError};

use common::{
    prometheus::{Sample, shown},
    text::one_line,
};
use futures::future::join5;
use jiff::Timestamp;
use url::Url;

use crate::{
    config::{Address, Mode, PrometheusConfig},
    domain::{Instance, Target},
    samples::observe::RawSeries,
};
use client::{MetricsError, Prometheus, Window};
use matching::{Index, Wanted};

/// The answers to the five expressions, for one Prometheus.
#[derive(Debug)]
pub struct Answers {
    cpu: Answer,
    memory: Answer,
    disk: Answer,
    vcpus: Answer,
    memory_total: Answer,
}

type Answer = Result<Complete, String>;

/// A complete answer.
#[derive(Debug)]
struct Complete {
    index: Index,
    /// What Prometheus says about the expression.
    advice: Vec<String>,
}

/// The series of one target, and what is missing without making the whole unknown.
#[derive(Debug, Default)]
pub struct Measured {
    /// As Prometheus gave them.
    pub series: RawSeries,
    /// One line each.
    pub notes: Vec<String>,
    /// What is worth knowing and no trouble, one line each.
    pub advice: Vec<String>,
}

/// Whether Prometheus answered the last time that it was asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// Those that did, in the last tick.
    pub reached: u32,
    /// Those that can't be reached, or are too slow.
    pub unreached: u32,
    /// Why the first of them was not, one line.
    pub detail: String,
}

impl Reach {
    /// "reachable", "partly", "unreachable", or "unknown" before the first tick.
    pub fn name(&self) -> &'static str {
        match (self.reached, self.unreached) {
            (0, 0) => "unknown",
            (_, 0) => "reachable",
            (0, _) => "unreachable",
            (_, _) => "partly",
        }
    }
}

/// Where metrics come from.
#[derive(Debug)]
pub struct PrometheusSource {
    prometheus: Prometheus,
    config: PrometheusConfig,
    central: Option<Url>,
    /// Of the tick that asked at this time.
    reach: Mutex<(Option<Timestamp>, Reach)>,
}

impl PrometheusSource {
    /// Connects at the first query.
    ///
    /// # Errors
    /// A URL that can't be used, or a TLS set-up that can't be built.
    pub fn new(config: &PrometheusConfig) -> Result<Self, MetricsError> {
        let central = match config.mode {
            Mode::Central => Some(client::base_url(&config.url)?),
            Mode::OnInstance => None,
        };
        Ok(Self {
            prometheus: Prometheus::new(config, central.as_ref())?,
            config: config.clone(),
            central,
            reach: Mutex::default(),
        })
    }

    /// Whether Prometheus answered at the last tick.
    pub fn reach(&self) -> Reach {
        let reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        reach.1.clone()
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

    /// True when one Prometheus knows all targets.
    pub fn is_central(&self) -> bool {
        self.central.is_some()
    }

    /// All targets at once, from the central Prometheus; `None` in mode `on_instance`.
    pub async fn of_the_fleet(&self, targets: &[Target], end: Timestamp) -> Option<Answers> {
        let url = self.central.as_ref()?;
        let labels = targets.iter().filter_map(|target| target.label.as_deref());
        Some(self.ask(url, labels, end).await)
    }

    /// One target, from the Prometheus that runs on it.
    ///
    /// # Errors
    /// Why its metrics are unknown, one line.
    pub async fn of_one(
        &self,
        target: &Target,
        instance: &Instance,
        end: Timestamp,
    ) -> Result<Measured, String> {
        let (address, kind) = match self.config.address {
            Address::Private => (&instance.private_ip, "private"),
            Address::Public => (&instance.public_ip, "public"),
        };
        if address.is_empty() {
            return Err(format!(
                "{} has no {kind} address to ask Prometheus at; see scheduler.prometheus.address",
                target.instance_id
            ));
        }
        let address = addresses::instance_address(address)?;
        let url = format!(
            "http://{}",
            std::net::SocketAddr::new(address, self.config.port)
        );
        let url = client::base_url(&url).map_err(|error| error.to_string())?;
        let answers = self
            .ask(&url, target.label.as_deref().into_iter(), end)
            .await;
        let wanted = match &target.label {
            Some(label) => Wanted::Label(label),
            None => Wanted::Only,
        };
        answers.measured(&wanted)
    }

    async fn ask<'a>(
        &self,
        url: &Url,
        labels: impl Iterator<Item = &'a str> + Clone,
        end: Timestamp,
    ) -> Answers {
        let window = Window {
            end,
            step_seconds: self.config.step_seconds,
            seconds: self.config.window_seconds,
        };
        let unreached = &Mutex::new(None);
        let one = |expression: &str| {
            let query = expressions::with_instances(expression, labels.clone());
            async move {
                match self.prometheus.query_range(url, &query, window).await {
                    Ok(answer) if answer.warnings.is_empty() => Ok(Complete {
                        index: Index::new(answer.series, &self.config.instance_label),
                        advice: answer.advice,
                    }),
                    // That is how a federated store says that part of the data is missing.
                    Ok(answer) => Err(format!(
                        "Prometheus at {} warns that its answer may be incomplete: {}",
                        shown(url),
                        one_line(&answer.warnings.join("; "))
                    )),
                    Err(error) => {
                        if error.is_out_of_reach() {
                            let mut first =
                                unreached.lock().unwrap_or_else(PoisonError::into_inner);
                            first.get_or_insert_with(|| error.to_string());
                        }
                        Err(error.to_string())
                    }
                }
            }
        };
        let config = &self.config;
        let (cpu, memory, disk, vcpus, memory_total) = join5(
            one(&config.cpu_query),
            one(&config.memory_query),
            one(&config.disk_query),
            one(&config.vcpus_query),
            one(&config.memory_total_query),
        )
        .await;
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
        }
    }
}

impl Answers {
    /// The series of one target.
    ///
    /// # Errors
    /// Why its CPU is unknown, one line: no answer, an incomplete one, or more than one series for it.
    pub fn measured(&self, wanted: &Wanted<'_>) -> Result<Measured, String> {
        // vCPUs set the scale of CPU: neither is of use without the other.
        let cpu = find(&self.cpu, wanted)?;
        let vcpus = find(&self.vcpus, wanted)?;
        let mut notes = Vec::new();
        let mut optional = |answer: &Answer| {
            find(answer, wanted).unwrap_or_else(|why| {
                notes.push(why);
                Vec::new()
            })
        };
        let series = RawSeries {
            memory: optional(&self.memory),
            disk: optional(&self.disk),
            memory_total: optional(&self.memory_total),
            cpu,
            vcpus,
        };
        notes.dedup();
        let answers = [
            &self.cpu,
            &self.vcpus,
            &self.memory,
            &self.disk,
            &self.memory_total,
        ];
        let mut advice: Vec<String> = answers
            .into_iter()
            .flatten()
            .flat_map(|answer| answer.advice.iter().cloned())
            .collect();
        advice.dedup();
        Ok(Measured {
            series,
            notes,
            advice,
        })
    }
}

fn find(answer: &Answer, wanted: &Wanted<'_>) -> Result<Vec<Sample>, String> {
    let answer = answer.as_ref().map_err(Clone::clone)?;
    let found = answer.index.find(wanted)?;
    Ok(found
        .map(|series| series.samples.clone())
        .unwrap_or_default())
}
