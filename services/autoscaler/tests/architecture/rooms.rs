//! The rules for folders inside a crate, and that each finds what breaks it.

use std::collections::BTreeMap;

use super::{
    imports::{Imports, Module},
    root,
};

/// Crates whose files need each other one way only.
const WITHOUT_CIRCLES: [&str; 13] = [
    "decision",
    "actuator",
    "scheduler",
    "predictor",
    "trainer",
    "simulator",
    "lib/common",
    "lib/forecasting",
    "lib/sizing",
    "lib/traces",
    "lib/prometheus",
    "autoscaler",
    "lib/testkit",
];
/// What is below these does no input or output and reads no clock.
const PURE: [(&str, &[&str]); 6] = [
    ("decision", &["decide", "fleet", "policy"]),
    ("scheduler", &["domain", "samples"]),
    ("actuator", &["resize", "rails"]),
    ("simulator", &["closed_loop"]),
    (
        "lib/forecasting",
        &[
            "series",
            "features",
            "calibration",
            "local",
            "naive",
            "quantile",
        ],
    ),
    (
        "lib/sizing",
        &[
            "appetite", "past", "pool", "replay", "review", "rule", "rungs",
        ],
    ),
];
/// What pure files leave to others.
const IMPURE: [&str; 8] = [
    "tokio", "tracing", "proto", "tonic", "sqlx", "reqwest", "axum", "rand",
];
/// Where messages are values and values messages.
const EDGES: [&str; 2] = ["api", "peers"];

fn crate_of(name: &str) -> Imports {
    Imports::of(&root().join(format!("services/{name}/src")))
}

/// What a pure room names that it must not.
fn impurities(imports: &Imports, room: &str) -> Vec<String> {
    let below = imports
        .0
        .iter()
        .filter(|(module, _)| module.first().is_some_and(|first| first == room));
    below
        .flat_map(|(module, paths)| {
            let impure = paths.iter().filter(|path| {
                let is_clock = path.starts_with(&["common".to_owned(), "clock".to_owned()]);
                let is_time = path.starts_with(&["std".to_owned(), "time".to_owned()])
                    && path
                        .iter()
                        .any(|part| part == "Instant" || part == "SystemTime");
                is_clock || is_time || IMPURE.contains(&path[0].as_str())
            });
            impure.map(|path| format!("{} names {}", module.join("::"), path.join("::")))
        })
        .collect()
}

/// Files beside the root and the API itself that name the API.
fn callers_of_the_api(imports: &Imports) -> Vec<String> {
    let names_it = |paths: &std::collections::BTreeSet<Vec<String>>| {
        paths
            .iter()
            .any(|path| path.len() > 1 && path[0] == "crate" && path[1] == "api")
    };
    imports
        .0
        .iter()
        .filter(|(module, paths)| {
            module.first().is_some_and(|first| first != "api") && names_it(paths)
        })
        .map(|(module, _)| module.join("::"))
        .collect()
}

/// Files away from the edges that name messages. What tells the service's name, at the root, is no message.
fn message_holders(imports: &Imports) -> Vec<String> {
    let holds = |paths: &std::collections::BTreeSet<Vec<String>>| {
        paths.iter().any(|path| path[0] == "proto")
    };
    imports
        .0
        .iter()
        .filter(|(module, paths)| {
            module
                .first()
                .is_some_and(|first| !EDGES.contains(&first.as_str()) && first != "testing")
                && holds(paths)
        })
        .map(|(module, _)| module.join("::"))
        .collect()
}

#[test]
fn files_need_each_other_one_way_only() {
    for name in WITHOUT_CIRCLES {
        let circles = crate_of(name).circles();
        assert!(circles.is_empty(), "{name}: {circles:#?}");
    }
}

#[test]
fn pure_rooms_do_no_io_and_read_no_clock() {
    for (name, rooms) in PURE {
        let imports = crate_of(name);
        for room in rooms {
            assert!(
                imports
                    .0
                    .keys()
                    .any(|module| module.first().is_some_and(|first| first == room)),
                "{name} has no {room}"
            );
            let impurities = impurities(&imports, room);
            assert!(impurities.is_empty(), "{name}: {impurities:#?}");
        }
    }
}

#[test]
fn nobody_imports_an_api_and_messages_end_there() {
    for name in ["decision", "scheduler", "actuator", "predictor"] {
        let imports = crate_of(name);
        let holders = message_holders(&imports);
        assert!(holders.is_empty(), "{name}: {holders:#?} use messages");
        let callers = callers_of_the_api(&imports);
        // The actuator builds its service where it starts.
        let callers: Vec<_> = callers
            .into_iter()
            .filter(|caller| caller != "hands")
            .collect();
        assert!(callers.is_empty(), "{name}: {callers:#?} import the API");
    }
}

fn made_of(files: &[(&str, &str)]) -> Imports {
    let module = |name: &str| -> Module {
        name.split("::")
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let texts = files
        .iter()
        .map(|(name, text)| (module(name), (*text).to_owned()));
    Imports::of_texts(texts.collect::<BTreeMap<_, _>>())
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    for (there, back) in [
        ("use crate::b::X;", "use crate::a::Y;"),
        ("use super::b::{X, Z};", "fn f() { crate::a::g(); }"),
        ("type T = super::b::X;", "use {crate::a as other};"),
        ("use crate::b::*;", "use super::a::{self};"),
    ] {
        let imports = made_of(&[("", "mod a; mod b;"), ("a", there), ("b", back)]);
        assert_eq!(imports.circles(), [["a", "b"]], "{there} {back}");
    }
    let over_three = made_of(&[
        ("a", "use crate::b::X;"),
        ("b", "mod c; use self::c::X;"),
        ("b::c", "use crate::a::Y;"),
    ]);
    assert_eq!(over_three.circles(), [["a", "b", "b::c"]]);
    let parent_and_child = made_of(&[
        ("a", "mod b; pub use b::X; pub struct Y;"),
        ("a::b", "use super::Y;"),
    ]);
    assert_eq!(parent_and_child.circles(), [["a", "a::b"]]);
    let one_way = made_of(&[
        (
            "a",
            "use crate::b::X; #[cfg(test)] mod tests { use super::*; }",
        ),
        (
            "b",
            "// use crate::a::Y;\n#[cfg(test)] mod tests { use crate::a::Y; }",
        ),
    ]);
    assert!(one_way.circles().is_empty());
}

#[test]
fn each_rule_finds_what_breaks_it() {
    for text in [
        "use tokio::sync::Mutex;",
        "fn f() { tracing::info!(\"x\"); }",
        "use common::{clock::Clock, text};",
        "use std::time::{Duration, Instant};",
        "fn f(x: proto::decision::v1::Policy) {}",
    ] {
        let imports = made_of(&[("", ""), ("decide", ""), ("decide::walk", text)]);
        let found = impurities(&imports, "decide");
        // What a macro is called with is not read, its own path is.
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
    let clean = made_of(&[("decide", "use std::time::Duration; use jiff::Timestamp;")]);
    assert!(impurities(&clean, "decide").is_empty());

    let imports = made_of(&[
        ("", "use api::grpc::Service;"),
        ("api", "pub mod grpc;"),
        ("api::grpc", "use crate::store::Store; use proto::x::Y;"),
        ("store", "use crate::api::grpc::Service; use proto::x::Y;"),
    ]);
    assert_eq!(callers_of_the_api(&imports), ["store"]);
    assert_eq!(message_holders(&imports), ["store"]);
}
