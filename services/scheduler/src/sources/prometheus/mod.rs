//! Prometheus as a source: from PromQL expressions to the series of each target.

pub mod addresses;
mod answers;
mod asking;
mod chunks;
mod client;
pub mod expressions;
mod grid;
mod headers;
mod histories;
mod history;
mod kept;
mod matching;
mod secret;
pub mod settings;
#[cfg(feature = "aws")]
mod sigv4;
mod warming;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use common::text::one_line;
use futures::future::OptionFuture;
use jiff::Timestamp;
use url::Url;

use super::source::{Measured, Reading, Sampling, Source, Unmeasured};
use crate::domain::{Instance, Reach, Target};
use answers::Answers;
use asking::{Asking, Place};
use chunks::{Chunk, Chunks};
use client::{MetricsError, Prometheus, base_url};
use histories::Histories;
use matching::Wanted;
use settings::{Address, Mode, PrometheusConfig};
use warming::Budget;

/// So much is read of what says something of now only, seconds.
const LATELY_SECONDS: u32 = 3_600;
/// Machines looked up at the same time in what a central Prometheus answered.
const LOOKUPS: usize = 16;

/// One Prometheus for all targets, or one on each.
#[derive(Debug)]
pub struct PrometheusSource {
    prometheus: Prometheus,
    config: PrometheusConfig,
    central: Option<Url>,
    /// All targets, whichever a tick is over.
    fleet: Arc<[Target]>,
    histories: Histories,
    /// Of the tick that asked at this time.
    reach: Mutex<(Option<Timestamp>, Reach)>,
    /// An answer was too large: from then on a small fleet is asked for by its labels, too, for the server may have many
    /// more machines.
    narrow: AtomicBool,
}

/// What a central Prometheus answered for the fleet.
struct FleetReading {
    answers: Answers,
    /// The chunk of each label, where there is more than one.
    chunks: HashMap<String, usize>,
    /// That of all others.
    last: usize,
}

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
        self.histories.begin(end.as_second());
        let Some(url) = &self.central else {
            return Box::new(EachReading { source: self, end });
        };
        // A tick over some targets asks what one over all asks, as far as it needs that.
        let labels = chunks::labels(&self.fleet);
        let narrow = self.narrow.load(Ordering::Relaxed);
        let chunks = Chunks::new(&labels, self.fleet.len(), narrow).with(targets);
        let whole = Chunk::whole(&labels, self.fleet.len());
        let place = Place {
            url,
            instance_id: "",
        };
        Box::new(FleetReading {
            answers: self.ask(place, chunks.all(), whole, end).await,
            chunks: chunks.by_label(),
            last: chunks.all().len().saturating_sub(1),
        })
    }

    fn reach(&self) -> Reach {
        let reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        reach.1.clone()
    }
}

#[async_trait]
impl Reading for FleetReading {
    async fn of(&self, target: &Target, instance: &Instance) -> Result<Measured, Unmeasured> {
        let chunk = target
            .label
            .as_ref()
            .and_then(|label| self.chunks.get(label));
        let wanted = match &target.label {
            Some(label) => Wanted::Label(label),
            None => Wanted::Machine {
                instance_id: &target.instance_id,
                private_ip: &instance.private_ip,
                public_ip: &instance.public_ip,
            },
        };
        self.answers
            .measured(chunk.copied().unwrap_or(self.last), &wanted)
    }
}

#[async_trait]
impl Reading for EachReading<'_> {
    async fn of(&self, target: &Target, instance: &Instance) -> Result<Measured, Unmeasured> {
        self.source.of_one(target, instance, self.end).await
    }
}

impl PrometheusSource {
    /// Reads series of `fleet`; connects at the first query.
    ///
    /// # Errors
    /// A URL that can't be used, or a TLS set-up that can't be built.
    pub fn new(config: &PrometheusConfig, fleet: Arc<[Target]>) -> Result<Self, MetricsError> {
        let central = match config.mode {
            Mode::Central => Some(base_url(&config.url)?),
            Mode::OnInstance => None,
        };
        Ok(Self {
            prometheus: Prometheus::new(config, central.as_ref())?,
            config: config.clone(),
            central,
            fleet,
            histories: Histories::new(
                &config.instance_label,
                config.step_seconds,
                Budget::default(),
            ),
            reach: Mutex::default(),
            narrow: AtomicBool::new(false),
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
        let label: Vec<&str> = target.label.as_deref().into_iter().collect();
        let whole = Chunk::whole(&label, 1);
        let place = Place {
            url: &url,
            instance_id: &target.instance_id,
        };
        let answers = self.ask(place, &[whole], whole, end).await;
        let wanted = match &target.label {
            Some(label) => Wanted::Label(label),
            None => Wanted::Only,
        };
        answers.measured(0, &wanted)
    }

    async fn ask(
        &self,
        place: Place<'_>,
        chunks: &[Chunk<'_>],
        whole: Chunk<'_>,
        end: Timestamp,
    ) -> Answers {
        let config = &self.config;
        let asking = Asking::new(&self.prometheus, config, &self.histories, place, end);
        let window = config.window_seconds;
        let lately = LATELY_SECONDS.min(window);
        let one = |expression, seconds| asking.metric(expression, chunks, whole, seconds);
        let steal = config.steal_query.as_deref();
        let (cpu, memory, disk, vcpus, memory_total, steal) = futures::join!(
            one(&config.cpu_query, window),
            one(&config.memory_query, window),
            one(&config.disk_query, lately),
            one(&config.vcpus_query, window),
            one(&config.memory_total_query, window),
            OptionFuture::from(steal.map(|query| one(query, lately))),
        );
        self.note_reach(end, asking.unreached());
        if asking.was_too_large() {
            self.narrow.store(true, Ordering::Relaxed);
        }
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

#[cfg(test)]
mod tests;
