//! Who may import what: the rules of `docs/ARCHITECTURE.md`, checked from the sources.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod imports;
mod rooms;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const SERVICES: [&str; 4] = ["predictor", "decision", "actuator", "scheduler"];
/// Programs that nothing is built on.
const PROGRAMS: [&str; 2] = ["trainer", "autoscaler"];
/// What is simulated around the services. Production is built without it.
const SIMULATOR: &str = "simulator";
/// What services are made of.
const LIBRARIES: [&str; 5] = ["forecasting", "prometheus", "sizing", "testkit", "traces"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust source below `folder`, as a path from the workspace root, with its text without comments.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}")) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code: Vec<&str> = text
                    .lines()
                    .map(|line| line.split("//").next().unwrap_or_default())
                    .collect();
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, code.join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

/// The names of a crate's dependencies, those for tests left out.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let (_, rest) = text.split_once("[dependencies]").unwrap();
    let section = rest.split("\n[").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The names of all crates that are compiled for `package`, those for its tests left out.
fn compiled_for(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--offline", "--locked", "--edges", "normal,build"])
        .args(["--prefix", "none", "--package", package])
        .args(features)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

fn files_with(folder: &str, needle: &str) -> Vec<String> {
    let mut files: Vec<String> = sources(folder)
        .into_iter()
        .filter(|(_, code)| code.contains(needle))
        .map(|(name, _)| name)
        .collect();
    files.sort();
    files
}

#[test]
fn services_never_import_each_other() {
    for service in SERVICES.iter().chain(&["trainer"]) {
        let dependencies = dependencies(&format!("services/{service}/Cargo.toml"));
        for other in SERVICES.iter().chain(&PROGRAMS).chain(&[SIMULATOR]) {
            assert!(
                !dependencies.iter().any(|dependency| dependency == other),
                "{service} depends on {other}"
            );
        }
    }
}

#[test]
fn libraries_stand_below_the_services() {
    for library in LIBRARIES {
        let manifest = format!("services/lib/{library}/Cargo.toml");
        let dependencies = dependencies(&manifest);
        for name in SERVICES.iter().chain(&PROGRAMS).chain(&[SIMULATOR]) {
            assert!(
                !dependencies.iter().any(|dependency| dependency == name),
                "{manifest} depends on {name}"
            );
        }
    }
}

#[test]
fn services_are_built_without_what_simulates_their_world() {
    for service in SERVICES {
        let compiled = compiled_for(service, &[]);
        assert!(compiled.contains("common"), "{service}: {compiled:?}");
        assert!(!compiled.contains(SIMULATOR), "{service}");
    }
}

#[test]
fn forecasting_and_sizing_are_pure_and_who_serves_forecasts_holds_nothing_of_training() {
    for (package, least, forbidden) in [
        (
            "forecasting",
            "xgboost-rs",
            &[
                "common", "proto", "reqwest", "sqlx", "tokio", "tonic", "tracing",
            ][..],
        ),
        (
            "sizing",
            "serde",
            &[
                "common", "proto", "reqwest", "sqlx", "tokio", "tonic", "tracing",
            ],
        ),
        (
            "predictor",
            "forecasting",
            &["csv", "indicatif", "parquet", "plotters", "sqlx", "traces"],
        ),
    ] {
        let compiled = compiled_for(package, &[]);
        assert!(compiled.contains(least), "{package}: {compiled:?}");
        for name in forbidden {
            assert!(!compiled.contains(*name), "{package} is built with {name}");
        }
    }
}

#[test]
fn the_demo_is_built_without_the_sdk_of_aws() {
    let whole = compiled_for("autoscaler", &[]);
    assert!(whole.contains("aws-sdk-ec2"), "{whole:?}");
    let demo = compiled_for("autoscaler", &["--no-default-features"]);
    let aws = demo.iter().find(|name| {
        ["aws-sdk-", "aws-config", "aws-smithy-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    assert_eq!(aws, None);
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(makefile.contains("--package autoscaler --no-default-features -- demo"));
}

#[test]
fn proto_and_common_stand_below_the_services() {
    for (manifest, forbidden) in [
        ("proto/Cargo.toml", &["common"][..]),
        ("services/lib/common/Cargo.toml", &[]),
    ] {
        let dependencies = dependencies(manifest);
        for name in SERVICES
            .iter()
            .chain(forbidden)
            .chain(&PROGRAMS)
            .chain(&[SIMULATOR])
        {
            assert!(
                !dependencies.iter().any(|dependency| dependency == name),
                "{manifest} depends on {name}"
            );
        }
    }
    // Common knows no message: of `proto` it takes the descriptors for reflection.
    for package in SERVICES {
        let files = files_with("services/lib/common/src", &format!("proto::{package}"));
        assert!(files.is_empty(), "{files:?}");
    }
}

#[test]
fn aws_stays_in_one_module_of_the_actuator_and_xgboost_in_one_file_of_forecasting() {
    for service in SERVICES
        .iter()
        .chain(&["lib/common", "trainer", "autoscaler", SIMULATOR])
        .chain(&["lib/forecasting", "lib/traces"])
    {
        let dependencies = dependencies(&format!("services/{service}/Cargo.toml"));
        let holds = |prefix: &str| dependencies.iter().any(|name| name.starts_with(prefix));
        let knows = ["actuator", "scheduler"].contains(service);
        assert_eq!(holds("aws-"), knows, "{service}");
        assert_eq!(holds("xgboost"), *service == "lib/forecasting", "{service}");
    }
    assert_eq!(
        files_with("services/lib/forecasting/src", "xgboost_rs"),
        ["services/lib/forecasting/src/artifact/booster.rs"]
    );
    // The signature of queries.
    for name in ["aws_config", "aws_sigv4"] {
        assert_eq!(
            files_with("services/scheduler/src", name),
            ["services/scheduler/src/sources/prometheus/sigv4.rs"]
        );
    }
    let files = files_with("services/actuator/src", "aws_sdk_");
    assert!(!files.is_empty());
    for file in files {
        let module = "services/actuator/src/cloud/aws";
        assert!(
            file == format!("{module}.rs") || file.starts_with(&format!("{module}/")),
            "{file} knows the SDK; only aws.rs and what is below it may"
        );
    }
}

#[test]
fn messages_stop_at_the_edge() {
    // Files that turn messages into values and back, and the scheduler's folders of those.
    const EDGES: [&str; 5] = ["api", "peers", "grpc", "convert", "testing"];
    for service in SERVICES {
        for (name, code) in sources(&format!("services/{service}/src")) {
            let at_the_edge = name
                .trim_end_matches(".rs")
                .split('/')
                .any(|part| EDGES.contains(&part));
            assert!(
                at_the_edge || !code.contains("proto::"),
                "{name} uses messages; only grpc.rs and the files beside it that convert may"
            );
        }
    }
}

#[test]
fn the_clock_is_read_in_one_file() {
    let mut files = BTreeSet::new();
    for call in ["Timestamp::now()", "SystemTime::now()"] {
        files.extend(files_with("services", call));
    }
    // What clippy refuses, too, and what only tests that watch other processes may expect from it.
    for call in ["Instant::now", "tokio::time::", "thread::sleep(", "_v7("] {
        let found = files_with("services", call).into_iter();
        files.extend(found.filter(|name| name.contains("/src/")));
    }
    files.remove("services/autoscaler/tests/architecture/main.rs");
    // It watches real processes, for tests.
    files.retain(|name| !name.starts_with("services/lib/testkit/"));
    assert!(
        files.iter().eq(["services/lib/common/src/clock.rs"]),
        "{files:?}"
    );
}

#[test]
fn every_main_is_short() {
    for service in SERVICES.iter().chain(&PROGRAMS) {
        let name = format!("services/{service}/src/main.rs");
        let lines = fs::read_to_string(root().join(&name))
            .unwrap()
            .lines()
            .count();
        assert!(lines <= 40, "{name} has {lines} lines");
    }
}
