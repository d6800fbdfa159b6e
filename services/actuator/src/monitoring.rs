//! node_exporter and Prometheus on an instance, by one script over SSM that is followed to its end.

pub mod documents;

use std::time::Duration;

use common::clock::SharedClock;
use thiserror::Error;

use crate::{
    cloud::{CloudError, CommandStatus, Commands, Delivery, Document, ErrorKind, Script, Standing},
    config::MonitoringConfig,
    resize::Monitoring,
};

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
    cloud: &dyn Commands,
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
    cloud: &dyn Commands,
    clock: &SharedClock,
    config: &MonitoringConfig,
    instance_id: &str,
) -> SetUp {
    let command_id = match send(cloud, clock, config, instance_id).await {
        Ok(command_id) => command_id,
        Err(error) => return SetUp::degraded(None, error.to_string()),
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

/// Why no command was sent.
#[derive(Debug, Error)]
enum Unsent {
    #[error("{}", .0.with_remedy())]
    Cloud(#[from] CloudError),
    #[error(
        "our SSM document {name} {standing}, and the actuator can't publish it ({error}); run `autoscaler publish-document` with the rights in deploy/iam/setup-policy.json"
    )]
    NotPublished {
        name: String,
        standing: &'static str,
        error: CloudError,
    },
    #[error(
        "SSM refused our document {name} ({error}); if its content was changed, `autoscaler publish-document` with the rights in deploy/iam/setup-policy.json puts it right"
    )]
    Refused { name: String, error: CloudError },
    #[error(
        "AWS-RunShellScript may not be sent ({0}); set actuator.monitoring.document, or grant ssm:SendCommand on AWS-RunShellScript, which runs any command"
    )]
    NoShell(CloudError),
}

/// Our document, as it is sent.
struct Ready {
    document: Document,
    /// It was published a moment ago, and may not be there for every call.
    is_new: bool,
}

/// Sends it as soon as the agent has registered, which takes a while after a boot: as our own document, in the version
/// that is this program's script and no other. AWS's shell is taken only where the configuration asks for it.
async fn send(
    cloud: &dyn Commands,
    clock: &SharedClock,
    config: &MonitoringConfig,
    instance_id: &str,
) -> Result<String, Unsent> {
    let run_limit = Duration::from_secs(config.command_timeout_seconds);
    let wait_limit = Duration::from_secs(config.online_timeout_seconds);
    let name = config.document.as_deref();
    let name = name.map(|name| config.install.document(name));
    let text = config.install.script();
    let mut ready = None;
    let mut waited = Duration::ZERO;
    loop {
        let (sent, is_new) = match &name {
            Some(name) => {
                let script = Script { name, text: &text };
                let sent = send_document(cloud, script, &mut ready, instance_id, run_limit).await;
                (sent, ready.as_ref().is_some_and(|ready| ready.is_new))
            }
            None => {
                let shell = Delivery::Shell { text: &text };
                let sent = cloud.send_script(instance_id, shell, run_limit).await;
                let sent = sent.map_err(|error| match error.kind {
                    ErrorKind::Unauthorized => Unsent::NoShell(error),
                    _ => Unsent::Cloud(error),
                });
                (sent, false)
            }
        };
        let error = match sent {
            Ok(command_id) => return Ok(command_id),
            Err(error) => error,
        };
        let may_pass = match &error {
            Unsent::Cloud(error) => error.kind == ErrorKind::NotOnline || error.kind.is_transient(),
            Unsent::Refused { .. } => is_new,
            Unsent::NotPublished { .. } | Unsent::NoShell(_) => false,
        };
        if !may_pass || waited >= wait_limit {
            return Err(error);
        }
        let pause = POLL * 2;
        clock.sleep(pause).await;
        waited += pause;
    }
}

async fn send_document(
    cloud: &dyn Commands,
    script: Script<'_>,
    ready: &mut Option<Ready>,
    instance_id: &str,
    run_limit: Duration,
) -> Result<String, Unsent> {
    let found = match ready.take() {
        Some(found) => found,
        None => prepare(cloud, script).await?,
    };
    let found = ready.insert(found);
    let delivery = Delivery::Document {
        name: script.name,
        sha256: &found.document.sha256,
    };
    // After a lost answer it may run twice; the script is made for that.
    let sent = cloud.send_script(instance_id, delivery, run_limit).await;
    sent.map_err(|error| match error.kind {
        ErrorKind::Invalid | ErrorKind::NotFound => Unsent::Refused {
            name: script.name.to_owned(),
            error,
        },
        _ => Unsent::Cloud(error),
    })
}

/// Our document as this program's script. The default policy doesn't allow to publish it; where the role may, it is made
/// or brought up to date.
async fn prepare(cloud: &dyn Commands, script: Script<'_>) -> Result<Ready, Unsent> {
    let standing = match cloud.look_at_script(script).await? {
        Standing::Current(document) => {
            return Ok(Ready {
                document,
                is_new: false,
            });
        }
        Standing::Other(_) => "runs another script than this release's",
        Standing::Absent => "is not there",
    };
    let error = match cloud.publish_script(script).await {
        Ok(document) => {
            return Ok(Ready {
                document,
                is_new: true,
            });
        }
        Err(error) if error.kind.is_transient() => return Err(error.into()),
        Err(error) => error,
    };
    // Another set-up may have published it since.
    match cloud.look_at_script(script).await {
        Ok(Standing::Current(document)) => Ok(Ready {
            document,
            is_new: true,
        }),
        _ => {
            tracing::warn!(name = script.name, standing, %error, "our SSM document can't be published");
            Err(Unsent::NotPublished {
                name: script.name.to_owned(),
                standing,
                error,
            })
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
}
