//! Which series belongs to which target. Pure.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::OnceLock,
};

use common::text::shortened;
use prometheus_api::{LabelledSeries, Sample};

use crate::sources::source::Unmeasured;

/// Label that carries the EC2 instance id where service discovery adds it.
const INSTANCE_ID_LABEL: &str = "instance_id";
/// Two values of one time that differ by less than this share of them are the same.
const SAME: f64 = 1e-6;
/// So many names are repeated when none fits.
const MOST_NAMES: usize = 4;

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

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => formatter.write_str(label),
            Self::Machine {
                instance_id,
                private_ip,
                public_ip,
            } => {
                let all = [*private_ip, *public_ip, *instance_id];
                let all: Vec<&str> = all.into_iter().filter(|one| !one.is_empty()).collect();
                formatter.write_str(&all.join(" or "))
            }
            Self::Only => formatter.write_str("anything"),
        }
    }
}

/// The series of one answer, found by label in constant time.
#[derive(Debug, Default)]
pub struct Index {
    instance_label: String,
    series: Vec<LabelledSeries>,
    by_label: HashMap<String, Vec<usize>>,
    by_host: HashMap<String, Vec<usize>>,
    by_instance_id: HashMap<String, Vec<usize>>,
    /// Names of a few series, made once somebody asks: in a fleet many may.
    examples: OnceLock<String>,
}

impl Index {
    /// Indexes by `instance_label`.
    pub fn new(series: Vec<LabelledSeries>, instance_label: &str) -> Self {
        let mut index = Self {
            instance_label: instance_label.to_owned(),
            ..Self::default()
        };
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

    /// Whether there are series of other machines than those with these labels.
    pub fn has_others(&self, labels: &[&str]) -> bool {
        let own: HashSet<&str> = labels.iter().copied().collect();
        self.by_label
            .keys()
            .any(|label| !own.contains(label.as_str()))
    }

    /// The target's samples by time; none when no series is its own. Series of one machine whose other labels changed, such
    /// as its type, are one; where they contradict each other nothing is known.
    ///
    /// # Errors
    /// When series of more than one machine fit, or they contradict each other to the end: two names.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Cow<'_, [Sample]>, Unmeasured> {
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
            [] => Ok(Cow::default()),
            [one] => Ok(Cow::Borrowed(&self.series[one].samples)),
            [first, second, ..] => self.joined(&found).map(Cow::Owned).ok_or_else(|| {
                Unmeasured(format!(
                    "{} series fit this target, such as {} and {}; set its `label`, or aggregate by one label in the expression",
                    found.len(),
                    shortened(&self.series[first].name()),
                    shortened(&self.series[second].name()),
                ))
            }),
        }
    }

    /// These series as one; `None` when they are not those of one machine.
    fn joined(&self, found: &[usize]) -> Option<Vec<Sample>> {
        let all = || found.iter().map(|position| &self.series[*position]);
        let machine = |series: &LabelledSeries| {
            let label = |name: &str| series.labels.get(name).cloned();
            (label(&self.instance_label), label(INSTANCE_ID_LABEL))
        };
        let first = machine(all().next()?);
        if all().any(|series| machine(series) != first) {
            return None;
        }
        // By the bits of the time, for it is no negative number. `None` where they contradict each other.
        let mut joined: BTreeMap<u64, (f64, Option<f64>)> = BTreeMap::new();
        for sample in all().flat_map(|series| &series.samples) {
            let (_, value) = joined
                .entry(sample.at.to_bits())
                .or_insert((sample.at, Some(sample.value)));
            *value = value.filter(|value| is_same(*value, sample.value));
        }
        let (_, last) = joined.values().next_back()?;
        last.as_ref()?;
        let known = joined.into_values();
        Some(
            known
                .filter_map(|(at, value)| Some(Sample { at, value: value? }))
                .collect(),
        )
    }

    /// That series came and none is `wanted`: which ones did. `None` when none came.
    pub fn strangers(&self, wanted: &Wanted<'_>) -> Option<Unmeasured> {
        (!self.series.is_empty()).then(|| {
            Unmeasured(format!(
                "{} CPU series came, none with {}={wanted}; there are: {}; is its exporter scraped, and does the \
                 expression keep the label?",
                self.series.len(),
                self.instance_label,
                self.examples.get_or_init(|| self.some_names()),
            ))
        })
    }

    fn some_names(&self) -> String {
        let mut names: Vec<String> = self
            .series
            .iter()
            .map(|series| match series.labels.get(&self.instance_label) {
                Some(value) => value.escape_debug().to_string(),
                None => series.name(),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        let more = match names.len().saturating_sub(MOST_NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        names.truncate(MOST_NAMES);
        shortened(&names.join(", ")) + &more
    }
}

fn is_same(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits() || (one - other).abs() <= SAME * one.abs().max(other.abs())
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

    fn series(labels: &[(&str, &str)], samples: &[(u32, f64)]) -> LabelledSeries {
        LabelledSeries {
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            samples: samples
                .iter()
                .map(|(at, value)| Sample {
                    at: f64::from(*at),
                    value: *value,
                })
                .collect(),
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
                series(&[("instance", "10.0.0.1:9100")], &[(0, 0.0)]),
                series(&[("instance", "10.0.0.11:9100")], &[(0, 1.0)]),
                series(&[("instance", "[fd00::7]:9100")], &[(0, 2.0)]),
                series(
                    &[("instance", "node"), ("instance_id", "i-01234567")],
                    &[(0, 3.0)],
                ),
            ],
            "instance",
        );
        // Each has one sample, whose value is its position.
        let position = |wanted| {
            let found = index.find(&wanted).unwrap();
            found.first().map(|sample| sample.value as usize)
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
                series(
                    &[("instance", "10.0.0.1:9100"), ("job", "node")],
                    &[(0, 1.0)],
                ),
                series(
                    &[("instance", "10.0.0.1:9100"), ("job", "copy")],
                    &[(0, 2.0)],
                ),
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

    #[test]
    fn series_of_one_machine_are_one_history() {
        let of = |kind: &str, more: &[(&str, &str)], samples: &[(u32, f64)]| {
            let labels = [("instance", "a:9100"), ("instance_type", kind)];
            series(&[&labels[..], more].concat(), samples)
        };
        let found = |all: Vec<LabelledSeries>| {
            let index = Index::new(all, "instance");
            let found = index.find(&Wanted::Label("a:9100")).ok()?;
            Some(
                found
                    .iter()
                    .map(|sample| (sample.at as u32, sample.value))
                    .collect::<Vec<_>>(),
            )
        };
        // One ends, the next begins; in the order of time, whatever that of the answer.
        let after = of("m6i.large", &[], &[(2, 5.0), (3, 6.0)]);
        let before = of("m6i.xlarge", &[], &[(0, 1.0), (1, 2.0)]);
        let whole = vec![(0, 1.0), (1, 2.0), (2, 5.0), (3, 6.0)];
        assert_eq!(
            found(vec![after.clone(), before.clone()]),
            Some(whole.clone())
        );
        // They agree where they overlap.
        let agrees = of("m6i.xlarge", &[], &[(0, 1.0), (1, 2.0), (2, 5.0)]);
        assert_eq!(found(vec![agrees, after.clone()]), Some(whole));
        // They don't: unknown there.
        let differs = of("m6i.xlarge", &[], &[(1, 2.0), (2, 9.0)]);
        assert_eq!(
            found(vec![differs, after.clone()]),
            Some(vec![(1, 2.0), (3, 6.0)])
        );
        // To the end: nobody knows which one is right.
        let differs = of("m6i.xlarge", &[], &[(1, 2.0), (3, 9.0)]);
        assert_eq!(found(vec![differs, after.clone()]), None);
        // An address that another machine had before.
        let other = of("m6i.xlarge", &[("instance_id", "i-1")], &[(0, 1.0)]);
        assert_eq!(found(vec![other, after]), None);
    }

    #[test]
    fn what_came_instead_is_named() {
        let said = |all: Vec<LabelledSeries>| {
            let index = Index::new(all, "instance");
            let said = index.strangers(&Wanted::Label("10.0.0.7:9100"));
            said.map(|said| said.to_string())
        };
        assert_eq!(said(Vec::new()), None);
        let without = said(vec![series(&[], &[(0, 1.0)])]).unwrap();
        assert!(
            without
                .starts_with("1 CPU series came, none with instance=10.0.0.7:9100; there are: {};"),
            "{without}"
        );
        let many = (0..9).map(|number| {
            let label = format!("web-{number}:9100");
            series(&[("instance", &label)], &[])
        });
        let many = said(many.collect()).unwrap();
        assert!(
            many.contains("web-0:9100, web-1:9100, web-2:9100, web-3:9100 and 5 more"),
            "{many}"
        );
    }
}
