//! `check-config`: every section as its service reads it, merged and printed.

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use common::{
    config::{ConfigError, Settings, invalid},
    grpc::channel,
    metadata::outgoing,
    service::usage_error,
    telemetry::{self, TelemetryConfig},
    text::chain,
};
use proto::actuator::v1::{
    ListInstanceTypesRequest, actuator_service_client::ActuatorServiceClient,
};
use serde::Serialize;
use serde_json::Value;

use crate::{configuration::Configuration, output::line};

/// Words in a key that make its value a secret.
const SECRET_KEYS: [&str; 4] = ["password", "secret", "token", "credential"];
/// As many as the actuator takes in a call.
const TYPES_AT_ONCE: usize = 100;
/// For an actuator that may not run.
const PATIENCE: Duration = Duration::from_secs(5);
const MASK: &str = "********";

#[derive(Serialize)]
struct Merged {
    telemetry: TelemetryConfig,
    #[serde(flatten)]
    services: Configuration,
}

/// Prints the merged configuration; exit 64 and one line when it is bad.
pub fn run(settings: &Settings, json: bool) -> ExitCode {
    if let Err(error) = telemetry::check(settings) {
        return usage_error("autoscaler", &error);
    }
    let configuration = match Configuration::read(settings) {
        Ok(configuration) => configuration,
        Err(error) => return usage_error("autoscaler", &error),
    };
    if let Err(error) = configuration.window_holds_the_evidence() {
        return usage_error("autoscaler", &settings.placed(error));
    }
    let notes = configuration.notes();
    let ladders = match compare_ladders(&configuration) {
        Ladders::Disordered(error) => {
            return usage_error("autoscaler", &settings.placed(error));
        }
        ladders => ladders,
    };
    match merged(settings, configuration) {
        Ok(merged) if json => {
            line(format!("{merged:#}"));
            ExitCode::SUCCESS
        }
        Ok(merged) => match serde_yaml_ng::to_string(&merged) {
            Ok(yaml) => {
                line(format!("# merged from: {}", settings.origin()));
                if let Ladders::Unknown(why) = &ladders {
                    line(format!(
                        "# ladders were not compared with EC2's types: {why}"
                    ));
                }
                for note in notes {
                    line(format!("# {note}"));
                }
                line(yaml.trim_end());
                ExitCode::SUCCESS
            }
            Err(error) => usage_error("autoscaler", &error),
        },
        Err(error) => usage_error("autoscaler", &error),
    }
}

/// What comparing the ladders with the types that EC2 has said.
enum Ladders {
    Ordered,
    /// A rung falls, or is no type of EC2's.
    Disordered(ConfigError),
    /// The actuator could not be asked.
    Unknown(String),
}

/// Asks the actuator that the configuration names, when it runs.
fn compare_ladders(configuration: &Configuration) -> Ladders {
    let policy = ("policy.ladder".to_owned(), &configuration.policy.ladder);
    let targets = configuration.scheduler.targets.iter().enumerate();
    let own = targets.map(|(position, target)| {
        let key = format!("scheduler.targets[{position}].ladder");
        (key, &target.ladder)
    });
    let ladders: Vec<(String, &Vec<String>)> = std::iter::once(policy).chain(own).collect();
    let names: BTreeSet<&String> = ladders.iter().flat_map(|(_, ladder)| *ladder).collect();
    let sizes = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(sizes(&configuration.scheduler.actuator_url, &names)),
        Err(error) => Err(chain(&error)),
    };
    let sizes = match sizes {
        Ok(sizes) => sizes,
        Err(why) => return Ladders::Unknown(why),
    };
    let misnamed = ladders.iter().find_map(|(key, ladder)| {
        let known = |name: &String| sizes.iter().any(|size| size.instance_type == *name);
        let missing = ladder.iter().find(|name| !known(name))?;
        let what = format!("EC2 has no type {missing} in the actuator's region");
        Some(invalid(key, what))
    });
    if let Some(misnamed) = misnamed {
        return Ladders::Disordered(misnamed);
    }
    let disordered = ladders.iter().find_map(|(key, ladder)| {
        let disorder = decision::disorder(ladder, &sizes)?;
        Some(invalid(key, disorder.to_string()))
    });
    disordered.map_or(Ladders::Ordered, Ladders::Disordered)
}

/// The sizes of the types that EC2 knows, through the actuator.
async fn sizes(
    url: &str,
    names: &BTreeSet<&String>,
) -> Result<Vec<decision::InstanceType>, String> {
    let channel = channel(url).map_err(|error| chain(&error))?;
    let mut actuator = ActuatorServiceClient::new(channel);
    let names: Vec<String> = names.iter().map(|name| (*name).clone()).collect();
    let mut sizes = Vec::new();
    for names in names.chunks(TYPES_AT_ONCE) {
        let request = ListInstanceTypesRequest {
            instance_types: names.to_vec(),
        };
        let answer = actuator
            .list_instance_types(outgoing(request, PATIENCE))
            .await
            .map_err(|status| format!("the actuator at {url} doesn't say: {}", status.message()))?;
        let types = answer.into_inner().instance_types.into_iter();
        sizes.extend(types.map(|size| decision::InstanceType {
            instance_type: size.instance_type,
            vcpus: size.vcpus,
            memory_mib: size.memory_mib,
        }));
    }
    Ok(sizes)
}

fn merged(settings: &Settings, services: Configuration) -> Result<Value, ConfigError> {
    let merged = Merged {
        telemetry: settings.section("telemetry")?,
        services,
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
        let settings = Settings::from_yaml_text("").unwrap();
        let configuration = Configuration::read(&settings).unwrap();
        let merged = merged(&settings, configuration).unwrap();
        assert_eq!(merged["actuator"]["dry_run"], true);
        assert_eq!(merged["policy"]["scale_up_cpu"], 75.0);
        assert_eq!(merged["scheduler"]["tick_interval_seconds"], 300);
    }
}
