//! The labels of a series in few bytes. Pure.

use std::{cmp::Ordering, collections::BTreeMap};

use prometheus_api::LabelledSeries;

/// Labels by name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(one, _)| **one == *name)
            .map(|(_, value)| &**value)
    }

    /// Their order among others.
    pub fn compare(&self, others: &BTreeMap<String, String>) -> Ordering {
        let own = self.0.iter().map(|(name, value)| (&**name, &**value));
        own.cmp(
            others
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
    }

    /// `{instance="10.0.0.7:9100",job="node"}`, on one line whatever they hold.
    pub fn name(&self) -> String {
        let owned = |(name, value): &(Box<str>, Box<str>)| (name.to_string(), value.to_string());
        let series = LabelledSeries {
            labels: self.0.iter().map(owned).collect(),
            samples: Vec::new(),
        };
        series.name()
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        let short = |(name, value): (String, String)| (name.into(), value.into());
        Self(labels.into_iter().map(short).collect())
    }
}
