//! Which targets and which times one query asks for. Pure.

use std::collections::{BTreeSet, HashMap};

use prometheus_api::Range;

use super::expressions;
use crate::domain::Target;

/// Targets of one query.
pub const MOST_TARGETS: usize = 500;
/// Prometheus refuses ranges with more points than this for one series.
pub const MOST_POINTS: i64 = 11_000;
/// Samples that a query may be expected to give: about 50 MB of JSON.
const MOST_SAMPLES: i64 = 2_000_000;
/// What is too much at once is asked for in this many parts,
const PARTS: i64 = 4;
/// and the parts in parts, as long as they are no shorter than this share of the whole.
const SMALLEST_PART: i64 = 16;

/// Targets that one query asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chunk<'a> {
    /// The labels of those that have one.
    pub labels: &'a [&'a str],
    /// How many they are.
    pub targets: usize,
    /// Whether the query is narrowed to the labels.
    pub is_narrowed: bool,
}

impl<'a> Chunk<'a> {
    /// One for all of these targets.
    pub fn whole(labels: &'a [&'a str], targets: usize) -> Self {
        Self {
            labels,
            targets,
            is_narrowed: false,
        }
    }

    fn narrowed(labels: &'a [&'a str]) -> Self {
        Self {
            labels,
            targets: labels.len(),
            is_narrowed: true,
        }
    }

    /// The expression for them.
    pub fn query(&self, expression: &str, instance_label: &str) -> String {
        let narrowed = self.is_narrowed.then_some(self.labels);
        let query = expressions::with_targets(expression, instance_label, narrowed);
        expressions::with_instances(&query, self.labels)
    }

    /// Two for one, where each of its targets has a label.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let splits = self.labels.len() == self.targets && self.targets > 1;
        let (first, second) = self.labels.split_at(self.labels.len() / 2);
        splits.then(|| [Self::narrowed(first), Self::narrowed(second)])
    }
}

/// A fleet in chunks.
#[derive(Debug)]
pub struct Chunks<'a> {
    all: Vec<Chunk<'a>>,
    of_label: HashMap<&'a str, usize>,
}

impl<'a> Chunks<'a> {
    /// One for all, as long as they are few and `narrow` is false. Else those that have a label by it, and one query more
    /// for the others.
    pub fn new(labels: &'a [&'a str], targets: usize, narrow: bool) -> Self {
        if !narrow && targets <= MOST_TARGETS {
            return Self {
                all: vec![Chunk::whole(labels, targets)],
                of_label: HashMap::new(),
            };
        }
        let mut all: Vec<Chunk<'a>> = labels.chunks(MOST_TARGETS).map(Chunk::narrowed).collect();
        let of_label = all
            .iter()
            .enumerate()
            .flat_map(|(number, chunk)| chunk.labels.iter().map(move |label| (*label, number)))
            .collect();
        if labels.len() < targets {
            all.push(Chunk::whole(labels, targets));
        }
        Self { all, of_label }
    }

    /// Those that these targets are in.
    pub fn with(mut self, targets: &[Target]) -> Self {
        let last = self.all.len().saturating_sub(1);
        let number = |target: &Target| {
            let label = target.label.as_deref();
            let number = label.and_then(|label| self.of_label.get(label));
            number.copied().unwrap_or(last)
        };
        let needed: BTreeSet<usize> = targets.iter().map(number).collect();
        let places: HashMap<usize, usize> = needed.iter().copied().zip(0..).collect();
        self.of_label.retain(|_, number| match places.get(number) {
            Some(place) => {
                *number = *place;
                true
            }
            None => false,
        });
        self.all = needed
            .iter()
            .filter_map(|number| self.all.get(*number).copied())
            .collect();
        self
    }

    /// In the order of their numbers.
    pub fn all(&self) -> &[Chunk<'a>] {
        &self.all
    }

    /// The number of each label's chunk; what has none is in the last one.
    pub fn by_label(&self) -> HashMap<String, usize> {
        let owned = |(label, number): (&&str, &usize)| ((*label).to_owned(), *number);
        self.of_label.iter().map(owned).collect()
    }
}

/// The labels of targets.
pub fn labels(targets: &[Target]) -> Vec<&str> {
    let labels = targets.iter().filter_map(|target| target.label.as_deref());
    labels.collect()
}

/// The times of `whole` in as few ranges as a query of `targets` may ask for, the first first.
pub fn ranges(whole: Range, targets: usize) -> Vec<Range> {
    let targets = i64::try_from(targets).unwrap_or(i64::MAX).max(1);
    // Of many, an hour of points at the least: what is too much is split when it shows.
    let most = (MOST_SAMPLES / targets).clamp(60, MOST_POINTS);
    split(
        whole,
        points(whole).div_euclid(most) + i64::from(points(whole) % most > 0),
    )
}

/// The parts of a range that was too much; `None` when it is too small a part of `whole` for that.
pub fn parts(range: Range, whole: Range) -> Option<Vec<Range>> {
    let is_small = points(range) / PARTS < (points(whole) / SMALLEST_PART).max(1);
    (!is_small).then(|| split(range, PARTS))
}

fn points(range: Range) -> i64 {
    (range.end - range.start) / i64::from(range.step_seconds) + 1
}

fn split(range: Range, parts: i64) -> Vec<Range> {
    let step = i64::from(range.step_seconds);
    let of_each = (points(range) + parts - 1) / parts.max(1);
    let mut all = Vec::new();
    let mut start = range.start;
    while start <= range.end {
        let end = (start + (of_each.max(1) - 1) * step).min(range.end);
        all.push(Range {
            start,
            end,
            step_seconds: range.step_seconds,
        });
        start = end + step;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole steps of a window that ends at `end`.
    fn range(end: i64, step_seconds: u32, seconds: u32) -> Range {
        Range {
            start: end - i64::from(seconds / step_seconds * step_seconds),
            end,
            step_seconds,
        }
    }

    fn names(number: usize) -> Vec<String> {
        (0..number).map(|number| format!("m{number}")).collect()
    }

    #[test]
    fn few_are_one_query_and_many_are_chunks_of_labels() {
        let names = names(1_201);
        let labels: Vec<&str> = names.iter().map(String::as_str).collect();
        let sizes = |labels, targets, narrow| -> Vec<(usize, bool)> {
            let chunks = Chunks::new(labels, targets, narrow);
            let size = |chunk: &Chunk<'_>| (chunk.targets, chunk.is_narrowed);
            chunks.all().iter().map(size).collect()
        };
        assert_eq!(sizes(&labels[..500], 500, false), [(500, false)]);
        assert_eq!(sizes(&labels[..3], 3, true), [(3, true)]);
        assert_eq!(
            sizes(&labels, 1_201, false),
            [(500, true), (500, true), (201, true)]
        );
        // Two without a label.
        assert_eq!(sizes(&labels[..3], 502, false), [(3, true), (502, false)]);
        let chunks = Chunks::new(&labels, 1_201, false);
        assert_eq!(chunks.by_label()["m499"], 0);
        assert_eq!(chunks.by_label()["m500"], 1);
        assert_eq!(chunks.by_label().get("x"), None);
    }

    #[test]
    fn a_chunk_asks_for_its_own_and_splits_where_all_have_labels() {
        let labels = ["a:1", "b|2", "c"];
        let expression = r#"x{$targets} / y{mode="z",$targets} + z{i=~"$instances"}"#;
        let of = |chunk: Chunk<'_>| chunk.query(expression, "instance");
        assert_eq!(
            of(Chunk::whole(&labels, 4)),
            r#"x / y{mode="z"} + z{i=~"a:1|b\\|2|c"}"#
        );
        assert_eq!(Chunk::whole(&labels, 4).halves(), None);
        let [first, second] = Chunk::whole(&labels, 3).halves().unwrap();
        assert_eq!(
            of(second),
            r#"x{instance=~"b\\|2|c"} / y{mode="z",instance=~"b\\|2|c"} + z{i=~"b\\|2|c"}"#
        );
        assert_eq!(first.labels, ["a:1"]);
        assert_eq!(first.halves(), None);
    }

    #[test]
    fn times_are_asked_for_once_each_within_what_a_query_may_give() {
        for (step, seconds, targets, expected) in [
            (300, 172_800, 500, 1),
            (300, 172_800, 1, 1),
            (1, 10_999, 1, 1),
            (1, 11_000, 1, 2),
            (15, 1_209_600, 1, 8),
            (300, 1_209_600, 500, 2),
            (300, 172_800, 10_000, 3),
            (300, 299, 1, 1),
        ] {
            let whole = range(1_700_000_000, step, seconds);
            let all = ranges(whole, targets);
            assert_eq!(all.len(), expected, "{step} {seconds} {targets}");
            let step = i64::from(step);
            assert_eq!(
                (all[0].start, all[all.len() - 1].end),
                (whole.start, whole.end)
            );
            for pair in all.windows(2) {
                assert_eq!(pair[1].start, pair[0].end + step);
            }
            assert!(all.iter().all(|part| points(*part) <= MOST_POINTS));
        }
    }

    #[test]
    fn what_is_too_much_is_split_to_sixteenths() {
        let whole = range(1_700_000_000, 300, 172_800);
        let quarters = parts(whole, whole).unwrap();
        assert_eq!(quarters.len(), 4);
        let sixteenths = parts(quarters[0], whole).unwrap();
        assert_eq!(sixteenths.len(), 4);
        assert_eq!(parts(sixteenths[0], whole), None);
        let one = range(1_700_000_000, 300, 0);
        assert_eq!(parts(one, one), None);
    }
}
