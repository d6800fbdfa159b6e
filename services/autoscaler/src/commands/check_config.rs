//! `check-config`: every section as its service reads it, merged and printed.

use std::process::ExitCode;

use common::{
    config::{ConfigError, Settings, invalid},
    service::usage_error,
    telemetry::TelemetryConfig,
};
use serde::Serialize;
use serde_json::Value;

use crate::{assembly::Configuration, output::line};

/// Words in a key that make its value a secret.
const SECRET_KEYS: [&str; 4] = ["password", "secret", "token", "credential"];
const MASK: &str = "********";

#[derive(Serialize)]
struct Merged {
    telemetry: TelemetryConfig,
    #[serde(flatten)]
    services: Configuration,
}

/// Prints the merged configuration; exit 64 and one line when it is bad.
pub fn run(settings: &Settings, json: bool) -> ExitCode {
    match merged(settings) {
        Ok(merged) if json => {
            line(format!("{merged:#}"));
            ExitCode::SUCCESS
        }
        Ok(merged) => match serde_yaml_ng::to_string(&merged) {
            Ok(yaml) => {
                line(format!(
                    "# merged from: {}\n{}",
                    settings.origin(),
                    yaml.trim_end()
                ));
                ExitCode::SUCCESS
            }
            Err(error) => usage_error("autoscaler", &error),
        },
        Err(error) => usage_error("autoscaler", &error),
    }
}

fn merged(settings: &Settings) -> Result<Value, ConfigError> {
    let merged = Merged {
        telemetry: settings.section("telemetry")?,
        services: Configuration::read(settings)?,
    };
    let source = match merged.services.decision.policy_is_pinned {
        true => "file",
        false => "store",
    };
    let mut value = serde_json::to_value(merged)
        .map_err(|error| invalid("(merged configuration)", error.to_string()))?;
    // As it comes out, not as it was written: it depends on what the section sets.
    if let Some(Value::Object(policy)) = value.get_mut("policy") {
        policy.insert("source".to_owned(), Value::from(source));
    }
    mask(&mut value);
    Ok(value)
}

/// Hides what must not be printed: values under telling keys, and passwords in URLs.
fn mask(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let secret = SECRET_KEYS.iter().any(|word| key.contains(word));
                match value {
                    Value::String(text) if secret && !text.is_empty() => *text = MASK.to_owned(),
                    value => mask(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::String(text) => {
            if let Some((scheme, rest)) = text.split_once("://")
                && let Some((login, host)) = rest.split_once('@')
                && let Some((user, _)) = login.split_once(':')
            {
                *text = format!("{scheme}://{user}:{MASK}@{host}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let mut value = serde_json::json!({
            "database": "postgres://scaler:hunter2@db:5432/decisions",
            "nested": [{"api_token": "abc", "bearer_token": "", "url": "http://prometheus:9090"}],
        });
        mask(&mut value);
        assert_eq!(
            value,
            serde_json::json!({
                "database": "postgres://scaler:********@db:5432/decisions",
                "nested": [{"api_token": "********", "bearer_token": "", "url": "http://prometheus:9090"}],
            })
        );
    }

    #[test]
    fn the_embedded_defaults_are_valid() {
        let merged = merged(&Settings::from_yaml_text("").unwrap()).unwrap();
        assert_eq!(merged["actuator"]["dry_run"], true);
        assert_eq!(merged["policy"]["scale_up_cpu"], 75.0);
        assert_eq!(merged["scheduler"]["tick_interval_seconds"], 300);
    }
}
