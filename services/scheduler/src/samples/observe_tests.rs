//! Faults 37, 38, 41 and 43 on the level of samples, and what a good series gives.

use super::*;
use crate::samples::units::MemoryUnit;

const NOW: i64 = 1_700_000_100;
const STEP: i64 = 300;
const POINTS: i64 = 24;

fn rules() -> Rules {
    Rules {
        now: Timestamp::from_second(NOW).unwrap(),
        step_seconds: STEP as u32,
        scrape_interval_seconds: 60,
        tick_timeout_seconds: 120,
        min_samples: 3,
        warm_up_seconds: 120,
        max_sample_age_seconds: 600,
        last_resize: None,
        cpu_unit: None,
        memory_unit: None,
    }
}

/// One sample for each step up to now; `age` counts steps back from the newest.
fn samples(value: impl Fn(i64) -> Option<f64>) -> Vec<Sample> {
    (0..POINTS)
        .rev()
        .filter_map(|age| {
            Some(Sample {
                at: (NOW - age * STEP) as f64,
                value: value(age)?,
            })
        })
        .collect()
}

fn always(value: f64) -> Vec<Sample> {
    samples(|_| Some(value))
}

fn healthy() -> RawSeries {
    RawSeries {
        cpu: samples(|age| Some(40.0 + age as f64)),
        memory: always(50.0),
        disk: always(1_000.0),
        vcpus: always(2.0),
        memory_total: always(4096.0 * BYTES_PER_MIB),
    }
}

const MEDIUM: Option<CurrentType> = Some(CurrentType {
    vcpus: 2,
    memory_mib: 4_096,
});

fn unknown(raw: &RawSeries) -> String {
    observe(raw, &rules(), MEDIUM).unwrap_err().to_string()
}

#[test]
fn a_healthy_series_is_known() {
    let known = observe(&healthy(), &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.observed_at.as_second(), NOW);
    assert_eq!(known.observation.cpu_percent, 40.0);
    assert_eq!(known.observation.memory_percent, Some(50.0));
    assert_eq!(known.observation.memory_peak_mib, Some(2048.0));
    assert_eq!(known.observation.disk_bytes_per_second, Some(1_000.0));
    assert_eq!(known.observation.samples, POINTS as u32);
    assert_eq!(known.observation.saturated_seconds, 0);
    assert_eq!(known.series.timestamps.len(), POINTS as usize);
    assert_eq!(known.series.capacity_percent, 100.0);
    assert!(known.notes.is_empty(), "{:?}", known.notes);
}

#[test]
fn of_a_part_of_the_window_the_present_counts_and_the_peak_of_memory_is_unknown() {
    let known = observe(&healthy(), &rules(), MEDIUM).unwrap().of_a_part();
    let seen = known.observation;
    assert_eq!((seen.cpu_percent, seen.memory_percent), (40.0, Some(50.0)));
    assert_eq!(seen.memory_peak_mib, None);
    assert_eq!(seen.memory_evidence, Evidence::default());
    assert!(known.series.is_part && known.notes.is_empty());
    assert!(known.advice[0].starts_with("warming up"));
}

#[test]
fn history_is_told_by_what_it_spans_and_by_what_was_seen_of_it() {
    let known = observe(&healthy(), &rules(), MEDIUM).unwrap();
    let whole = Evidence {
        spanned_seconds: ((POINTS - 1) * STEP) as u32,
        observed_seconds: ((POINTS - 1) * STEP) as u32,
    };
    assert_eq!(known.observation.cpu_evidence, whole);
    assert_eq!(known.observation.memory_evidence, whole);
    // Ten points are missing, and the first after them is warm-up; of the hole one step counts.
    let raw = RawSeries {
        cpu: samples(|age| (!(12..22).contains(&age)).then_some(40.0)),
        memory: samples(|age| (age < 3).then_some(40.0)),
        ..healthy()
    };
    let seen = observe(&raw, &rules(), MEDIUM).unwrap().observation;
    assert_eq!(
        seen.cpu_evidence.spanned_seconds,
        ((POINTS - 1) * STEP) as u32
    );
    assert_eq!(
        seen.cpu_evidence.observed_seconds,
        ((POINTS - 1 - 11) * STEP) as u32
    );
    assert_eq!(seen.memory_evidence.spanned_seconds, 2 * STEP as u32);
    assert_eq!(seen.memory_evidence.observed_seconds, 2 * STEP as u32);
    // What stopped is no evidence for now.
    let raw = RawSeries {
        memory: samples(|age| (age > 5).then_some(40.0)),
        ..healthy()
    };
    let seen = observe(&raw, &rules(), MEDIUM).unwrap().observation;
    assert_eq!(seen.memory_evidence, Evidence::default());
}

#[test]
fn the_peak_of_the_last_hour_is_demand_on_the_current_type() {
    // 13 samples lie in the hour; what is older doesn't count.
    let raw = RawSeries {
        cpu: samples(|age| {
            Some(match age {
                13 => 99.0,
                12 => 70.0,
                _ => 40.0,
            })
        }),
        ..healthy()
    };
    let peak = |raw: &RawSeries| {
        let observation = observe(raw, &rules(), MEDIUM).unwrap().observation;
        observation.cpu_peak_last_hour_percent
    };
    assert_eq!(peak(&raw), Some(70.0));
    // 80 percent of 4 vCPU are 160 of 2: not cut off.
    let raw = RawSeries {
        cpu: samples(|age| Some(if age > 5 { 80.0 } else { 90.0 })),
        vcpus: samples(|age| Some(if age > 5 { 4.0 } else { 2.0 })),
        memory_total: samples(|age| Some(if age > 5 { 8192.0 } else { 4096.0 } * BYTES_PER_MIB)),
        ..healthy()
    };
    assert_eq!(peak(&raw), Some(160.0));
}

#[test]
fn fault_37_a_last_sample_that_is_no_percentage_is_unknown() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0, 150.0] {
        let raw = RawSeries {
            cpu: samples(|age| Some(if age == 0 { value } else { 40.0 })),
            ..healthy()
        };
        let why = unknown(&raw);
        assert!(why.contains("the last CPU sample is"), "{value}: {why}");
    }
}

#[test]
fn fault_37_bad_samples_of_the_past_are_left_out_and_never_become_zero() {
    for value in [f64::NAN, f64::INFINITY, -5.0, 150.0] {
        let raw = RawSeries {
            cpu: samples(|age| Some(if age == 9 { value } else { 40.0 })),
            ..healthy()
        };
        let known = observe(&raw, &rules(), MEDIUM).unwrap();
        assert_eq!(known.series.cpu_percent.len(), POINTS as usize - 1);
        assert!(known.series.cpu_percent.iter().all(|cpu| *cpu == 40.0));
    }
    let raw = RawSeries {
        cpu: samples(|age| Some(if age > 0 { f64::NAN } else { 40.0 })),
        ..healthy()
    };
    assert!(
        unknown(&raw).contains("only 1 usable CPU samples"),
        "{}",
        unknown(&raw)
    );
}

#[test]
fn the_noise_of_rates_is_cut_off() {
    let raw = RawSeries {
        cpu: samples(|age| Some(if age == 0 { -0.4 } else { 100.6 })),
        ..healthy()
    };
    let known = observe(&raw, &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.cpu_percent, 0.0);
    assert_eq!(known.series.cpu_percent[0], 100.0);
}

#[test]
fn fault_38_empty_stale_and_partial_series_are_unknown() {
    let empty = RawSeries {
        cpu: Vec::new(),
        ..healthy()
    };
    assert!(unknown(&empty).contains("no CPU samples"));
    let stale = RawSeries {
        cpu: samples(|age| (age >= 3).then_some(40.0)),
        ..healthy()
    };
    assert!(
        unknown(&stale).contains("is 900 s old, 660 s is the limit"),
        "{}",
        unknown(&stale)
    );
    // Every sample after a hole is warm-up: of a flapping exporter little is left.
    let partial = RawSeries {
        cpu: samples(|age| (age >= 20 || age <= 1 || age % 4 == 0).then_some(40.0)),
        ..healthy()
    };
    assert!(
        unknown(&partial).contains("usable"),
        "{}",
        unknown(&partial)
    );
}

#[test]
fn what_step_and_scrapes_make_usual_is_the_least_limit_of_age() {
    let raw = |newest: i64| RawSeries {
        cpu: samples(|age| (age >= newest).then_some(40.0)),
        ..healthy()
    };
    let within = |policy: u32, newest: i64| {
        let rules = Rules {
            max_sample_age_seconds: policy,
            ..rules()
        };
        observe(&raw(newest), &rules, MEDIUM)
    };
    // Nothing said, or no more than a step: two steps are usual.
    for policy in [0, 60, 300] {
        let known = within(policy, 2).unwrap();
        // Decided on at most a tick later.
        assert_eq!(known.observation.sample_age_limit_seconds, 780);
        assert!(within(policy, 3).is_err(), "{policy}");
    }
    assert!(within(900, 3).is_ok());
    assert!(within(900, 4).is_err());
}

#[test]
fn the_limit_of_age_follows_step_scrape_and_tick() {
    let limits = |step_seconds, scrape_interval_seconds, tick_timeout_seconds| {
        let rules = Rules {
            step_seconds,
            scrape_interval_seconds,
            tick_timeout_seconds,
            ..rules()
        };
        (rules.usual_age_seconds(), rules.sample_age_limit_seconds())
    };
    assert_eq!(limits(300, 60, 120), (660, 780));
    assert_eq!(limits(60, 15, 30), (135, 165));
    assert_eq!(limits(3_600, 300, 120), (7_500, 7_620));
    assert_eq!(limits(3_600, 3_600, 86_400).1, 86_400);
}

#[test]
fn fault_38_missing_memory_is_no_zero_and_is_said() {
    let raw = RawSeries {
        memory: Vec::new(),
        disk: samples(|age| (age > 0).then_some(5.0)),
        ..healthy()
    };
    let known = observe(&raw, &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.memory_percent, None);
    assert_eq!(known.observation.memory_peak_mib, None);
    assert_eq!(known.observation.disk_bytes_per_second, None);
    assert!(
        known
            .notes
            .iter()
            .any(|note| note.contains("memory is unknown"))
    );
}

#[test]
fn fault_41_future_and_reordered_timestamps_are_unknown() {
    let mut future = healthy();
    future.cpu.last_mut().unwrap().at += 400.0;
    assert!(
        unknown(&future).contains("400 s in the future"),
        "{}",
        unknown(&future)
    );
    let mut reordered = healthy();
    reordered.cpu.swap(4, 5);
    assert!(unknown(&reordered).contains("out of order"));
    let mut twice = healthy();
    twice.cpu[5].at = twice.cpu[4].at;
    assert!(unknown(&twice).contains("out of order"));
    let mut endless = healthy();
    endless.cpu.last_mut().unwrap().at = f64::INFINITY;
    assert!(unknown(&endless).contains("future"));
    // Memory out of order is unknown memory, no more.
    let mut memory = healthy();
    memory.memory.swap(4, 5);
    let known = observe(&memory, &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.memory_peak_mib, None);
}

#[test]
fn fault_43_the_first_samples_after_a_resize_are_left_out() {
    // Down between 5 and 4 steps ago, then busy booting.
    let raw = RawSeries {
        cpu: samples(|age| match age {
            5 => None,
            4 => Some(99.0),
            _ => Some(40.0),
        }),
        vcpus: samples(|age| Some(if age > 4 { 1.0 } else { 2.0 })),
        ..healthy()
    };
    let known = observe(&raw, &rules(), MEDIUM).unwrap();
    assert!(!known.series.timestamps.contains(&(NOW - 4 * STEP)));
    // 40 percent of one vCPU are 20 of two.
    assert_eq!(known.series.cpu_percent[0], 20.0);
    assert_eq!(known.observation.cpu_percent, 40.0);
}

#[test]
fn fault_43_right_after_a_resize_the_last_sample_before_it_stands_for_the_present() {
    let resized = Rules {
        last_resize: Some(Timestamp::from_second(NOW - 30).unwrap()),
        ..rules()
    };
    let raw = RawSeries {
        cpu: samples(|age| Some(if age == 0 { 99.0 } else { 60.0 })),
        vcpus: samples(|age| Some(if age == 0 { 2.0 } else { 1.0 })),
        ..healthy()
    };
    let known = observe(&raw, &resized, MEDIUM).unwrap();
    assert_eq!(known.observation.observed_at.as_second(), NOW - STEP);
    assert_eq!(known.observation.cpu_percent, 30.0);
    // When even that is too old, nothing is known, and the reason is no broken exporter.
    let raw = RawSeries {
        cpu: samples(|age| (age == 0 || age > 2).then_some(60.0)),
        ..raw
    };
    let why = observe(&raw, &resized, MEDIUM).unwrap_err().to_string();
    assert!(why.contains("came up less than 120 s ago"), "{why}");
}

#[test]
fn without_vcpu_counts_history_begins_at_the_last_resize() {
    let resized = Rules {
        last_resize: Some(Timestamp::from_second(NOW - 6 * STEP - 200).unwrap()),
        ..rules()
    };
    let raw = RawSeries {
        vcpus: Vec::new(),
        ..healthy()
    };
    let known = observe(&raw, &resized, MEDIUM).unwrap();
    assert_eq!(known.series.timestamps[0], NOW - 6 * STEP);
    assert_eq!(
        observe(&raw, &rules(), MEDIUM)
            .unwrap()
            .series
            .timestamps
            .len(),
        POINTS as usize
    );
}

#[test]
fn saturation_is_the_unbroken_run_at_the_end() {
    let seconds = |cpu: Vec<Sample>, vcpus: Vec<Sample>| {
        let raw = RawSeries {
            cpu,
            vcpus,
            ..healthy()
        };
        observe(&raw, &rules(), MEDIUM)
            .unwrap()
            .observation
            .saturated_seconds
    };
    let run = |length: i64| samples(move |age| Some(if age <= length { 97.0 } else { 90.0 }));
    assert_eq!(seconds(run(4), always(2.0)), 4 * STEP as u32);
    assert_eq!(seconds(run(0), always(2.0)), 0);
    assert_eq!(seconds(always(90.0), always(2.0)), 0);
    // Saturated on the smaller type says nothing about this one.
    let resized = samples(|age| Some(if age > 2 { 1.0 } else { 2.0 }));
    assert_eq!(seconds(run(9), resized), STEP as u32);
}

#[test]
fn the_peak_of_memory_counts_bytes_across_types() {
    // 80 percent of 4 GiB before, 50 percent of 8 GiB since.
    let raw = RawSeries {
        memory: samples(|age| Some(if age > 5 { 80.0 } else { 30.0 })),
        memory_total: samples(|age| {
            Some(if age > 5 {
                4096.0 * BYTES_PER_MIB
            } else {
                8192.0 * BYTES_PER_MIB
            })
        }),
        ..healthy()
    };
    let peak = observe(&raw, &rules(), MEDIUM)
        .unwrap()
        .observation
        .memory_peak_mib
        .unwrap();
    assert!((peak - 3276.8).abs() < 0.01, "{peak}");
    // Without the exporter's size the type's stands in.
    let raw = RawSeries {
        memory: always(50.0),
        memory_total: Vec::new(),
        ..healthy()
    };
    assert_eq!(
        observe(&raw, &rules(), MEDIUM)
            .unwrap()
            .observation
            .memory_peak_mib,
        Some(2048.0)
    );
    assert_eq!(
        observe(&raw, &rules(), None)
            .unwrap()
            .observation
            .memory_peak_mib,
        None
    );
}

#[test]
fn a_unit_that_cant_be_told_is_unknown_until_it_is_said() {
    let raw = RawSeries {
        cpu: samples(|age| Some(0.88 + 0.001 * age as f64)),
        ..healthy()
    };
    let why = unknown(&raw);
    for words in [
        "all 24 CPU values lie between 0.880 and 0.903",
        "multiply the query by 100",
        "scheduler.prometheus.cpu_unit to ratio",
        "set it to percent",
    ] {
        assert!(why.contains(words), "{why} lacks {words}");
    }
    let said = |unit| {
        let rules = Rules {
            cpu_unit: Some(unit),
            ..rules()
        };
        let known = observe(&raw, &rules, MEDIUM).unwrap();
        assert!(known.notes.is_empty(), "{:?}", known.notes);
        known.observation.cpu_percent
    };
    assert_eq!(said(CpuUnit::Percent), 0.88);
    assert_eq!(said(CpuUnit::Ratio), 88.0);
    assert_eq!(said(CpuUnit::Cores), 44.0);
    // What is said must still be possible.
    let rules = Rules {
        cpu_unit: Some(CpuUnit::Ratio),
        ..rules()
    };
    let why = observe(&healthy(), &rules, MEDIUM).unwrap_err().to_string();
    assert!(why.contains("cpu_unit says ratio"), "{why}");
    // Cores can't be converted by a number that nobody knows.
    let rules = Rules {
        cpu_unit: Some(CpuUnit::Cores),
        ..rules
    };
    let raw = RawSeries {
        vcpus: Vec::new(),
        ..raw
    };
    let why = observe(&raw, &rules, None).unwrap_err().to_string();
    assert!(why.contains("number of vCPUs is unknown"), "{why}");
}

#[test]
fn memory_in_a_doubtful_unit_is_no_peak() {
    let raw = RawSeries {
        memory: always(0.88),
        ..healthy()
    };
    let known = observe(&raw, &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.memory_peak_mib, None);
    assert_eq!(known.observation.memory_percent, None);
    let note = &known.notes[0];
    assert!(note.contains("memory_unit to ratio"), "{note}");
    let rules = Rules {
        memory_unit: Some(MemoryUnit::Ratio),
        ..rules()
    };
    let known = observe(&raw, &rules, MEDIUM).unwrap();
    let peak = known.observation.memory_peak_mib.unwrap();
    assert!((peak - 0.88 * 4096.0).abs() < 0.01, "{peak}");
}

#[test]
fn a_substantial_share_of_impossible_values_is_unknown_and_a_small_one_is_said() {
    let raw = |impossible: i64| RawSeries {
        cpu: samples(|age| {
            Some(if (1..=impossible).contains(&age) {
                120.0
            } else {
                40.0
            })
        }),
        ..healthy()
    };
    let why = unknown(&raw(2));
    assert!(why.contains("2 of 24 CPU values lie above 100"), "{why}");
    assert!(why.contains("percent of the machine"), "{why}");
    let known = observe(&raw(1), &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.samples, POINTS as u32 - 1);
    let said = "1 of 24 CPU values are left out";
    assert!(known.advice[0].contains(said), "{:?}", known.advice);
}

#[test]
fn cpus_counted_twice_change_nothing_and_are_said() {
    // Two jobs scraped the same exporter until two steps ago.
    let raw = RawSeries {
        cpu: always(64.0),
        vcpus: samples(|age| Some(if age >= 2 { 4.0 } else { 2.0 })),
        ..healthy()
    };
    let known = observe(&raw, &rules(), MEDIUM).unwrap();
    assert!(
        known.series.cpu_percent.iter().all(|cpu| *cpu == 64.0),
        "{:?}",
        known.series.cpu_percent
    );
    assert_eq!(known.series.capacity_percent, 100.0);
    assert_eq!(known.observation.samples, POINTS as u32);
    let said = "22 of 24 vCPU counts are 4, but the machine has 2";
    assert!(known.notes[0].contains(said), "{:?}", known.notes);
    // Throughout: the same.
    let raw = RawSeries {
        vcpus: always(4.0),
        ..raw
    };
    let known = observe(&raw, &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.cpu_percent, 64.0);
    assert_eq!(known.notes.len(), 1, "{:?}", known.notes);
    // With its CPU options a machine of two vCPUs has one.
    let options = Some(CurrentType {
        vcpus: 1,
        memory_mib: 4_096,
    });
    let raw = RawSeries {
        vcpus: samples(|age| Some(if age >= 2 { 2.0 } else { 1.0 })),
        ..raw
    };
    let known = observe(&raw, &rules(), options).unwrap();
    assert_eq!(known.series.cpu_percent[0], 64.0);
}

#[test]
fn a_larger_type_before_a_start_still_counts() {
    let halved = |memory_before: f64, hole: Option<i64>| RawSeries {
        cpu: samples(|age| (Some(age) != hole).then_some(40.0)),
        vcpus: samples(|age| Some(if age >= 8 { 4.0 } else { 2.0 })),
        memory_total: samples(|age| {
            Some(if age >= 8 { memory_before } else { 4_000.0 } * BYTES_PER_MIB)
        }),
        ..healthy()
    };
    let first =
        |raw: &RawSeries, rules: &Rules| observe(raw, rules, MEDIUM).unwrap().series.cpu_percent[0];
    assert_eq!(first(&halved(8_000.0, None), &rules()), 80.0, "memory");
    assert_eq!(first(&halved(4_010.0, None), &rules()), 80.0, "a little");
    assert_eq!(first(&halved(4_000.0, Some(8)), &rules()), 80.0, "a hole");
    let resized = Rules {
        last_resize: Some(Timestamp::from_second(NOW - 7 * STEP - 100).unwrap()),
        ..rules()
    };
    assert_eq!(first(&halved(4_000.0, None), &resized), 80.0, "known");
    assert_eq!(first(&halved(4_000.0, None), &rules()), 40.0, "by nothing");
}

#[test]
fn a_memory_size_that_cant_be_is_the_types() {
    let raw = RawSeries {
        memory_total: samples(|age| Some(if age >= 2 { 8_192.0 } else { 4_000.0 } * BYTES_PER_MIB)),
        ..healthy()
    };
    let known = observe(&raw, &rules(), MEDIUM).unwrap();
    assert_eq!(known.observation.memory_peak_mib, Some(2_048.0));
    let said = "22 of 24 memory sizes are 8192 MiB, but the machine has 4096";
    assert!(known.notes[0].contains(said), "{:?}", known.notes);
}

#[test]
fn memory_pressure_is_the_unbroken_run_at_the_end_of_what_is_current() {
    let seconds = |memory: Vec<Sample>| {
        let raw = RawSeries {
            memory,
            ..healthy()
        };
        observe(&raw, &rules(), MEDIUM)
            .unwrap()
            .observation
            .memory_pressed_seconds
    };
    let run = |length: i64| samples(move |age| Some(if age <= length { 97.0 } else { 60.0 }));
    assert_eq!(seconds(run(3)), 3 * STEP as u32);
    assert_eq!(seconds(always(60.0)), 0);
    // It stopped being measured: it says nothing about now.
    let stopped = samples(|age| (age > 0).then_some(97.0));
    assert_eq!(seconds(stopped), 0);
}
