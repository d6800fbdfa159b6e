//! The size of a machine, where the exporter and EC2 contradict each other. Pure.
//!
//! Invariant: a size changes only while the machine is stopped. What the exporter says is believed for a time at which
//! the machine may have been of another type; what can't be is replaced by what EC2 says.

use super::{
    rules::{BYTES_PER_MIB, CurrentType, Rules},
    series::Sample,
};

/// What a machine's kernel may say of the memory that its type has: it keeps some for itself.
const LEAST_MEMORY: f64 = 0.5;
const MOST_MEMORY: f64 = 1.02;
/// Memory totals that differ by less are of one machine.
const SAME_MEMORY: f64 = 0.05;
/// A total that changed by more was read after another start.
const ANOTHER_START: f64 = 0.001;

/// What the exporter says of the size, freed of contradictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// In the metric's unit.
    pub samples: Vec<Sample>,
    /// How many of them are EC2's instead of the exporter's.
    pub replaced: usize,
    /// One value that contradicted.
    pub example: f64,
}

/// How to judge a size.
pub struct Judge<'a> {
    /// By EC2's description, for now.
    pub described: f64,
    /// What the exporter may say on a machine of that description.
    pub plausible: std::ops::RangeInclusive<f64>,
    /// True for two values of one machine.
    pub same: fn(f64, f64) -> bool,
    /// Times at which the machine may have been started, by other signs than this size.
    pub starts: &'a [f64],
    /// End of the last resize that is known of.
    pub last_resize: Option<f64>,
    /// Seconds between samples.
    pub step_seconds: f64,
}

impl Judge<'_> {
    /// Replaces what contradicts.
    pub fn settle(&self, samples: &[Sample]) -> Settled {
        let mut settled = Settled {
            samples: samples.to_vec(),
            replaced: 0,
            example: f64::NAN,
        };
        let mut begin = 0;
        while begin < samples.len() {
            let value = samples[begin].value;
            let length = samples[begin..]
                .iter()
                .take_while(|sample| (self.same)(sample.value, value))
                .count()
                .max(1);
            let end = begin + length;
            if !self.plausible.contains(&value) && !self.is_of_another_type(samples, begin, end) {
                settled.replaced += length;
                settled.example = value;
                for sample in &mut settled.samples[begin..end] {
                    sample.value = self.described;
                }
            }
            begin = end;
        }
        settled
    }

    /// True when the machine may have been of another type during `samples[begin..end]`, which are all of one size.
    fn is_of_another_type(&self, samples: &[Sample], begin: usize, end: usize) -> bool {
        let last = samples[end - 1].at;
        let Some(next) = samples.get(end) else {
            // Up to now: only when all of it is from before a resize.
            return self.last_resize.is_some_and(|resize| last < resize);
        };
        let started = |from: f64, to: f64| {
            self.starts
                .iter()
                .any(|start| (from - self.step_seconds..=to + self.step_seconds).contains(start))
        };
        if started(last, next.at) {
            return true;
        }
        // Jobs that scrape twice count too much, which is the error that is known of. Too little is a smaller type
        // whose stop fell between two samples.
        if samples[begin].value > *self.plausible.end() {
            return false;
        }
        begin == 0 || started(samples[begin - 1].at, samples[begin].at)
    }
}

/// The counts and totals of the exporter, without what can't be on a machine of the described size.
pub fn settle(
    cpu: &[Sample],
    vcpus: Vec<Sample>,
    memory_total: Vec<Sample>,
    rules: &Rules,
    current: Option<CurrentType>,
    notes: &mut Vec<String>,
) -> (Vec<Sample>, Vec<Sample>) {
    let Some(current) = current.filter(|current| current.vcpus > 0 && current.memory_mib > 0)
    else {
        return (vcpus, memory_total);
    };
    let step_seconds = f64::from(rules.step_seconds);
    let last_resize = rules.last_resize.map(|end| end.as_second() as f64);
    let changes = |samples: &[Sample], changed: fn(f64, f64) -> bool| -> Vec<f64> {
        samples
            .windows(2)
            .filter(|pair| changed(pair[0].value, pair[1].value))
            .map(|pair| pair[1].at)
            .collect()
    };
    let holes = cpu
        .windows(2)
        .filter(|pair| pair[1].at - pair[0].at > step_seconds * 1.5)
        .map(|pair| pair[1].at);
    let starts: Vec<f64> = holes.chain(last_resize).collect();
    let with = |mut more: Vec<f64>| {
        more.extend(&starts);
        more
    };
    let by_memory = with(changes(&memory_total, |before, after| {
        (after / before - 1.0).abs() > ANOTHER_START
    }));
    let by_count = with(changes(&vcpus, |before, after| {
        before.round() != after.round()
    }));
    let count = f64::from(current.vcpus);
    let judge = Judge {
        described: count,
        plausible: count - 0.5..=count + 0.5,
        same: |a, b| a.round() == b.round(),
        starts: &by_memory,
        last_resize,
        step_seconds,
    };
    let counts = judge.settle(&vcpus);
    if counts.replaced > 0 {
        notes.push(format!(
            "{} of {} vCPU counts are {:.0}, but the machine has {count}: its own count is used; do two jobs scrape it, or is that another machine's?",
            counts.replaced,
            vcpus.len(),
            counts.example,
        ));
    }
    let bytes = current.memory_mib as f64 * BYTES_PER_MIB;
    let judge = Judge {
        described: bytes,
        plausible: bytes * LEAST_MEMORY..=bytes * MOST_MEMORY,
        same: |a, b| (a / b - 1.0).abs() <= SAME_MEMORY,
        starts: &by_count,
        last_resize,
        step_seconds,
    };
    let totals = judge.settle(&memory_total);
    if totals.replaced > 0 {
        notes.push(format!(
            "{} of {} memory sizes are {:.0} MiB, but the machine has {}: its own size is used; do two jobs scrape it, or is that another machine's?",
            totals.replaced,
            memory_total.len(),
            totals.example / BYTES_PER_MIB,
            current.memory_mib,
        ));
    }
    (counts.samples, totals.samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(counts: &[f64], starts: &[f64], last_resize: Option<f64>) -> Vec<f64> {
        let samples: Vec<Sample> = counts
            .iter()
            .enumerate()
            .map(|(index, value)| Sample {
                at: index as f64 * 300.0,
                value: *value,
            })
            .collect();
        let judge = Judge {
            described: 2.0,
            plausible: 2.0..=2.0,
            same: |a, b| a == b,
            starts,
            last_resize,
            step_seconds: 300.0,
        };
        let settled = judge.settle(&samples);
        let changed = settled
            .samples
            .iter()
            .zip(&samples)
            .filter(|(after, before)| after.value != before.value);
        assert_eq!(changed.count(), settled.replaced);
        settled.samples.iter().map(|sample| sample.value).collect()
    }

    #[test]
    fn a_count_above_the_types_is_believed_only_before_a_start() {
        let twice = [4.0, 4.0, 4.0, 4.0, 2.0, 2.0];
        assert_eq!(settle(&twice, &[], None), [2.0; 6], "counted twice");
        assert_eq!(settle(&twice, &[1_200.0], None), twice, "a larger type");
        assert_eq!(settle(&twice, &[1_100.0], Some(1_100.0)), twice);
        assert_eq!(settle(&twice, &[300.0], None), [2.0; 6], "another time");
        assert_eq!(settle(&[4.0; 6], &[600.0], Some(600.0)), [2.0; 6], "now");
        assert_eq!(settle(&[4.0; 6], &[1_600.0], Some(1_600.0)), [4.0; 6]);
        let between = [2.0, 4.0, 4.0, 2.0, 2.0, 2.0];
        assert_eq!(settle(&between, &[], None), [2.0; 6]);
    }

    #[test]
    fn a_count_below_the_types_is_a_smaller_type_before_and_nothing_now() {
        let grown = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
        assert_eq!(settle(&grown, &[], None), grown);
        assert_eq!(settle(&[2.0, 2.0, 1.0, 1.0], &[], None), [2.0; 4]);
        assert_eq!(settle(&[2.0, 1.0, 1.0, 2.0], &[], None), [2.0; 4]);
        let down_and_up = [2.0, 1.0, 1.0, 2.0];
        assert_eq!(settle(&down_and_up, &[300.0], None), down_and_up);
        assert_eq!(settle(&[1.0; 4], &[], None), [2.0; 4]);
        assert_eq!(settle(&[], &[], None), [0.0; 0]);
    }
}
