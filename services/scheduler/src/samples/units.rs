//! In which unit a series is: judged by what is possible, unless the configuration says it. Pure.
//!
//! Invariant: what can be read in two ways moves no machine down. Either reading is named, with the factor to apply and
//! the key that settles it.

use serde::{Deserialize, Serialize};

use super::series::{Sample, Unusable};

/// Percent points by which a rate may leave 0 to 100: Prometheus extrapolates rates to the edges of their window.
pub const RATE_TOLERANCE: f64 = 1.0;
/// The same for what is no percentage, as a factor.
const TOLERANCE: f64 = 1.01;
/// More impossible values than this share, and than one, make a series unknown.
const MOST_IMPOSSIBLE: f64 = 0.01;
/// A percentage above this leads nobody down, so it need not be told from cores or GiB.
const SURELY_BUSY_PERCENT: f64 = 50.0;
/// On larger machines, cores and percent differ by so little that a usual change of load looks the same.
const MOST_CORES_FOR_A_JUMP: f64 = 4.0;
/// A unit changes between two samples: so many on either side are looked at.
const AROUND_A_JUMP: usize = 3;
/// A machine that has been in the doubtful range for more than this share of the past goes there by itself.
const USUAL: f64 = 0.05;
/// From so many values on, a share of them is evidence.
const ENOUGH_FOR_PROOF: usize = 3;
/// So many of the newest are looked at for it: of older ones a source need not know the last digits.
const MOST_FOR_PROOF: usize = 6;
const BYTES_PER_KIB: f64 = 1_024.0;
const BYTES_PER_GIB: f64 = 1_073_741_824.0;

/// What the CPU expression gives.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CpuUnit {
    /// Of the machine, 0 to 100.
    Percent,
    /// Of the machine, 0 to 1.
    Ratio,
    /// In use, 0 to the number of vCPUs.
    Cores,
    /// 100 for each core in use.
    CorePercent,
}

/// What the memory expression gives.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryUnit {
    /// Of the machine's memory, 0 to 100.
    Percent,
    /// Of the machine's memory, 0 to 1.
    Ratio,
    /// In use.
    Bytes,
}

/// CPU in percent of the machine. `size_at` gives its vCPUs at a time; where that is unknown, so is what depends on it.
pub fn cpu_in_percent(
    samples: &[Sample],
    unit: Option<CpuUnit>,
    size_at: impl Fn(f64) -> Option<f64>,
) -> Vec<Sample> {
    converted(samples, |sample| match unit {
        None | Some(CpuUnit::Percent) => Some(1.0),
        Some(CpuUnit::Ratio) => Some(100.0),
        Some(CpuUnit::Cores) => Some(100.0 / size_at(sample.at)?),
        Some(CpuUnit::CorePercent) => Some(1.0 / size_at(sample.at)?),
    })
}

/// Memory in percent of the machine's. `size_at` gives its bytes at a time.
pub fn memory_in_percent(
    samples: &[Sample],
    unit: Option<MemoryUnit>,
    size_at: impl Fn(f64) -> Option<f64>,
) -> Vec<Sample> {
    converted(samples, |sample| match unit {
        None | Some(MemoryUnit::Percent) => Some(1.0),
        Some(MemoryUnit::Ratio) => Some(100.0),
        Some(MemoryUnit::Bytes) => Some(100.0 / size_at(sample.at)?),
    })
}

fn converted(samples: &[Sample], factor: impl Fn(&Sample) -> Option<f64>) -> Vec<Sample> {
    samples
        .iter()
        .map(|sample| Sample {
            at: sample.at,
            value: factor(sample).map_or(f64::NAN, |factor| sample.value * factor),
        })
        .collect()
}

/// Whether a percentage is one, the noise of rates aside.
pub fn is_possible(percent: f64) -> bool {
    (-RATE_TOLERANCE..=100.0 + RATE_TOLERANCE).contains(&percent)
}

/// Refuses a CPU series of which a substantial share is impossible.
///
/// # Errors
/// How many of how many lie where, the likely unit, and what settles it.
pub fn check_cpu(
    samples: &[Sample],
    unit: Option<CpuUnit>,
    vcpus: Option<f64>,
) -> Result<(), Unusable> {
    let Some(found) = Impossible::find(samples) else {
        return Ok(());
    };
    let what = found.words("CPU");
    let most = found.most;
    if let Some(unit) = unit {
        return Err(Unusable(format!(
            "{what}; scheduler.prometheus.cpu_unit says {unit}, which these values can't be"
        )));
    }
    let likely = match vcpus {
        _ if most <= 100.0 => "is the CPU expression right?".to_owned(),
        Some(vcpus) if vcpus > 1.0 && most <= vcpus * 100.0 * TOLERANCE => format!(
            "as a sum over {vcpus:.0} cores it would be right: divide by {vcpus:.0}, or set scheduler.prometheus.cpu_unit to core_percent"
        ),
        Some(vcpus) if most <= vcpus * 1_000.0 * TOLERANCE => format!(
            "as thousandths of {vcpus:.0} cores it would be right: divide by {:.0}",
            vcpus * 10.0
        ),
        _ if found.rises => "it rises like a counter: take its rate".to_owned(),
        _ if most <= 10_000.0 * TOLERANCE => {
            "as hundredths of a percent it would be right: divide by 100".to_owned()
        }
        _ => "is the CPU expression right?".to_owned(),
    };
    Err(Unusable(format!(
        "{what}; the query must give percent of the machine ({likely})"
    )))
}

/// Refuses a CPU series in percent that may as well be in another unit, and drops a part of the past that is.
/// `vcpus` is the largest number of vCPUs in the window.
///
/// # Errors
/// The two readings, and what settles it.
pub fn settle_cpu(
    samples: Vec<Sample>,
    vcpus: Option<f64>,
    notes: &mut Vec<String>,
) -> Result<Vec<Sample>, Unusable> {
    let cores = vcpus.filter(|vcpus| *vcpus > 1.0);
    let settle = "or set scheduler.prometheus.cpu_unit";
    let of_one = Reading {
        bound: TOLERANCE,
        factor: 100.0,
        words: "a share of 1",
        remedy: format!(
            "multiply the query by 100, {settle} to ratio; if the machine is that idle, set it to percent"
        ),
    };
    let of_cores = cores.map(|vcpus| Reading {
        bound: vcpus * TOLERANCE,
        factor: 100.0 / vcpus,
        words: "cores in use",
        remedy: format!(
            "multiply the query by {:.4}, 100 over the {vcpus:.0} vCPUs, {settle} to cores; if the machine is that idle, set it to percent",
            100.0 / vcpus
        ),
    });
    of_one.refuse_all("CPU", &samples)?;
    if let Some(of_cores) = &of_cores {
        of_cores.refuse_all("CPU", &samples)?;
    }
    let mut samples = of_one.settle_jump("CPU", samples, notes)?;
    if let Some(of_cores) = of_cores.filter(|_| cores <= Some(MOST_CORES_FOR_A_JUMP)) {
        samples = of_cores.settle_jump("CPU", samples, notes)?;
    }
    Ok(samples)
}

/// The same for memory, whose size in bytes `total_at` knows.
///
/// # Errors
/// Why memory is unknown.
pub fn settle_memory(
    samples: Vec<Sample>,
    unit: Option<MemoryUnit>,
    total_at: impl Fn(f64) -> Option<f64>,
    notes: &mut Vec<String>,
) -> Result<Vec<Sample>, Unusable> {
    let most_total = samples
        .iter()
        .filter_map(|sample| total_at(sample.at))
        .max_by(f64::total_cmp);
    if let Some(found) = Impossible::find(&samples) {
        let what = found.words("memory");
        if unit.is_some() {
            return Err(Unusable(format!(
                "{what}; is scheduler.prometheus.memory_unit right?"
            )));
        }
        let bytes = |divisor: f64| {
            most_total.is_some_and(|total| {
                (total / divisor * 0.001..=total / divisor * TOLERANCE).contains(&found.most)
            })
        };
        let likely = if bytes(1.0) {
            "as bytes in use it would be right: divide by node_memory_MemTotal_bytes and multiply by 100, or set scheduler.prometheus.memory_unit to bytes"
        } else if bytes(BYTES_PER_KIB) || bytes(1_048_576.0) {
            "as KiB or MiB in use it would be right: divide by the total in the same unit and multiply by 100"
        } else {
            "is the memory expression right?"
        };
        return Err(Unusable(format!(
            "{what}; the query must give percent of the machine's memory ({likely})"
        )));
    }
    let possible: Vec<Sample> = samples
        .into_iter()
        .filter(|sample| is_possible(sample.value))
        .map(|sample| Sample {
            value: sample.value.clamp(0.0, 100.0),
            ..sample
        })
        .collect();
    if unit.is_some() || possible.is_empty() {
        return Ok(possible);
    }
    let of_one = Reading {
        bound: TOLERANCE,
        factor: 100.0,
        words: "a share of 1",
        remedy: "multiply the query by 100, or set scheduler.prometheus.memory_unit to ratio; if so little is in use, set it to percent".to_owned(),
    };
    of_one.refuse_all("memory", &possible)?;
    if let Some(total) = most_total.filter(|_| !is_proven(&possible, &total_at)) {
        let gib = total / BYTES_PER_GIB;
        let of_gib = Reading {
            bound: gib * TOLERANCE,
            factor: 100.0 / gib,
            words: "GiB in use",
            remedy: format!(
                "divide the query by the {gib:.1} GiB and multiply by 100; if it is percent, set scheduler.prometheus.memory_unit to percent"
            ),
        };
        of_gib.refuse_all("memory", &possible)?;
    }
    of_one.settle_jump("memory", possible, notes)
}

/// True when the values are percent for sure: the kernel counts memory in KiB, and as percent of the total they are whole
/// KiB, which no other reading makes them.
fn is_proven(samples: &[Sample], total_at: impl Fn(f64) -> Option<f64>) -> bool {
    let is_whole = |kib: f64| (kib - kib.round()).abs() < 1e-3;
    let newest = samples.iter().rev();
    let known: Vec<(f64, f64)> = newest
        .filter_map(|sample| Some((sample.value, total_at(sample.at)?)))
        .take(MOST_FOR_PROOF)
        .collect();
    let share = |kib: &dyn Fn(f64, f64) -> f64| {
        let whole = known
            .iter()
            .filter(|(value, total)| is_whole(kib(*value, *total)));
        whole.count() as f64 / known.len() as f64
    };
    known.len() >= ENOUGH_FOR_PROOF
        && share(&|value, total| value / 100.0 * total / BYTES_PER_KIB) > 0.9
        && share(&|value, _| value * BYTES_PER_GIB / BYTES_PER_KIB) < 0.5
}

/// Values that no percentage has.
struct Impossible {
    above: usize,
    below: usize,
    all: usize,
    most: f64,
    rises: bool,
}

impl Impossible {
    /// `None` when there are few of them.
    fn find(samples: &[Sample]) -> Option<Self> {
        let values: Vec<f64> = samples
            .iter()
            .map(|sample| sample.value)
            .filter(|value| value.is_finite())
            .collect();
        let found = Self {
            above: values
                .iter()
                .filter(|value| **value > 100.0 + RATE_TOLERANCE)
                .count(),
            below: values
                .iter()
                .filter(|value| **value < -RATE_TOLERANCE)
                .count(),
            all: values.len(),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            rises: values.windows(2).all(|pair| pair[0] <= pair[1]),
        };
        let few = (values.len() as f64 * MOST_IMPOSSIBLE).max(1.0);
        ((found.above + found.below) as f64 > few).then_some(found)
    }

    fn words(&self, metric: &str) -> String {
        let Self {
            above, below, all, ..
        } = self;
        match (above, below) {
            (_, 0) => format!("{above} of {all} {metric} values lie above 100"),
            (0, _) => format!("{below} of {all} {metric} values lie below 0"),
            _ => format!("{above} of {all} {metric} values lie above 100 and {below} below 0"),
        }
    }
}

/// Another reading of what should be percent.
struct Reading {
    /// The largest value that it can have.
    bound: f64,
    /// Makes it percent.
    factor: f64,
    words: &'static str,
    remedy: String,
}

impl Reading {
    fn fits(&self, value: f64) -> bool {
        value <= self.bound
    }

    /// Refuses a series of which each value may be that.
    fn refuse_all(&self, metric: &str, samples: &[Sample]) -> Result<(), Unusable> {
        let least = samples
            .iter()
            .map(|sample| sample.value)
            .fold(f64::MAX, f64::min);
        let most = samples
            .iter()
            .map(|sample| sample.value)
            .fold(f64::MIN, f64::max);
        if samples.is_empty() || !self.fits(most) || most > SURELY_BUSY_PERCENT {
            return Ok(());
        }
        Err(Unusable(format!(
            "all {} {metric} values lie between {least:.3} and {most:.3}, which may be {} instead of percent: {}",
            samples.len(),
            self.words,
            self.remedy
        )))
    }

    /// A unit that changed in the window: what came before the change to percent is dropped; a change away from percent
    /// leaves the present unknown.
    fn settle_jump(
        &self,
        metric: &str,
        samples: Vec<Sample>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Sample>, Unusable> {
        let Some(first) = samples.iter().position(|sample| !self.fits(sample.value)) else {
            return Ok(samples);
        };
        let last = samples
            .iter()
            .rposition(|sample| !self.fits(sample.value))
            .unwrap_or(first);
        if last + 1 < samples.len() {
            let (before, after) = samples.split_at(last + 1);
            if self.is_rare(before) && self.is_jump(after, before, false) {
                return Err(Unusable(format!(
                    "the last {} of {} {metric} values fell to {:.3} at once, which may be {} instead of percent: {}",
                    after.len(),
                    samples.len(),
                    after[0].value,
                    self.words,
                    self.remedy
                )));
            }
        }
        let (before, after) = samples.split_at(first);
        if first > 0 && self.is_rare(after) && self.is_jump(before, after, true) {
            notes.push(format!(
                "the first {first} of {} {metric} values are left out: up to {:.3}, then {:.1} at once, as if they were {} and the unit changed",
                samples.len(),
                before[before.len() - 1].value,
                after[0].value,
                self.words,
            ));
            return Ok(after.to_vec());
        }
        Ok(samples)
    }

    /// True when few values are that low.
    fn is_rare(&self, samples: &[Sample]) -> bool {
        let low = samples.iter().filter(|sample| self.fits(sample.value));
        (low.count() as f64) < samples.len() as f64 * USUAL
    }

    /// True when `high` is about the factor higher than `low`, where they meet.
    fn is_jump(&self, low: &[Sample], high: &[Sample], low_is_first: bool) -> bool {
        let near = |samples: &[Sample], at_the_end: bool| {
            let length = samples.len().min(AROUND_A_JUMP);
            let part = match at_the_end {
                true => &samples[samples.len() - length..],
                false => &samples[..length],
            };
            median(part)
        };
        let ratio = near(high, !low_is_first) / near(low, low_is_first);
        (self.factor / 2.0..=self.factor * 2.0).contains(&ratio)
    }
}

fn median(samples: &[Sample]) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
