//! What is known of one machine: its metrics so far, and which size it had when. Pure.
//!
//! CloudWatch says percent, and not of how many vCPUs. A size changes only while a machine is down, so what lies in one
//! run of it is of one size; what lies in no run that was seen is of nobody knows which, and left out.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    domain::{Instance, Means, Metric},
    samples::series::{RawSeries, Sample},
};

/// Periods that are read again, because CloudWatch may still have corrected them.
const READ_AGAIN: i64 = 3;
/// A burstable machine with fewer credits may be throttled soon: what one vCPU burns in half an hour.
const FEW_CREDITS: f64 = 30.0;

/// One run of a machine, from a start to the stop after it.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    since: i64,
    /// When it was last seen in this run.
    seen: i64,
    instance_type: String,
    vcpus: Option<u32>,
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// By the end of the period, seconds since the Unix epoch.
    cpu: BTreeMap<i64, f64>,
    memory: BTreeMap<i64, f64>,
    credits: Option<f64>,
    /// Ascending.
    runs: Vec<Run>,
    /// The end of the last read that was answered.
    read_to: Option<Timestamp>,
}

impl Machine {
    /// Where the next read begins; `None` while the last one will do.
    pub fn due(&self, end: Timestamp, window: Window) -> Option<Timestamp> {
        let begin = end.as_second() - i64::from(window.seconds);
        let start = match self.read_to {
            // A clock that was set back begins anew.
            Some(read_to) if read_to <= end => {
                let age = end.as_second() - read_to.as_second();
                if age < i64::from(window.read_interval_seconds) {
                    return None;
                }
                let again = READ_AGAIN * i64::from(window.period_seconds);
                begin.max(read_to.as_second() - again)
            }
            _ => begin,
        };
        let period = i64::from(window.period_seconds);
        // CloudWatch's periods begin at whole multiples.
        Timestamp::from_second(start.div_euclid(period) * period).ok()
    }

    /// Takes in what a read up to `end` answered; older than the window is forgotten.
    pub fn take(&mut self, means: &Means, end: Timestamp, window: Window) {
        let period = i64::from(window.period_seconds);
        // A period that has not ended may still become anything.
        let mut ended = means
            .means
            .iter()
            .map(|&(from, mean)| (from + period, mean))
            .filter(|&(at, _)| at <= end.as_second());
        match means.metric {
            Metric::CpuUtilization => self.cpu.extend(ended),
            Metric::MemoryUsed => self.memory.extend(ended),
            Metric::CpuCreditBalance => {
                self.credits = ended
                    .next_back()
                    .map(|(_, credits)| credits)
                    .or(self.credits);
            }
        }
    }

    /// A read up to `end` was answered.
    pub fn read(&mut self, end: Timestamp, window: Window) {
        let begin = end.as_second() - i64::from(window.seconds);
        self.cpu = self.cpu.split_off(&begin);
        self.memory = self.memory.split_off(&begin);
        self.runs.retain(|run| run.seen >= begin);
        self.read_to = Some(end);
    }

    /// It is seen running as this at `now`; false when EC2 doesn't say since when.
    pub fn see(&mut self, instance: &Instance, now: Timestamp) -> bool {
        let Some(since) = instance.started_at.map(Timestamp::as_second) else {
            return false;
        };
        let now = now.as_second();
        match self.runs.last_mut() {
            Some(run) if run.since == since && run.instance_type == instance.instance_type => {
                run.seen = run.seen.max(now);
            }
            _ => {
                // A clock that was set back, or another machine under this id.
                self.runs.retain(|run| run.seen < since);
                self.runs.push(Run {
                    since,
                    seen: now,
                    instance_type: instance.instance_type.clone(),
                    vcpus: instance.vcpus,
                });
            }
        }
        true
    }

    /// Its series, as far as its size is known. In percent of what it was at the time.
    pub fn series(&self) -> RawSeries {
        let Some(last) = self.runs.last() else {
            return RawSeries::default();
        };
        let counted = last.vcpus.is_some();
        // Without counts only what is of the same type can be compared, and memory is never told in bytes.
        let alike = |run: &&Run| run.instance_type == last.instance_type;
        let scaled = |run: &&Run| {
            if counted {
                run.vcpus.is_some()
            } else {
                alike(run)
            }
        };
        let within = |metric: &BTreeMap<i64, f64>, run: &Run| -> Vec<Sample> {
            // The mean of the period in which it came up or went down is of both.
            let to = if run.since == last.since {
                i64::MAX
            } else {
                run.seen
            };
            let samples = metric.range(run.since.saturating_add(1)..=to.max(run.since + 1));
            samples
                .map(|(&at, &value)| Sample {
                    at: at as f64,
                    value,
                })
                .collect()
        };
        let runs = || self.runs.iter();
        RawSeries {
            cpu: runs()
                .filter(scaled)
                .flat_map(|run| within(&self.cpu, run))
                .collect(),
            memory: runs()
                .filter(alike)
                .flat_map(|run| within(&self.memory, run))
                .collect(),
            vcpus: runs()
                .filter(scaled)
                .filter_map(|run| {
                    Some(Sample {
                        at: run.since as f64,
                        value: f64::from(run.vcpus?),
                    })
                })
                .collect(),
            ..RawSeries::default()
        }
    }

    /// A warning where its CPU may be held down by spent credits.
    pub fn spent_credits(&self) -> Option<String> {
        let credits = self.credits.filter(|credits| *credits < FEW_CREDITS)?;
        Some(format!(
            "it has {credits:.0} CPU credits left; without any, CPU is held at the baseline of its type, and what is measured is \
             less than what is wanted"
        ))
    }
}

/// How much is read, how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// How far back, seconds.
    pub seconds: u32,
    /// Of one mean, seconds.
    pub period_seconds: u32,
    /// From read to read, seconds.
    pub read_interval_seconds: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InstanceState;

    const WINDOW: Window = Window {
        seconds: 6_000,
        period_seconds: 300,
        read_interval_seconds: 900,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn means(metric: Metric, means: &[(i64, f64)]) -> Means {
        Means {
            instance_id: "i-01234567".to_owned(),
            metric,
            means: means.to_vec(),
        }
    }

    fn cpu(values: &[(i64, f64)]) -> Means {
        means(Metric::CpuUtilization, values)
    }

    fn running(instance_type: &str, vcpus: Option<u32>, since: i64) -> Instance {
        Instance {
            instance_type: instance_type.to_owned(),
            state: InstanceState::Running,
            private_ip: String::new(),
            public_ip: String::new(),
            dry_run: false,
            vcpus,
            started_at: Some(at(since)),
        }
    }

    fn pairs(samples: &[Sample]) -> Vec<(f64, f64)> {
        samples
            .iter()
            .map(|sample| (sample.at, sample.value))
            .collect()
    }

    #[test]
    fn a_new_machine_is_read_whole_and_then_only_its_tail() {
        let mut machine = Machine::default();
        let due = |machine: &Machine, end| machine.due(at(end), WINDOW).map(Timestamp::as_second);
        assert_eq!(due(&machine, 10_000), Some(3_900));
        machine.read(at(10_000), WINDOW);
        assert_eq!(due(&machine, 10_300), None);
        assert_eq!(due(&machine, 10_900), Some(9_000));
        // After a long silence no further back than the window.
        assert_eq!(due(&machine, 30_000), Some(24_000));
        // A clock that was set back.
        assert_eq!(due(&machine, 9_000), Some(3_000));
    }

    #[test]
    fn a_mean_stands_at_the_end_of_its_period_and_only_once_that_has_ended() {
        let mut machine = Machine::default();
        machine.take(
            &cpu(&[(3_000, 10.0), (3_300, 20.0), (3_600, 99.0)]),
            at(3_700),
            WINDOW,
        );
        machine.read(at(3_700), WINDOW);
        assert!(machine.see(&running("t3.small", Some(2), 0), at(3_700)));
        assert_eq!(
            pairs(&machine.series().cpu),
            [(3_300.0, 10.0), (3_600.0, 20.0)]
        );
        // The later read corrects, and what is older than the window is forgotten.
        machine.take(&cpu(&[(3_300, 21.0), (3_600, 30.0)]), at(9_400), WINDOW);
        machine.read(at(9_400), WINDOW);
        assert_eq!(
            pairs(&machine.series().cpu),
            [(3_600.0, 21.0), (3_900.0, 30.0)]
        );
    }

    #[test]
    fn each_run_counts_in_its_own_vcpus() {
        let mut machine = Machine::default();
        machine.take(
            &cpu(&[(300, 80.0), (600, 80.0), (2_100, 40.0)]),
            at(3_000),
            WINDOW,
        );
        machine.take(
            &means(Metric::MemoryUsed, &[(300, 50.0), (2_100, 25.0)]),
            at(3_000),
            WINDOW,
        );
        machine.see(&running("t3.small", Some(1), 0), at(900));
        machine.see(&running("t3.medium", Some(2), 1_800), at(3_000));
        let series = machine.series();
        assert_eq!(
            pairs(&series.cpu),
            [(600.0, 80.0), (900.0, 80.0), (2_400.0, 40.0)]
        );
        assert_eq!(pairs(&series.vcpus), [(0.0, 1.0), (1_800.0, 2.0)]);
        // Percent of another amount of memory says nothing.
        assert_eq!(pairs(&series.memory), [(2_400.0, 25.0)]);
    }

    #[test]
    fn what_lies_in_no_run_that_was_seen_is_left_out() {
        let mut machine = Machine::default();
        machine.take(
            &cpu(&[(300, 80.0), (900, 70.0), (2_100, 40.0)]),
            at(3_000),
            WINDOW,
        );
        // Seen for the last time at 600; up again, as nobody knows what, at 900; and again at 1800.
        machine.see(&running("t3.small", Some(1), 0), at(600));
        machine.see(&running("t3.small", Some(1), 1_800), at(3_000));
        assert_eq!(
            pairs(&machine.series().cpu),
            [(600.0, 80.0), (2_400.0, 40.0)]
        );
        // After a restart of this program only the present run is known.
        let mut fresh = Machine::default();
        fresh.take(&cpu(&[(300, 80.0), (2_100, 40.0)]), at(3_000), WINDOW);
        fresh.see(&running("t3.small", Some(1), 1_800), at(3_000));
        assert_eq!(pairs(&fresh.series().cpu), [(2_400.0, 40.0)]);
    }

    #[test]
    fn without_counts_only_the_same_type_is_compared() {
        let mut machine = Machine::default();
        machine.take(&cpu(&[(300, 80.0), (2_100, 40.0)]), at(3_000), WINDOW);
        machine.see(&running("t3.small", None, 0), at(900));
        machine.see(&running("t3.medium", None, 1_800), at(3_000));
        let series = machine.series();
        assert_eq!(pairs(&series.cpu), [(2_400.0, 40.0)]);
        assert!(series.vcpus.is_empty());
    }

    #[test]
    fn a_machine_that_does_not_say_since_when_it_runs_has_no_series() {
        let mut machine = Machine::default();
        machine.take(&cpu(&[(300, 80.0)]), at(3_000), WINDOW);
        let unknown = Instance {
            started_at: None,
            ..running("t3.small", Some(1), 0)
        };
        assert!(!machine.see(&unknown, at(900)));
        assert!(machine.series().cpu.is_empty());
    }

    #[test]
    fn few_credits_are_told() {
        let mut machine = Machine::default();
        assert_eq!(machine.spent_credits(), None);
        for (credits, told) in [(31.0, false), (12.4, true), (0.0, true)] {
            machine.take(
                &means(Metric::CpuCreditBalance, &[(300, credits)]),
                at(3_000),
                WINDOW,
            );
            let words = machine.spent_credits();
            assert_eq!(words.is_some(), told, "{words:?}");
        }
        assert!(
            machine
                .spent_credits()
                .unwrap()
                .starts_with("it has 0 CPU credits left")
        );
    }
}
