//! The answers to the expressions, and what they have of one target.

use std::sync::Arc;

use super::{history::History, matching::Wanted};
use crate::{
    samples::series::RawSeries,
    sources::source::{Doubt, Measured, Unmeasured},
};

/// The answers to the expressions, for one Prometheus.
#[derive(Debug)]
pub struct Answers {
    /// CPU in use.
    pub cpu: PerChunk,
    /// Memory in use.
    pub memory: PerChunk,
    /// Disk throughput.
    pub disk: PerChunk,
    /// Number of vCPUs.
    pub vcpus: PerChunk,
    /// Memory of the machine.
    pub memory_total: PerChunk,
    /// CPU that the host kept, where it is asked for.
    pub steal: Option<PerChunk>,
}

/// The answers for each chunk of a fleet, by its number, or the one for all.
#[derive(Debug, Default)]
pub struct PerChunk(pub Vec<Answer>);

impl PerChunk {
    fn of(&self, chunk: usize) -> Result<&Complete, Unmeasured> {
        let answer = self.0.get(chunk).or_else(|| self.0.first());
        let nothing = || Unmeasured("nothing was asked for it".to_owned());
        answer.ok_or_else(nothing)?.as_ref().map_err(Clone::clone)
    }
}

/// One answer, or why it can't be used.
pub type Answer = Result<Complete, Unmeasured>;

/// A complete answer, with what is known from before.
#[derive(Debug)]
pub struct Complete {
    history: Arc<History>,
    /// What Prometheus says about the expression.
    advice: Vec<String>,
}

impl Complete {
    /// What is known by now.
    pub fn new(history: Arc<History>, advice: Vec<String>) -> Self {
        Self { history, advice }
    }

    /// Whether it has series with other labels than these.
    pub fn has_others(&self, labels: &[&str]) -> bool {
        self.history.has_others(labels)
    }
}

impl Answers {
    /// The series of one target, which is in this chunk.
    ///
    /// # Errors
    /// Why its CPU is unknown, one line: no answer, an incomplete one, or more than one series for it.
    pub fn measured(&self, chunk: usize, wanted: &Wanted<'_>) -> Result<Measured, Unmeasured> {
        // vCPUs set the scale of CPU: neither is of use without the other.
        let find = |metric: &PerChunk| metric.of(chunk)?.history.find(wanted);
        let cpu = find(&self.cpu)?;
        if cpu.is_empty()
            && let Some(strangers) = self.cpu.of(chunk)?.history.strangers(wanted)
        {
            return Err(strangers);
        }
        let vcpus = find(&self.vcpus)?;
        if cpu.is_empty() && !vcpus.is_empty() {
            return Err(Unmeasured(format!(
                "no CPU samples in the window, though {} vCPU counts of it came: a rate needs two scrapes within its range; set scheduler.prometheus.scrape_interval_seconds to what the exporter has, and write [$range] in a cpu_query of your own",
                vcpus.len()
            )));
        }
        let mut notes = Vec::new();
        let mut optional = |metric: &PerChunk| {
            find(metric).unwrap_or_else(|why| {
                notes.push(why.to_string());
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
        // Not every exporter knows it, and nothing rests on it.
        let steal = self.steal.as_ref();
        let steal = steal.map_or_else(Vec::new, |metric| find(metric).unwrap_or_default());
        let answers = [
            &self.cpu,
            &self.vcpus,
            &self.memory,
            &self.disk,
            &self.memory_total,
        ];
        let complete = || answers.iter().filter_map(|metric| metric.of(chunk).ok());
        let mut advice: Vec<String> = complete()
            .flat_map(|answer| answer.advice.iter().cloned())
            .collect();
        advice.dedup();
        let flags = complete().map(|answer| answer.history.doubted());
        Ok(Measured {
            series,
            steal,
            notes,
            advice,
            doubt: Doubt::new(flags.collect()),
            is_part: complete().any(|answer| !answer.history.is_whole()),
        })
    }
}
