use std::collections::BTreeMap;

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    train: TrainArgs,
}

/// Nine machines over eight days, with an hourly job.
fn write_data(folder: &Path) {
    let mut rows = String::from("series,timestamp,cpu\n");
    let mut state = 1_u32;
    for machine in 0..9 {
        for point in 0..8 * 288 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = state >> 28;
            let job = if (point + machine) % 12 < 2 { 30 } else { 0 };
            let cpu = 20 + job + noise;
            rows.push_str(&format!("m{machine},{},{cpu}\n", point * 300));
        }
    }
    std::fs::write(folder.join("made.csv"), rows).unwrap();
}

/// Every file of the artifact that `arguments` give, and what the command says.
fn trained(data: &Path, out: &Path, arguments: &str) -> (BTreeMap<String, Vec<u8>>, String) {
    let mut line = vec!["train".to_owned()];
    for (name, path) in [("--data", data), ("--out", out)] {
        line.extend([name.to_owned(), path.display().to_string()]);
    }
    line.extend(arguments.split(' ').map(str::to_owned));
    let args = Cli::parse_from(line).train;
    let said = train(&args, &args.data.data).unwrap();
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(out).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, std::fs::read(entry.path()).unwrap());
    }
    (files, said)
}

#[test]
fn the_same_data_gives_the_same_bytes_of_every_file() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let out = |name: &str| folder.path().join(name);
    let small = "--rows 4000 --trees 3 --depth 3 --stride 60 --seed";
    let (first, said) = trained(folder.path(), &out("a"), &format!("{small} 1"));
    let (again, _) = trained(folder.path(), &out("b"), &format!("{small} 1"));
    let (other, _) = trained(folder.path(), &out("c"), &format!("{small} 2"));
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        again.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &first {
        assert!(*bytes == again[name], "{name} differs from run to run");
    }
    assert!(first["level_q50.json.gz"] != other["level_q50.json.gz"]);
    assert!(
        said.contains(" in ") && said.contains("peak memory"),
        "{said}"
    );
    // A folder within the data that holds no samples is no source.
    assert!(
        said.contains("made") && !said.contains("level_q50"),
        "{said}"
    );

    let card = String::from_utf8(first["MODEL_CARD.md"].clone()).unwrap();
    assert!(card.contains("| made | 9 |"), "{card}");
    assert!(card.contains("--rows 4000 --trees 3 --depth 3"), "{card}");
    let manifest: Manifest = serde_json::from_slice(&first["manifest.json"]).unwrap();
    assert_eq!(manifest.held_out.len(), HORIZONS_SECONDS.len());
    assert!(
        manifest
            .held_out
            .iter()
            .all(|row| row.pinball_skill.is_some())
    );
}

#[test]
fn samples_of_a_prometheus_lie_beside_the_artifact() {
    let args = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.train);
    let given = args("train --prometheus http://p --out some/mine").unwrap();
    assert_eq!(given.samples(), Path::new("some/mine-samples"));
    assert!(args("train --out mine").is_err(), "no data at all");
    assert!(
        args("train --data d --out mine --days 3").is_err(),
        "days of nothing"
    );
}
