//! What the samples of a machine say, and when they say nothing. Pure.
//!
//! Invariant: a missing value is never zero. What can't be trusted is left out; when too much is left out, the answer is
//! "unknown", with the reason.

use jiff::Timestamp;

use crate::{
    domain::{Evidence, Observation, Series},
    samples::{
        demand,
        restarts::Restarts,
        rules::{BYTES_PER_MIB, CurrentType, Rules},
        series::{RawSeries, Sample, Unusable},
        sizes,
        units::{self, CpuUnit, is_possible},
    },
};

/// From here on CPU is saturated and demand a lower bound (design rule 1), and memory is nearly used up.
const SATURATED_PERCENT: f64 = 95.0;
/// Samples at or after this many steps ago decide whether a series is too full of holes.
const RECENT_STEPS: i64 = 12;
/// How far back the peak of CPU looks.
const PEAK_SECONDS: f64 = 3_600.0;

/// A basis for a forecast and a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The present.
    pub observation: Observation,
    /// The past, in percent of the current type.
    pub series: Series,
    /// What is missing without making the whole unknown, one line each.
    pub notes: Vec<String>,
    /// What was left out and is no trouble, one line each.
    pub advice: Vec<String>,
}

impl Known {
    /// The same of a part of the window, whose rest is not read yet: the highest use of memory in the window is unknown, which
    /// guards the way down whatever the policy asks for.
    pub fn of_a_part(mut self) -> Self {
        self.series.is_part = true;
        self.observation.memory_peak_mib = None;
        self.observation.memory_evidence = Evidence::default();
        let warming_up =
            "warming up: not all of the history is read yet; before that no type becomes smaller";
        self.advice.push(warming_up.to_owned());
        self
    }
}

/// Judges the series of one machine. `current` is absent when its type is not described.
///
/// # Errors
/// Why the machine's use is unknown, one line.
pub fn observe(
    raw: &RawSeries,
    rules: &Rules,
    current: Option<CurrentType>,
) -> Result<Known, Unusable> {
    let cpu = in_order("CPU", &raw.cpu, rules)?;
    if cpu.is_empty() {
        return Err(Unusable(
            "no CPU samples in the window; is the exporter up and scraped by this Prometheus?"
                .to_owned(),
        ));
    }
    let mut notes = Vec::new();
    let mut advice = Vec::new();
    let mut lenient = |metric: &str, samples: &[Sample], good: fn(f64) -> bool| {
        lenient(metric, samples, rules, (&mut notes, &mut advice), good)
    };
    let vcpus = lenient("vCPU count", &raw.vcpus, |value| value >= 1.0);
    let memory_total = lenient("memory size", &raw.memory_total, |value| {
        value >= BYTES_PER_MIB
    });
    let memory = lenient("memory", &raw.memory, f64::is_finite);
    let disk = lenient("disk", &raw.disk, |value| value >= 0.0);
    let (vcpus, memory_total) = sizes::settle(cpu, vcpus, memory_total, rules, current, &mut notes);
    let resized = rules.last_resize.map(|end| end.as_second() as f64);
    let vcpus_now = demand::vcpus_now(&vcpus, resized, current.map(|current| current.vcpus));

    let restarts = Restarts::find(cpu, &vcpus, &memory_total, rules);
    if matches!(rules.cpu_unit, Some(CpuUnit::Cores | CpuUnit::CorePercent)) && vcpus_now.is_none()
    {
        return Err(Unusable("the number of vCPUs is unknown, which scheduler.prometheus.cpu_unit needs; check vcpus_query".to_owned()));
    }
    let cpu = units::cpu_in_percent(cpu, rules.cpu_unit, |at| {
        demand::step_value(&vcpus, at).or(vcpus_now)
    });
    let kept = usable(
        &cpu,
        &vcpus,
        vcpus_now,
        &restarts,
        rules,
        (&mut notes, &mut advice),
    )?;
    let memory = memory_in_percent(memory, &memory_total, rules, current, &mut notes);
    if kept.len() < rules.min_samples as usize {
        return Err(Unusable(format!(
            "only {} usable CPU samples in the window, {} are needed; history is still short, or samples were bad",
            kept.len(),
            rules.min_samples,
        )));
    }
    check_age(&kept, &restarts, rules)?;
    check_holes(&kept, &restarts, rules)?;

    let rescaled = demand::in_percent_of_current(&kept, &vcpus, vcpus_now);
    let last = kept.len() - 1;
    let newest = |samples| value_at(samples, kept[last].at).filter(|value| value.is_finite());
    let memory_percent = newest(&memory);
    let in_use = memory_in_use_mib(&memory, &memory_total, rules, current);
    let memory_peak_mib = in_use
        .iter()
        .map(|sample| sample.value)
        .max_by(f64::total_cmp);
    if memory_peak_mib.is_none() || memory_percent.is_none() {
        notes.push("memory is unknown; check the memory expression and the exporter".to_owned());
    }
    let observation = Observation {
        observed_at: Timestamp::from_second(kept[last].at as i64).map_err(|error| {
            Unusable(format!(
                "the time of the last CPU sample is out of range: {error}"
            ))
        })?,
        // On a smaller type than the sample's the percentage can exceed what the machine has.
        cpu_percent: rescaled.percent[last].min(100.0),
        memory_percent,
        memory_peak_mib,
        disk_bytes_per_second: newest(&disk),
        samples: kept.len() as u32,
        saturated_seconds: saturated_seconds(&kept, &restarts, rules),
        memory_pressed_seconds: match memory_percent {
            Some(_) => saturated_seconds(&memory, &restarts, rules),
            None => 0,
        },
        cpu_evidence: evidence(&kept, rules),
        memory_evidence: evidence(&in_use, rules),
        cpu_peak_last_hour_percent: peak_of_the_last_hour(&kept, &rescaled.percent, rules),
        steal_percent: None,
        sample_age_limit_seconds: rules.sample_age_limit_seconds(),
        past: None,
    };
    let series = Series {
        timestamps: kept.iter().map(|sample| sample.at as i64).collect(),
        cpu_percent: rescaled.percent,
        vcpus: vcpus_now.filter(|vcpus| *vcpus >= 1.0),
        capacity_percent: rescaled.capacity_percent,
        is_part: false,
        calibration_state: Vec::new(),
    };
    Ok(Known {
        observation,
        series,
        notes,
        advice,
    })
}

/// The CPU samples that count, in percent.
fn usable(
    cpu: &[Sample],
    vcpus: &[Sample],
    vcpus_now: Option<f64>,
    restarts: &Restarts,
    rules: &Rules,
    (notes, advice): (&mut Vec<String>, &mut Vec<String>),
) -> Result<Vec<Sample>, Unusable> {
    // Without counts nobody knows the scale of what was before the last resize.
    let begin = match rules.last_resize {
        Some(end) if vcpus.is_empty() => end.as_second() as f64,
        _ => f64::NEG_INFINITY,
    };
    let candidates: Vec<Sample> = cpu
        .iter()
        .filter(|sample| sample.at >= begin && !restarts.is_warm_up(sample.at, rules))
        .copied()
        .collect();
    let most_vcpus = vcpus
        .iter()
        .map(|count| count.value.round())
        .chain(vcpus_now)
        .max_by(f64::total_cmp);
    let checked = units::check_cpu(&candidates, rules.cpu_unit, most_vcpus);
    let newest = cpu[cpu.len() - 1];
    if !restarts.is_warm_up(newest.at, rules)
        && let Err(why) = percent(newest.value)
    {
        let all = checked.err().map(|why| format!("; {why}"));
        return Err(Unusable(format!(
            "the last CPU sample {why}; is the CPU expression right?{}",
            all.unwrap_or_default()
        )));
    }
    checked?;
    let mut kept: Vec<Sample> = candidates
        .iter()
        .filter_map(|sample| {
            let value = percent(sample.value).ok()?;
            Some(Sample {
                at: sample.at,
                value,
            })
        })
        .collect();
    let booting = cpu.len() - candidates.len();
    if booting > 0 {
        advice.push(format!(
            "{booting} of {} CPU values are left out: from before the last resize, or from less than {} s after a start",
            cpu.len(),
            rules.warm_up_seconds
        ));
    }
    left_out("CPU", candidates.len() - kept.len(), cpu.len(), advice);
    if rules.cpu_unit.is_none() {
        kept = units::settle_cpu(kept, most_vcpus, notes)?;
    }
    Ok(kept)
}

/// Memory in percent; empty, with a note, when it can't be told.
fn memory_in_percent(
    memory: Vec<Sample>,
    memory_total: &[Sample],
    rules: &Rules,
    current: Option<CurrentType>,
    notes: &mut Vec<String>,
) -> Vec<Sample> {
    let total_at = |at: f64| {
        demand::step_value(memory_total, at)
            .or(current.map(|current| current.memory_mib as f64 * BYTES_PER_MIB))
    };
    let memory = units::memory_in_percent(&memory, rules.memory_unit, total_at);
    let all = memory.len();
    let noted = notes.len();
    match units::settle_memory(memory, rules.memory_unit, total_at, notes) {
        Ok(memory) => {
            if notes.len() == noted {
                left_out("memory", all - memory.len(), all, notes);
            }
            memory
        }
        Err(why) => {
            notes.push(why.to_string());
            Vec::new()
        }
    }
}

/// Says how many values were left out because no percentage or size is like that.
fn left_out(metric: &str, number: usize, all: usize, said: &mut Vec<String>) {
    if number > 0 {
        said.push(format!(
            "{number} of {all} {metric} values are left out: they are no number, or impossible"
        ));
    }
}

/// The samples, if their times can be believed.
fn in_order<'a>(
    metric: &str,
    samples: &'a [Sample],
    rules: &Rules,
) -> Result<&'a [Sample], Unusable> {
    let now = rules.now.as_second() as f64;
    // Times are whole seconds on their way to the forecast: closer samples would collide.
    if let Some(pair) = samples
        .windows(2)
        .find(|pair| pair[1].at.floor() <= pair[0].at.floor())
    {
        return Err(Unusable(format!(
            "{metric} samples are out of order: {} comes after {}",
            pair[1].at, pair[0].at
        )));
    }
    match samples.last() {
        Some(last) if !last.at.is_finite() || last.at > now + 1.0 => Err(Unusable(format!(
            "a {metric} sample lies {:.0} s in the future; are the clocks of Prometheus and of this machine right?",
            last.at - now
        ))),
        _ => Ok(samples),
    }
}

/// The good values of a metric that a decision can do without.
fn lenient(
    metric: &str,
    samples: &[Sample],
    rules: &Rules,
    (notes, advice): (&mut Vec<String>, &mut Vec<String>),
    good: fn(f64) -> bool,
) -> Vec<Sample> {
    match in_order(metric, samples, rules) {
        Ok(samples) => {
            let kept: Vec<Sample> = samples
                .iter()
                .filter(|sample| sample.value.is_finite() && good(sample.value))
                .copied()
                .collect();
            left_out(metric, samples.len() - kept.len(), samples.len(), advice);
            kept
        }
        Err(why) => {
            notes.push(why.to_string());
            Vec::new()
        }
    }
}

/// A percentage, with the noise of rates cut off.
fn percent(value: f64) -> Result<f64, Unusable> {
    if value.is_nan() {
        return Err(Unusable("is NaN".to_owned()));
    }
    if !is_possible(value) {
        return Err(Unusable(format!("is {value}, outside 0 to 100 percent")));
    }
    Ok(value.clamp(0.0, 100.0))
}

fn check_age(kept: &[Sample], restarts: &Restarts, rules: &Rules) -> Result<(), Unusable> {
    let last = kept[kept.len() - 1].at;
    let now = rules.now.as_second() as f64;
    let limit = f64::from(rules.max_sample_age_seconds.max(rules.usual_age_seconds()));
    let age = now - last;
    if age <= limit {
        return Ok(());
    }
    if restarts.is_warm_up(now, rules) {
        return Err(Unusable(format!(
            "the machine came up less than {} s ago and its last sample before is {age:.0} s old",
            rules.warm_up_seconds
        )));
    }
    Err(Unusable(format!(
        "the last CPU sample is {age:.0} s old, {limit:.0} s is the limit; is the exporter up and scraped?"
    )))
}

/// Half of the recent points must be there, counted from the first sample or the last resize, whichever is later.
fn check_holes(kept: &[Sample], restarts: &Restarts, rules: &Rules) -> Result<(), Unusable> {
    let now = rules.now.as_second() as f64;
    let step = f64::from(rules.step_seconds);
    let recent = now - RECENT_STEPS as f64 * step;
    let warm_up = f64::from(rules.warm_up_seconds);
    let begin = restarts
        .resizes
        .iter()
        .map(|restart| restart + warm_up)
        .chain([kept[0].at, recent])
        .filter(|begin| *begin <= now)
        .fold(recent, f64::max);
    let expected = ((now - begin) / step).floor();
    let found = kept.iter().filter(|sample| sample.at >= begin).count() as f64;
    if expected >= 4.0 && found < expected / 2.0 {
        return Err(Unusable(format!(
            "only {found} of {expected} CPU samples of the last {:.0} s are usable; is the exporter flapping?",
            now - begin
        )));
    }
    Ok(())
}

/// The newest value at or before `at`, when it is from the same evaluation.
fn value_at(samples: &[Sample], at: f64) -> Option<f64> {
    let after = samples.partition_point(|sample| sample.at <= at + 0.5);
    let sample = samples.get(after.checked_sub(1)?)?;
    ((sample.at - at).abs() <= 1.0).then_some(sample.value)
}

/// Memory in use, MiB, as far as it is known; nothing when it stopped being measured: then it says nothing about now.
fn memory_in_use_mib(
    memory: &[Sample],
    memory_total: &[Sample],
    rules: &Rules,
    current: Option<CurrentType>,
) -> Vec<Sample> {
    let now = rules.now.as_second() as f64;
    match memory.last() {
        Some(newest) if now - newest.at <= 2.0 * f64::from(rules.step_seconds) => {}
        _ => return Vec::new(),
    }
    let resized = rules.last_resize.map(|end| end.as_second() as f64);
    memory
        .iter()
        .filter_map(|sample| {
            let measured =
                demand::step_value(memory_total, sample.at).map(|bytes| bytes / BYTES_PER_MIB);
            // Without the exporter's word the type's size stands in, for as long as it has had that type.
            let described = current
                .filter(|_| resized.is_none_or(|resized| sample.at >= resized))
                .map(|current| current.memory_mib as f64);
            Some(Sample {
                at: sample.at,
                value: sample.value / 100.0 * measured.or(described)?,
            })
        })
        .collect()
}

/// How much history `samples` are: what lies between two of them counts for one step at most.
fn evidence(samples: &[Sample], rules: &Rules) -> Evidence {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Evidence::default();
    };
    let step = f64::from(rules.step_seconds);
    let observed: f64 = samples
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).min(step))
        .sum();
    Evidence {
        spanned_seconds: (last.at - first.at) as u32,
        observed_seconds: observed as u32,
    }
}

/// The highest demand of the past hour on the scale of the current type, not cut off at what that type has.
fn peak_of_the_last_hour(kept: &[Sample], percent: &[f64], rules: &Rules) -> Option<f64> {
    let begin = rules.now.as_second() as f64 - PEAK_SECONDS;
    kept.iter()
        .zip(percent)
        .filter(|(sample, _)| sample.at >= begin)
        .map(|(_, percent)| *percent)
        .max_by(f64::total_cmp)
}

/// Length of the run of saturated samples at the end, on the type that it has now.
fn saturated_seconds(samples: &[Sample], restarts: &Restarts, rules: &Rules) -> u32 {
    let hole = f64::from(rules.step_seconds) * 1.5;
    let last_restart = restarts.all.last().copied().unwrap_or(f64::NEG_INFINITY);
    let Some(newest) = samples.last().map(|sample| sample.at) else {
        return 0;
    };
    let mut oldest = newest;
    for sample in samples.iter().rev() {
        let since_restart = sample.at >= last_restart;
        if sample.value < SATURATED_PERCENT || oldest - sample.at > hole || !since_restart {
            break;
        }
        oldest = sample.at;
    }
    (newest - oldest) as u32
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
