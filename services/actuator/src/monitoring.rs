//! node_exporter and Prometheus on an instance, by one script over SSM that is followed to its end.

use std::time::Duration;

use common::clock::SharedClock;

use crate::{
    cloud::{Cloud, CloudError, CommandStatus, Delivery, ErrorKind, Script},
    config::MonitoringConfig,
    resize::Monitoring,
};

/// The script, as it can be run by hand. It takes no parameters, so nothing is ever spliced into it.
pub const SCRIPT: &str = include_str!("../../../deploy/setup-monitoring.sh");

/// Between two questions.
const POLL: Duration = Duration::from_secs(5);

/// Between two attempts at the whole set-up.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(30);

/// What is kept of the output, bytes; the contract allows 24,000 characters.
const OUTPUT_KEPT: usize = 20_000;

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SetUp {
    pub monitoring: Monitoring,
    /// `None` when no command was accepted.
    pub command_id: Option<String>,
    /// What the command said, or why there was none.
    pub output: String,
}

impl SetUp {
    /// Turned off: nothing was sent.
    pub fn skipped(why: &str) -> Self {
        Self {
            monitoring: Monitoring::Skipped,
            command_id: None,
            output: why.to_owned(),
        }
    }

    fn degraded(command_id: Option<String>, output: String) -> Self {
        Self {
            monitoring: Monitoring::Degraded,
            command_id,
            output: shorten(output),
        }
    }
}

/// Sends the script and follows it, and again when it fails. It never fails: what goes wrong is "degraded", with the
/// reason.
pub async fn set_up(
    cloud: &dyn Cloud,
    clock: &SharedClock,
    config: &MonitoringConfig,
    instance_id: &str,
) -> SetUp {
    if !config.enabled {
        return SetUp::skipped("monitoring is turned off (actuator.monitoring.enabled)");
    }
    let mut attempt = 1;
    loop {
        let set_up = once(cloud, clock, config, instance_id).await;
        if set_up.monitoring != Monitoring::Degraded
            || set_up.command_id.is_none()
            || attempt >= config.attempts
        {
            return set_up;
        }
        // Right after a boot package mirrors and locks fail for a while.
        attempt += 1;
        clock.sleep(BETWEEN_ATTEMPTS).await;
    }
}

async fn once(
    cloud: &dyn Cloud,
    clock: &SharedClock,
    config: &MonitoringConfig,
    instance_id: &str,
) -> SetUp {
    let command_id = match send(cloud, clock, config, instance_id).await {
        Ok(command_id) => command_id,
        Err(error) => {
            return SetUp::degraded(None, format!("{error}; {}", error.remedy()));
        }
    };
    // A little longer than the command itself may run, so that its own end is seen.
    let limit = Duration::from_secs(config.command_timeout_seconds + 60);
    let mut waited = Duration::ZERO;
    let mut last_error = None;
    while waited <= limit {
        clock.sleep(POLL).await;
        waited += POLL;
        match cloud.poll_command(instance_id, &command_id).await {
            Ok(CommandStatus::Running) => last_error = None,
            Ok(CommandStatus::Succeeded { output }) => {
                return SetUp {
                    monitoring: Monitoring::Ok,
                    command_id: Some(command_id),
                    output: shorten(output),
                };
            }
            Ok(CommandStatus::Failed { output }) => {
                return SetUp::degraded(Some(command_id), output);
            }
            // Not visible yet, a lost answer, a throttle: the next poll tells. A right that lacks doesn't come back.
            Err(error) if error.kind == ErrorKind::Unauthorized => {
                return SetUp::degraded(Some(command_id), error.to_string());
            }
            Err(error) => last_error = Some(error),
        }
    }
    let why = match last_error {
        Some(error) => error.to_string(),
        None => format!("the command did not end within {} s", limit.as_secs()),
    };
    SetUp::degraded(Some(command_id), why)
}

/// Sends it as soon as the agent has registered, which takes a while after a boot: as our own document, or, where that
/// can't be published or used, as a parameter of AWS's.
async fn send(
    cloud: &dyn Cloud,
    clock: &SharedClock,
    config: &MonitoringConfig,
    instance_id: &str,
) -> Result<String, CloudError> {
    let run_limit = Duration::from_secs(config.command_timeout_seconds);
    let wait_limit = Duration::from_secs(config.online_timeout_seconds);
    let mut sha256 = publish(cloud, config).await;
    let mut waited = Duration::ZERO;
    loop {
        let delivery = match (&config.document, &sha256) {
            (Some(name), Some(sha256)) => Delivery::Document { name, sha256 },
            _ => Delivery::Shell { text: SCRIPT },
        };
        // After a lost answer it may run twice; the script is made for that.
        let error = match cloud.send_script(instance_id, delivery, run_limit).await {
            Ok(command_id) => return Ok(command_id),
            Err(error) => error,
        };
        let may_pass = error.kind == ErrorKind::NotOnline || error.kind.is_transient();
        if !may_pass && sha256.take().is_some() {
            tracing::warn!(%error, "our SSM document can't be used; taking AWS-RunShellScript");
            continue;
        }
        if !may_pass || waited >= wait_limit {
            return Err(error);
        }
        let pause = POLL * 2;
        clock.sleep(pause).await;
        waited += pause;
    }
}

/// The SHA-256 of the document as published; `None` when there is none to use.
async fn publish(cloud: &dyn Cloud, config: &MonitoringConfig) -> Option<String> {
    let name = config.document.as_deref()?;
    let script = Script { name, text: SCRIPT };
    match cloud.publish_script(script).await {
        Ok(sha256) => Some(sha256),
        Err(error) => {
            tracing::warn!(
                %error,
                "our SSM document can't be published; taking AWS-RunShellScript"
            );
            None
        }
    }
}

/// The end of it: that is where errors are.
fn shorten(output: String) -> String {
    if output.len() <= OUTPUT_KEPT {
        return output;
    }
    let mut cut = output.len() - OUTPUT_KEPT;
    while !output.is_char_boundary(cut) {
        cut += 1;
    }
    format!("[…] {}", &output[cut..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_keeps_its_end_and_whole_characters() {
        let output = format!("{}fatal: no network", "ü".repeat(20_000));
        let short = shorten(output);
        assert!(short.chars().count() <= 24_000 && short.ends_with("fatal: no network"));
        assert_eq!(shorten("short".to_owned()), "short");
    }

    #[test]
    fn ssm_finds_nothing_to_replace_in_the_script() {
        // SSM replaces {{ name }} in parameters.
        assert!(!SCRIPT.contains("{{"));
        assert!(SCRIPT.starts_with("#!/bin/sh\n"));
    }
}
