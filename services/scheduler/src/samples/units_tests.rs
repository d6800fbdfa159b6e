//! Which unit a series is in: the readings that can't be told, those that can, and what a setting changes.

use super::*;

fn samples(values: impl IntoIterator<Item = f64>) -> Vec<Sample> {
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| Sample {
            at: index as f64 * 300.0,
            value,
        })
        .collect()
}

/// 576 values around `level`.
fn wave(level: f64) -> Vec<Sample> {
    samples((0..576).map(|index| level + 0.02 * level * (f64::from(index) / 3.0).sin()))
}

/// At 0.3 to 0.6 percent, with a little work each hour.
fn truly_idle() -> Vec<Sample> {
    samples((0..576).map(|index| match index % 12 {
        0 => 2.7,
        _ => 0.3 + 0.3 * f64::from(index % 7) / 7.0,
    }))
}

fn cpu(samples: Vec<Sample>, vcpus: f64) -> Result<(usize, Vec<String>), Unusable> {
    let mut notes = Vec::new();
    check_cpu(&samples, None, Some(vcpus))?;
    let kept = settle_cpu(samples, Some(vcpus), &mut notes)?;
    Ok((kept.len(), notes))
}

#[test]
fn cpu_that_may_be_in_another_unit_is_unknown_and_the_remedy_is_named() {
    for (series, vcpus, words) in [
        (
            wave(0.88),
            2.0,
            &["a share of 1", "by 100", "cpu_unit to ratio"][..],
        ),
        (wave(0.003), 2.0, &["a share of 1"]),
        (wave(0.88), 1.0, &["a share of 1"]),
        (wave(0.0), 2.0, &["a share of 1"]),
        (
            wave(1.76),
            2.0,
            &["cores in use", "by 50.0000", "cpu_unit to cores"],
        ),
        (
            wave(14.0),
            16.0,
            &["cores in use", "by 6.2500", "to percent"],
        ),
        // On 4 vCPUs the same numbers may be two thirds of the machine.
        (truly_idle(), 4.0, &["cores in use"]),
    ] {
        let why = cpu(series, vcpus).unwrap_err().to_string();
        for word in words {
            assert!(why.contains(word), "{why} lacks {word}");
        }
    }
}

#[test]
fn cpu_that_is_percent_is_known() {
    for (series, vcpus) in [
        (wave(88.0), 2.0),
        (wave(9.0), 2.0),
        (truly_idle(), 2.0),
        (wave(88.0), 96.0),
        (wave(55.0), 96.0),
        // A working day on a small machine: from 0.5 to 40 and back, each day.
        (
            samples((0..576).map(|index| if index % 288 < 100 { 40.0 } else { 0.5 })),
            2.0,
        ),
        // It goes to rest by and by.
        (
            samples((0..576).map(|index| (90.0 * 0.98_f64.powi(index)).max(0.4))),
            2.0,
        ),
    ] {
        assert_eq!(cpu(series, vcpus), Ok((576, Vec::new())), "{vcpus}");
    }
}

#[test]
fn cpu_beyond_100_names_how_many_and_the_likely_unit() {
    for (series, vcpus, words) in [
        (
            wave(352.0),
            4.0,
            &[
                "576 of 576 CPU values lie above 100",
                "divide by 4",
                "core_percent",
            ][..],
        ),
        (wave(3_500.0), 4.0, &["divide by 40"]),
        (wave(8_800.0), 2.0, &["divide by 100"]),
        (
            samples((0..576).map(|index| 1e6 + f64::from(index))),
            2.0,
            &["take its rate"],
        ),
        (wave(-20.0), 2.0, &["576 of 576 CPU values lie below 0"]),
    ] {
        let why = cpu(series, vcpus).unwrap_err().to_string();
        for word in words {
            assert!(why.contains(word), "{why} lacks {word}");
        }
    }
    // One percent of it may be a glitch.
    let glitches =
        |number: i32| samples((0..500).map(move |index| if index < number { 130.0 } else { 40.0 }));
    assert!(check_cpu(&glitches(5), None, Some(2.0)).is_ok());
    let why = check_cpu(&glitches(6), None, Some(2.0))
        .unwrap_err()
        .to_string();
    assert!(why.contains("6 of 500"), "{why}");
    let why = check_cpu(&wave(352.0), Some(CpuUnit::Ratio), Some(4.0))
        .unwrap_err()
        .to_string();
    assert!(why.contains("cpu_unit says ratio"), "{why}");
}

#[test]
fn a_unit_that_changed_in_the_window_leaves_the_doubtful_part_out() {
    let change = |before: f64, after: f64| {
        samples((0..576).map(move |index| {
            let level = if index < 300 { before } else { after };
            level + 0.01 * level * f64::from(index % 5)
        }))
    };
    let (kept, notes) = cpu(change(0.88, 88.0), 2.0).unwrap();
    assert_eq!(kept, 276, "the old part would pull the forecast down");
    assert!(
        notes[0].contains("the first 300 of 576 CPU values are left out"),
        "{notes:?}"
    );
    let (kept, _) = cpu(change(1.7, 85.0), 2.0).unwrap();
    assert_eq!(kept, 276, "cores, then percent");
    let why = cpu(change(88.0, 0.88), 2.0).unwrap_err().to_string();
    assert!(
        why.contains("the last 276 of 576 CPU values fell to 0.880 at once"),
        "{why}"
    );
    assert!(why.contains("cpu_unit to ratio"), "{why}");
    // An idle machine that is put to work, or half of it.
    assert_eq!(cpu(change(4.0, 88.0), 2.0), Ok((576, Vec::new())));
    assert_eq!(cpu(change(88.0, 30.0), 2.0), Ok((576, Vec::new())));
}

#[test]
fn a_unit_that_is_said_is_converted() {
    let last = |unit, value| {
        let cpu = cpu_in_percent(&samples([value]), Some(unit), |_| Some(4.0));
        cpu[0].value
    };
    assert_eq!(last(CpuUnit::Percent, 0.5), 0.5);
    assert_eq!(last(CpuUnit::Ratio, 0.5), 50.0);
    assert_eq!(last(CpuUnit::Cores, 1.0), 25.0);
    assert_eq!(last(CpuUnit::CorePercent, 100.0), 25.0);
    let memory = |unit, value| {
        let memory = memory_in_percent(&samples([value]), Some(unit), |_| Some(8e9));
        memory[0].value
    };
    assert_eq!(memory(MemoryUnit::Ratio, 0.88), 88.0);
    assert_eq!(memory(MemoryUnit::Bytes, 2e9), 25.0);
    let unknown = cpu_in_percent(&samples([1.0]), Some(CpuUnit::Cores), |_| None);
    assert!(unknown[0].value.is_nan(), "never a guess");
}

const GIB: f64 = BYTES_PER_GIB;

fn memory(samples: Vec<Sample>, total: f64) -> Result<(usize, Vec<String>), Unusable> {
    let mut notes = Vec::new();
    let kept = settle_memory(samples, None, |_| Some(total), &mut notes)?;
    Ok((kept.len(), notes))
}

#[test]
fn memory_that_may_be_in_another_unit_is_unknown() {
    for (level, words) in [
        (0.88, "memory_unit to ratio"),
        (7.0, "GiB in use"),
        (7.0 * GIB, "memory_unit to bytes"),
        (7.0 * 1024.0, "KiB or MiB"),
        (7.0 * 1024.0 * 1024.0, "KiB or MiB"),
        (-20.0, "below 0"),
    ] {
        let why = memory(wave(level), 8.0 * GIB).unwrap_err().to_string();
        assert!(why.contains(words), "{level}: {why}");
    }
    for level in [15.0, 40.0, 88.0] {
        assert_eq!(memory(wave(level), 8.0 * GIB), Ok((576, Vec::new())));
    }
    let mut notes = Vec::new();
    let said = |level| wave(level);
    let kept = settle_memory(
        said(0.5),
        Some(MemoryUnit::Percent),
        |_| Some(GIB),
        &mut notes,
    );
    assert_eq!(kept.unwrap().len(), 576, "said, so believed");
}

#[test]
fn memory_that_is_whole_kib_of_the_total_is_percent_for_sure() {
    // As an exporter gives it: 25 to 29 percent of 64 GiB, which might be 25 to 29 GiB otherwise.
    let total = 65_012_345.0 * 1024.0;
    let used = (0..576).map(|index| 17_000_000.0 + f64::from(index) * 3_331.0);
    let percent = samples(used.map(|kib| kib * 1024.0 / total * 100.0));
    assert_eq!(memory(percent, total), Ok((576, Vec::new())));
    let gib =
        samples((0..576).map(|index| (28_000_000.0 + f64::from(index) * 3_331.0) / 1_048_576.0));
    assert!(
        memory(gib, total)
            .unwrap_err()
            .to_string()
            .contains("GiB in use")
    );
}

#[test]
fn a_memory_unit_that_changed_in_the_window_is_no_history() {
    let change = |before: f64, after: f64| {
        samples((0..576).map(move |index| if index < 300 { before } else { after }))
    };
    let (kept, notes) = memory(change(0.4, 40.0), 8.0 * GIB).unwrap();
    assert_eq!((kept, notes.len()), (276, 1));
    assert!(memory(change(88.0, 0.88), 8.0 * GIB).is_err());
}
