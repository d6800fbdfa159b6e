//! Samples of many series as they come from files, in any order.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
};

use crate::{
    cell::Number,
    error::{At, BadValue, Place, TraceError},
    plausible::{Share, Values},
    units::CpuUnit,
};

/// Two samples of one time that differ by no more percent points are one, rounded differently.
const ALIKE: f64 = 0.5;
const LONGEST_STEP_SECONDS: i64 = 86_400;
/// From so many samples on, their distance says something.
const ENOUGH_FOR_A_STEP: usize = 3;

/// The recorded CPU of one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name; empty where a file has one only.
    pub name: String,
    /// Times of the samples, seconds since the Unix epoch, strictly ascending.
    pub timestamps_seconds: Vec<i64>,
    /// CPU at each of them, 0 to 100.
    pub cpu_percent: Vec<f64>,
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    pub series: &'a str,
    pub seconds: f64,
    pub cpu: Number,
    /// As far as the column says it.
    pub unit: Option<CpuUnit>,
}

#[derive(Debug)]
struct Kept {
    seconds: f64,
    percent: f64,
    at: At,
}

#[derive(Debug, Default)]
struct Recorded {
    samples: BTreeMap<i64, Kept>,
    values: Values,
    /// Samples that share their second with another.
    crowded: u64,
    /// Only judged.
    is_left_out: bool,
}

/// Samples by series and time.
#[derive(Debug, Default)]
pub struct Samples {
    series: BTreeMap<String, Recorded>,
    files: Vec<PathBuf>,
    most: Option<usize>,
    unit: Option<CpuUnit>,
    share: Share,
}

impl Samples {
    /// None yet. `unit` is what CPU is in, where the file doesn't say it; of `most` series, the first that come, the
    /// samples are kept.
    pub fn new(unit: Option<CpuUnit>, most: Option<usize>) -> Self {
        Self {
            unit,
            most,
            ..Self::default()
        }
    }

    /// What is added from now on is from this file.
    pub fn begin(&mut self, file: PathBuf) {
        self.files.push(file);
    }

    /// Adds a sample, clipped to 0 to 100; one that is unknown is dropped, like the later one of a second.
    ///
    /// # Errors
    /// There is another value of that time.
    pub fn add(&mut self, sample: Sample<'_>, place: Place) -> Result<(), BadValue> {
        let unit = sample.unit.or(self.unit);
        let percent = match (sample.cpu, unit) {
            (Number::Unknown, _) => return Ok(()),
            (Number::Percent(value), _) => value,
            (Number::Plain(value), Some(CpuUnit::Percent)) => value,
            (Number::Plain(value), Some(CpuUnit::Ratio)) => value * 100.0,
            (Number::Plain(value), None) => {
                self.share.add(value, self.at(place));
                value
            }
        };
        let at = self.at(place);
        if !self.series.contains_key(sample.series) {
            let recorded = Recorded {
                is_left_out: self.most.is_some_and(|most| self.series.len() >= most),
                ..Recorded::default()
            };
            self.series.insert(sample.series.to_owned(), recorded);
        }
        let Some(recorded) = self.series.get_mut(sample.series) else {
            return Ok(());
        };
        recorded.values.add(percent, at);
        if recorded.is_left_out {
            return Ok(());
        }
        let kept = Kept {
            seconds: sample.seconds,
            percent: percent.clamp(0.0, 100.0),
            at,
        };
        match recorded.samples.entry(sample.seconds as i64) {
            Entry::Vacant(free) => {
                free.insert(kept);
            }
            Entry::Occupied(mut taken) => {
                let before = taken.get();
                let is_same = before.seconds.total_cmp(&kept.seconds).is_eq();
                if is_same && (before.percent - kept.percent).abs() > ALIKE {
                    let there = match before.at.file == at.file {
                        true => format!("on {}", before.at.place),
                        false => format!(
                            "in {}, {}",
                            self.files[before.at.file].display(),
                            before.at.place
                        ),
                    };
                    return Err(BadValue::Contradiction {
                        series: sample.series.to_owned(),
                        now: kept.percent,
                        before: before.percent,
                        there,
                    });
                }
                recorded.crowded += u64::from(!is_same);
                if kept.seconds < before.seconds {
                    taken.insert(kept);
                }
            }
        }
        Ok(())
    }

    fn at(&self, place: Place) -> At {
        let file = self.files.len().saturating_sub(1);
        At { file, place }
    }

    /// The series by name.
    ///
    /// # Errors
    /// What can't be percent, or not at these times, with file and line.
    pub fn into_series(self) -> Result<Vec<Series>, TraceError> {
        let Self {
            series,
            files,
            share,
            ..
        } = self;
        let fault = |(at, what): (At, BadValue)| TraceError::Format {
            path: files.get(at.file).cloned().unwrap_or_default(),
            fault: at.place.fault(what),
        };
        if let Some((at, most)) = share.is_doubtful() {
            return Err(fault((at, BadValue::MaybeRatio { most })));
        }
        let mut all = Vec::with_capacity(series.len());
        for (name, recorded) in series {
            if let Some(wrong) = recorded.wrong(&name) {
                return Err(fault(wrong));
            }
            if recorded.is_left_out {
                continue;
            }
            all.push(Series {
                name,
                timestamps_seconds: recorded.samples.keys().copied().collect(),
                cpu_percent: recorded
                    .samples
                    .into_values()
                    .map(|kept| kept.percent)
                    .collect(),
            });
        }
        Ok(all)
    }
}

impl Recorded {
    fn wrong(&self, series: &str) -> Option<(At, BadValue)> {
        if let Some(impossible) = self.values.impossible(series) {
            return Some(impossible);
        }
        let first = self.samples.values().next()?.at;
        let all = self.samples.len() as u64 + self.crowded;
        let series = series.to_owned();
        if self.crowded * 2 > all {
            let many = self.crowded;
            return Some((first, BadValue::TooDense { series, many, all }));
        }
        let times = self.samples.keys();
        let seconds = times
            .clone()
            .zip(times.skip(1))
            .map(|(before, after)| after - before)
            .min()
            .filter(|step| *step > LONGEST_STEP_SECONDS)?;
        (self.samples.len() >= ENOUGH_FOR_A_STEP)
            .then_some((first, BadValue::TooSparse { series, seconds }))
    }
}
