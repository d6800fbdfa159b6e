//! The README's configuration table names every key, with the default that the code has.

use std::process::Command;

use serde_json::Value;

/// `section.key` with its default, for every value that is not itself a section.
fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                flatten(&path, value, into);
            }
        }
        Value::String(text) => into.push((path.to_owned(), text.clone())),
        Value::Array(values) => {
            let words: Vec<String> = values
                .iter()
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
                .collect();
            into.push((path.to_owned(), words.join(", ")));
        }
        Value::Null => into.push((path.to_owned(), "none".to_owned())),
        value => {
            // 75.0 is written 75.
            let number = value.to_string();
            into.push((path.to_owned(), number.trim_end_matches(".0").to_owned()));
        }
    }
}

#[test]
fn every_key_stands_in_the_readme_with_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_autoscaler"))
        .args(["--json", "check-config"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let merged: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut keys = Vec::new();
    flatten("", &merged, &mut keys);
    assert!(keys.len() > 20, "{keys:?}");

    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.split(" | ")
                .map(|cell| cell.trim_matches(['|', ' ']))
                .collect()
        })
        .collect();
    let mut wrong = Vec::new();
    for (key, default) in keys {
        let name = format!("`{key}`");
        let row = rows.iter().find(|row| row.first() == Some(&name.as_str()));
        let said = row
            .and_then(|row| row.get(1))
            .map(|cell| cell.trim_matches('`').to_owned());
        // Long defaults, such as queries, are described in words.
        if said.as_deref() != Some(default.as_str()) && (said.is_none() || default.len() < 40) {
            wrong.push(format!(
                "{key}: the code says {default:?}, the README {said:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
