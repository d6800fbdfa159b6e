//! The answers to the expressions, and what they have of one target.

use prometheus_api::RangeAnswer;

use super::matching::{Index, Wanted};
use crate::{
    samples::series::{RawSeries, Sample},
    sources::source::{Measured, Unmeasured},
};

/// The answers to the expressions, for one Prometheus.
#[derive(Debug)]
pub struct Answers {
    /// CPU in use.
    pub cpu: Answer,
    /// Memory in use.
    pub memory: Answer,
    /// Disk throughput.
    pub disk: Answer,
    /// Number of vCPUs.
    pub vcpus: Answer,
    /// Memory of the machine.
    pub memory_total: Answer,
    /// CPU that the host kept, where it is asked for.
    pub steal: Option<Answer>,
}

/// One answer, or why it can't be used.
pub type Answer = Result<Complete, Unmeasured>;

/// A complete answer.
#[derive(Debug)]
pub struct Complete {
    index: Index,
    /// What Prometheus says about the expression.
    advice: Vec<String>,
}

impl Complete {
    /// The answer's series, by `instance_label`.
    pub fn new(answer: RangeAnswer, instance_label: &str) -> Self {
        Self {
            index: Index::new(answer.series, instance_label),
            advice: answer.advice,
        }
    }
}

impl Answers {
    /// The series of one target.
    ///
    /// # Errors
    /// Why its CPU is unknown, one line: no answer, an incomplete one, or more than one series for it.
    pub fn measured(&self, wanted: &Wanted<'_>) -> Result<Measured, Unmeasured> {
        // vCPUs set the scale of CPU: neither is of use without the other.
        let cpu = find(&self.cpu, wanted)?;
        if let (true, Ok(answer)) = (cpu.is_empty(), &self.cpu)
            && let Some(strangers) = answer.index.strangers(wanted)
        {
            return Err(strangers);
        }
        let vcpus = find(&self.vcpus, wanted)?;
        if cpu.is_empty() && !vcpus.is_empty() {
            return Err(Unmeasured(format!(
                "no CPU samples in the window, though {} vCPU counts of it came: a rate needs two scrapes within its range; set scheduler.prometheus.scrape_interval_seconds to what the exporter has, and write [$range] in a cpu_query of your own",
                vcpus.len()
            )));
        }
        let mut notes = Vec::new();
        let mut optional = |answer: &Answer| {
            find(answer, wanted).unwrap_or_else(|why| {
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
        let steal = steal.map_or_else(Vec::new, |answer| find(answer, wanted).unwrap_or_default());
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
            steal,
            notes,
            advice,
        })
    }
}

fn find(answer: &Answer, wanted: &Wanted<'_>) -> Result<Vec<Sample>, Unmeasured> {
    let answer = answer.as_ref().map_err(Clone::clone)?;
    let sample = |sample: &prometheus_api::Sample| Sample {
        at: sample.at,
        value: sample.value,
    };
    let samples = answer.index.find(wanted)?;
    Ok(samples.iter().map(sample).collect())
}
