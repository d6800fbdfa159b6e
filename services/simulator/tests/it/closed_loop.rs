//! The command on recordings made here; its file is scored again by other hands.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, process::Command};

use serde_json::Value;

/// A business day with noise from `seed`: percent of CPU at a step of 300 s.
fn percent(seed: u64, step: u64) -> f64 {
    let mut state =
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ step.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state ^= state >> 31;
    state = state.wrapping_mul(0x94D0_49BB_1331_11EB);
    let noise = (state >> 40) as f64 / (1_u64 << 24) as f64;
    let busy = (96..216).contains(&(step % 288));
    let burst = step % 991 < 3;
    4.0 + 6.0 * noise + if busy { 35.0 } else { 0.0 } + if burst { 40.0 } else { 0.0 }
}

fn write_recordings(folder: &Path) {
    for (source, names) in [("a", &["one", "two"][..]), ("b", &["three", "short"])] {
        let mut text = "series,timestamp,cpu\n".to_owned();
        for (seed, name) in names.iter().enumerate() {
            let steps = if *name == "short" {
                500
            } else {
                2_400 + seed as u64 * 300
            };
            for step in 0..steps {
                let value = percent(seed as u64 + source.len() as u64, step);
                writeln!(text, "{name},{},{value}", 1_600_000_000 + step * 300).unwrap();
            }
        }
        std::fs::write(folder.join(format!("{source}.csv")), text).unwrap();
    }
}

fn closed_loop(arguments: &[&str]) -> (bool, String) {
    run(&[arguments, &["--without-forecasts"]].concat())
}

fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_closed-loop"))
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// Cost, percent saturated and resizes a day of a file, from the recordings: written without a look at the crate.
fn scored_again(file: &Value, recordings: &BTreeMap<(String, String), Vec<f64>>) -> [f64; 3] {
    let mut sums = [0.0; 3];
    let series = file["series"].as_array().unwrap();
    for one in series {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        let cpu = &recordings[&(text("source"), text("name"))];
        let mut sorted = cpu.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = 0.995 * (cpu.len() - 1) as f64;
        let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        let unit = 6.4 / (low + (high - low) * (rank - rank.floor()));
        let first = one["first_step"].as_u64().unwrap() as usize;
        let rungs = one["rungs"].as_array().unwrap();
        assert_eq!(first + rungs.len(), cpu.len());
        let (mut capacity, mut minutes, mut resizes, mut before) = (0.0, 0.0, 0.0, None);
        for (rung, cpu) in rungs.iter().zip(&cpu[first..]) {
            let vcpus = [1.0, 2.0, 4.0, 8.0][rung.as_u64().unwrap() as usize];
            let resized = before.is_some_and(|before| before != vcpus);
            capacity += vcpus;
            resizes += f64::from(u8::from(resized));
            minutes += match (cpu * unit > 0.9 * vcpus, resized) {
                (true, _) => 5.0,
                (false, true) => 2.0,
                (false, false) => 0.0,
            };
            before = Some(vcpus);
        }
        let steps = rungs.len() as f64;
        sums[0] += capacity / 8.0 / steps;
        sums[1] += minutes / 5.0 / steps * 100.0;
        sums[2] += resizes / (steps / 288.0);
    }
    sums.map(|sum| sum / series.len() as f64)
}

#[test]
fn rungs_of_the_file_scored_again_give_the_numbers_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    write_recordings(folder.path());
    let mut recordings = BTreeMap::new();
    for (source, name, seed, steps) in [
        ("a", "one", 1, 2_400),
        ("a", "two", 2, 2_700),
        ("b", "three", 1, 2_400),
    ] {
        let cpu: Vec<f64> = (0..steps).map(|step| percent(seed, step)).collect();
        recordings.insert((source.to_owned(), name.to_owned()), cpu);
    }
    let json = folder.path().join("rungs.json");
    for row in [
        "ours: adaptive, balanced",
        "reactive 75/30",
        "oracle, at most 2 a day",
    ] {
        let (fine, table) = closed_loop(&[
            folder.path().to_str().unwrap(),
            "--json",
            json.to_str().unwrap(),
            "--row",
            row,
        ]);
        assert!(fine, "{table}");
        assert!(table.starts_with("3 machines"), "{table}");
        assert!(!table.contains("ours: threshold"), "{table}");
        assert!(
            table.contains("b/short: it has 500 steps of 300 s"),
            "{table}"
        );
        let file: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        let [cost, saturated, resizes] = scored_again(&file, &recordings);
        let line = format!("{row:<34}{cost:>6.3}{saturated:>9.2} %{resizes:>9.2}");
        let printed: Vec<&str> = table.lines().filter(|line| line.starts_with(row)).collect();
        assert_eq!(printed[0], line);
        // All machines, two sources, three machines.
        assert_eq!(printed.len(), 6);
    }
    let (fine, error) = closed_loop(&[
        folder.path().to_str().unwrap(),
        "--json",
        json.to_str().unwrap(),
        "--row",
        "nobody",
    ]);
    assert!(!fine);
    assert!(
        error.contains("no row `nobody`; there are ours: adaptive, careful;"),
        "{error}"
    );
}

#[test]
fn a_list_names_what_is_played_and_what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    write_recordings(folder.path());
    let list = folder.path().join("list.txt");
    std::fs::write(&list, "a/two\n").unwrap();
    let arguments = [
        folder.path().to_str().unwrap(),
        "--series",
        list.to_str().unwrap(),
    ];
    let (fine, table) = closed_loop(&arguments);
    assert!(fine && table.starts_with("1 machines"), "{table}");
    assert!(!table.contains("a/one"), "{table}");
    std::fs::write(&list, "a/two\na/four\n").unwrap();
    let (fine, error) = closed_loop(&arguments);
    assert!(!fine && error.contains("does not hold a/four"), "{error}");
    // Laid out in parts, the parts' own list counts.
    std::fs::create_dir(folder.path().join("train")).unwrap();
    std::fs::copy(
        folder.path().join("a.csv"),
        folder.path().join("train/a.csv"),
    )
    .unwrap();
    let (fine, error) = closed_loop(&[folder.path().to_str().unwrap(), "--part", "training"]);
    assert!(
        !fine && error.contains("does not hold azure_v1/dcs_p_15371_p1"),
        "{error}"
    );
}

#[test]
fn forecasts_are_recorded_once_and_read_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "series,timestamp,cpu\n".to_owned();
    for step in 0..2_000 {
        writeln!(text, "m,{},{}", step * 300, percent(7, step)).unwrap();
    }
    let recordings = folder.path().join("recordings");
    std::fs::create_dir(&recordings).unwrap();
    std::fs::write(recordings.join("a.csv"), text).unwrap();
    let cache = folder.path().join("cache");
    let json = folder.path().join("rungs.json");
    let (cache, json) = (cache.to_str().unwrap(), json.to_str().unwrap());
    let arguments = [
        recordings.to_str().unwrap(),
        "--cache",
        cache,
        "--json",
        json,
    ];
    let arguments = [&arguments[..], &["--row", "ours: threshold"]].concat();
    let (fine, first) = run(&arguments);
    assert!(
        fine && first.contains("recording the forecasts of 1 series"),
        "{first}"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(file["settings"]["model"].as_str().unwrap().len(), 64);
    let rungs = file["series"][0]["rungs"].as_array().unwrap();
    assert!(rungs.iter().any(|rung| *rung != rungs[0]), "it never acts");
    let (fine, second) = run(&arguments);
    assert!(fine && !second.contains("record"), "{second}");
    // Standard output comes first.
    assert!(first.starts_with(&second), "{first}{second}");
}
