//! One series as it is kept from tick to tick. Pure.

mod labels;
mod times;
mod values;

use std::collections::BTreeMap;

use prometheus_api::Sample as Answered;

use crate::samples::series::Sample;
pub use labels::Labels;
use times::Times;
use values::Values;

/// So many of the newest values are kept as they came, however old: what judges units looks at their last digits.
const MOST_EXACT: usize = 12;

/// A series with its past.
#[derive(Clone, Debug)]
pub struct Kept {
    labels: Labels,
    times: Times,
    values: Values,
    /// Of the present, where that lies between two points of the grid; the next reading replaces it.
    present: Option<Sample>,
}

impl Kept {
    /// Without a past.
    pub fn new(labels: BTreeMap<String, String>) -> Self {
        Self {
            labels: labels.into(),
            times: Times::default(),
            values: Values::default(),
            present: None,
        }
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Forgets the present, and what is not before `cutoff`.
    pub fn cut(&mut self, cutoff: f64) {
        self.present = None;
        let number = self.times.len() - self.since(cutoff);
        self.times.truncate(number);
        self.values.truncate(number);
    }

    /// Adds samples; whether their times ascend.
    pub fn extend(&mut self, samples: impl IntoIterator<Item = Answered>) -> bool {
        let mut last = self.last().unwrap_or(f64::NEG_INFINITY);
        let mut ascend = true;
        for sample in samples {
            ascend &= sample.at > last;
            last = sample.at;
            self.times.push(sample.at);
            self.values.push(sample.value);
        }
        ascend
    }

    /// Sets the present, if it is later than the rest.
    pub fn set_present(&mut self, present: Answered) {
        let is_later = self.last().is_none_or(|last| present.at > last);
        self.present = is_later.then_some(Sample {
            at: present.at,
            value: present.value,
        });
    }

    /// Makes what is before `sealed` compact, and drops what is before `begin`, both as far as blocks go.
    pub fn compact(&mut self, sealed: f64, begin: f64) {
        self.values.seal(self.since(sealed).max(MOST_EXACT));
        let old = self.times.iter().take_while(|at| *at < begin).count();
        let dropped = self.values.drop_first(old);
        self.times.drop_first(dropped);
    }

    /// The time of its last sample.
    pub fn last(&self) -> Option<f64> {
        self.times.iter().next_back()
    }

    /// Its samples since `begin`.
    pub fn samples(&self, begin: f64) -> Vec<Sample> {
        let values = self.values.to_vec();
        let all = self.times.iter().zip(values);
        all.filter(|(at, _)| *at >= begin)
            .map(|(at, value)| Sample { at, value })
            .chain(self.present)
            .collect()
    }

    /// Bytes that it takes beside itself.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.times.bytes() + self.values.bytes()
    }

    /// How many of its last samples are not before `at`.
    fn since(&self, at: f64) -> usize {
        self.times
            .iter()
            .rev()
            .take_while(|time| *time >= at)
            .count()
    }
}
