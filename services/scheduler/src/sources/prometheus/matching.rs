//! Which series belongs to which target. Pure.

use std::collections::HashMap;

use common::text::shortened;
use prometheus_api::LabelledSeries;

use crate::sources::source::Unmeasured;

/// Label that carries the EC2 instance id where service discovery adds it.
const INSTANCE_ID_LABEL: &str = "instance_id";

/// The mark by which a target's series is recognised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted<'a> {
    /// By this value of the instance label.
    Label(&'a str),
    /// By an address, with any port, or by the instance id.
    Machine {
        /// EC2 instance id.
        instance_id: &'a str,
        /// Empty when it has none.
        private_ip: &'a str,
        /// Empty when it has none.
        public_ip: &'a str,
    },
    /// The only one there is.
    Only,
}

/// The series of one answer, found by label in constant time.
#[derive(Debug, Default)]
pub struct Index {
    series: Vec<LabelledSeries>,
    by_label: HashMap<String, Vec<usize>>,
    by_host: HashMap<String, Vec<usize>>,
    by_instance_id: HashMap<String, Vec<usize>>,
}

impl Index {
    /// Indexes by `instance_label`.
    pub fn new(series: Vec<LabelledSeries>, instance_label: &str) -> Self {
        let mut index = Self::default();
        for (position, one) in series.iter().enumerate() {
            if let Some(value) = one.labels.get(instance_label) {
                index
                    .by_label
                    .entry(value.clone())
                    .or_default()
                    .push(position);
                index
                    .by_host
                    .entry(host(value).to_owned())
                    .or_default()
                    .push(position);
            }
            if let Some(value) = one.labels.get(INSTANCE_ID_LABEL) {
                index
                    .by_instance_id
                    .entry(value.clone())
                    .or_default()
                    .push(position);
            }
        }
        index.series = series;
        index
    }

    /// The target's series; `None` when there is none.
    ///
    /// # Errors
    /// When more than one fits: both names.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Option<&LabelledSeries>, Unmeasured> {
        let mut found: Vec<usize> = match *wanted {
            Wanted::Label(label) => self.by_label.get(label).cloned().unwrap_or_default(),
            Wanted::Only => (0..self.series.len()).collect(),
            Wanted::Machine {
                instance_id,
                private_ip,
                public_ip,
            } => [
                (&self.by_host, private_ip),
                (&self.by_host, public_ip),
                (&self.by_host, instance_id),
                (&self.by_instance_id, instance_id),
            ]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(index, value)| index.get(value))
            .flatten()
            .copied()
            .collect(),
        };
        found.sort_unstable();
        found.dedup();
        match found[..] {
            [] => Ok(None),
            [one] => Ok(self.series.get(one)),
            [first, second, ..] => Err(Unmeasured(format!(
                "{} series fit this target, such as {} and {}; set its `label`, or aggregate by one label in the expression",
                found.len(),
                shortened(&self.series[first].name()),
                shortened(&self.series[second].name()),
            ))),
        }
    }
}

/// `10.0.0.7` of `10.0.0.7:9100`, `fd00::7` of `[fd00::7]:9100`.
fn host(label: &str) -> &str {
    let host = match label.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => label,
    };
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)]) -> LabelledSeries {
        LabelledSeries {
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            samples: Vec::new(),
        }
    }

    fn machine<'a>(private_ip: &'a str) -> Wanted<'a> {
        Wanted::Machine {
            instance_id: "i-01234567",
            private_ip,
            public_ip: "",
        }
    }

    #[test]
    fn a_target_is_found_by_label_address_or_id() {
        let index = Index::new(
            vec![
                series(&[("instance", "10.0.0.1:9100")]),
                series(&[("instance", "10.0.0.11:9100")]),
                series(&[("instance", "[fd00::7]:9100")]),
                series(&[("instance", "node"), ("instance_id", "i-01234567")]),
            ],
            "instance",
        );
        let position = |wanted| {
            let found = index.find(&wanted).unwrap()?;
            index.series.iter().position(|one| one == found)
        };
        assert_eq!(position(Wanted::Label("10.0.0.1:9100")), Some(0));
        // Not a prefix, not the host: exactly what is configured.
        assert_eq!(position(Wanted::Label("10.0.0.1")), None);
        assert_eq!(position(machine("")), Some(3));
        let other = |private_ip| Wanted::Machine {
            instance_id: "i-0",
            private_ip,
            public_ip: "",
        };
        assert_eq!(position(other("10.0.0.1")), Some(0));
        assert_eq!(position(other("10.0.0.11")), Some(1));
        assert_eq!(position(other("fd00::7")), Some(2));
        assert_eq!(position(other("")), None);
    }

    #[test]
    fn duplicates_are_refused_with_both_names() {
        let index = Index::new(
            vec![
                series(&[("instance", "10.0.0.1:9100"), ("job", "node")]),
                series(&[("instance", "10.0.0.1:9100"), ("job", "copy")]),
            ],
            "instance",
        );
        for wanted in [
            Wanted::Label("10.0.0.1:9100"),
            machine("10.0.0.1"),
            Wanted::Only,
        ] {
            let message = index.find(&wanted).unwrap_err().to_string();
            for name in [
                r#"{instance="10.0.0.1:9100",job="node"}"#,
                r#"{instance="10.0.0.1:9100",job="copy"}"#,
            ] {
                assert!(message.contains(name), "{message}");
            }
        }
    }
}
