//! Which series belongs to which target. Pure.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::OnceLock,
};

use common::text::shortened;

use super::kept::Kept;
use crate::{samples::series::Sample, sources::source::Unmeasured};

/// Label that carries the EC2 instance id where service discovery adds it.
const INSTANCE_ID_LABEL: &str = "instance_id";
/// Two values of one time that differ by less than this share of them are the same: what is kept is rounded.
const SAME: f64 = 1e-3;
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

/// Where each machine's series are among others.
#[derive(Clone, Debug, Default)]
pub struct Index {
    instance_label: String,
    /// Places, in the order of what they are found by.
    by_label: Vec<u32>,
    by_host: Vec<u32>,
    by_instance_id: Vec<u32>,
    /// Names of a few series, made once somebody asks: in a fleet many may.
    examples: OnceLock<String>,
}

/// What a series is found by.
type Key = for<'a> fn(&'a Kept, &str) -> Option<&'a str>;

const BY_LABEL: Key = |kept, label| kept.labels().get(label);
const BY_HOST: Key = |kept, label| kept.labels().get(label).map(host);
const BY_INSTANCE_ID: Key = |kept, _| kept.labels().get(INSTANCE_ID_LABEL);

impl Index {
    /// Of no series, whose machines will differ by `instance_label`.
    pub fn new(instance_label: &str) -> Self {
        Self {
            instance_label: instance_label.to_owned(),
            ..Self::default()
        }
    }

    /// The same of these series, in the order in which it will be asked with them.
    pub fn of(&self, all: &[Kept]) -> Self {
        let places = |key: Key| -> Vec<u32> {
            let keyed = (0..).zip(all);
            let keyed =
                keyed.filter_map(|(place, kept)| Some((key(kept, &self.instance_label)?, place)));
            let mut keyed: Vec<(&str, u32)> = keyed.collect();
            keyed.sort_unstable();
            keyed.into_iter().map(|(_, place)| place).collect()
        };
        Self {
            instance_label: self.instance_label.clone(),
            by_label: places(BY_LABEL),
            by_host: places(BY_HOST),
            by_instance_id: places(BY_INSTANCE_ID),
            examples: OnceLock::new(),
        }
    }

    /// Whether there are series of other machines than those with these labels.
    pub fn has_others(&self, all: &[Kept], labels: &[&str]) -> bool {
        let own: HashSet<&str> = labels.iter().copied().collect();
        let found = all
            .iter()
            .filter_map(|kept| BY_LABEL(kept, &self.instance_label));
        found.into_iter().any(|label| !own.contains(label))
    }

    /// The places that `key` has under this value.
    fn places<'a>(&self, all: &[Kept], places: &'a [u32], key: Key, value: &str) -> &'a [u32] {
        let of = |place: &u32| key(&all[*place as usize], &self.instance_label);
        let first = places.partition_point(|place| of(place) < Some(value));
        let after = places.partition_point(|place| of(place) <= Some(value));
        &places[first..after]
    }

    /// The target's samples since `begin`, by time; none when no series is its own. Series of one machine whose other labels
    /// changed, such as its type, are one; where they contradict each other nothing is known.
    ///
    /// # Errors
    /// When series of more than one machine fit, or they contradict each other to the end: two names.
    pub fn find(
        &self,
        all: &[Kept],
        begin: f64,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Sample>, Unmeasured> {
        let by = |places, key, value| self.places(all, places, key, value).iter().copied();
        let mut found: Vec<u32> = match *wanted {
            Wanted::Label(label) => by(&self.by_label, BY_LABEL, label).collect(),
            Wanted::Only => (0..).take(all.len()).collect(),
            Wanted::Machine {
                instance_id,
                private_ip,
                public_ip,
            } => [
                (&self.by_host, BY_HOST, private_ip),
                (&self.by_host, BY_HOST, public_ip),
                (&self.by_host, BY_HOST, instance_id),
                (&self.by_instance_id, BY_INSTANCE_ID, instance_id),
            ]
            .into_iter()
            .filter(|(_, _, value)| !value.is_empty())
            .flat_map(|(places, key, value)| by(places, key, value))
            .collect(),
        };
        found.sort_unstable();
        found.dedup();
        let found: Vec<&Kept> = found.iter().map(|place| &all[*place as usize]).collect();
        match found[..] {
            [] => Ok(Vec::new()),
            [one] => Ok(one.samples(begin)),
            [first, second, ..] => self.joined(&found, begin).ok_or_else(|| {
                Unmeasured(format!(
                    "{} series fit this target, such as {} and {}; set its `label`, or aggregate by one label in the expression",
                    found.len(),
                    shortened(&first.labels().name()),
                    shortened(&second.labels().name()),
                ))
            }),
        }
    }

    /// These series as one; `None` when they are not those of one machine.
    fn joined(&self, found: &[&Kept], begin: f64) -> Option<Vec<Sample>> {
        let machine = |kept: &&&Kept| {
            let label = BY_LABEL(kept, &self.instance_label).map(str::to_owned);
            (label, BY_INSTANCE_ID(kept, "").map(str::to_owned))
        };
        let first = machine(&found.first()?);
        if found.iter().any(|kept| machine(&kept) != first) {
            return None;
        }
        // By the bits of the time, for it is no negative number. `None` where they contradict each other.
        let mut joined: BTreeMap<u64, (f64, Option<f64>)> = BTreeMap::new();
        for sample in found.iter().flat_map(|kept| kept.samples(begin)) {
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
    pub fn strangers(&self, all: &[Kept], wanted: &Wanted<'_>) -> Option<Unmeasured> {
        (!all.is_empty()).then(|| {
            Unmeasured(format!(
                "{} CPU series came, none with {}={wanted}; there are: {}; is its exporter scraped, and does the \
                 expression keep the label?",
                all.len(),
                self.instance_label,
                self.examples.get_or_init(|| self.some_names(all)),
            ))
        })
    }

    fn some_names(&self, all: &[Kept]) -> String {
        let name = |kept: &Kept| match BY_LABEL(kept, &self.instance_label) {
            Some(value) => value.escape_debug().to_string(),
            None => kept.labels().name(),
        };
        let mut names: Vec<String> = all.iter().map(name).collect();
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

    fn series(labels: &[(&str, &str)], samples: &[(u32, f64)]) -> Kept {
        let labels = labels.iter();
        let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut kept = Kept::new(labels.collect());
        kept.extend(samples.iter().map(|(at, value)| prometheus_api::Sample {
            at: f64::from(*at),
            value: *value,
        }));
        kept
    }

    struct Indexed(Vec<Kept>, Index);

    impl Indexed {
        fn new(all: Vec<Kept>) -> Self {
            let index = Index::new("instance").of(&all);
            Self(all, index)
        }

        fn find(&self, wanted: Wanted<'_>) -> Result<Vec<Sample>, Unmeasured> {
            self.1.find(&self.0, 0.0, &wanted)
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
        let index = Indexed::new(vec![
            series(&[("instance", "10.0.0.1:9100")], &[(0, 0.0)]),
            series(&[("instance", "10.0.0.11:9100")], &[(0, 1.0)]),
            series(&[("instance", "[fd00::7]:9100")], &[(0, 2.0)]),
            series(
                &[("instance", "node"), ("instance_id", "i-01234567")],
                &[(0, 3.0)],
            ),
        ]);
        // Each has one sample, whose value is its position.
        let position = |wanted| {
            let found = index.find(wanted).unwrap();
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
        let index = Indexed::new(vec![
            series(
                &[("instance", "10.0.0.1:9100"), ("job", "node")],
                &[(0, 1.0)],
            ),
            series(
                &[("instance", "10.0.0.1:9100"), ("job", "copy")],
                &[(0, 2.0)],
            ),
        ]);
        for wanted in [
            Wanted::Label("10.0.0.1:9100"),
            machine("10.0.0.1"),
            Wanted::Only,
        ] {
            let message = index.find(wanted).unwrap_err().to_string();
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
        let found = |all: Vec<Kept>| {
            let index = Indexed::new(all);
            let found = index.find(Wanted::Label("a:9100")).ok()?;
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
        let said = |all: Vec<Kept>| {
            let index = Indexed::new(all);
            let said = index.1.strangers(&index.0, &Wanted::Label("10.0.0.7:9100"));
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
