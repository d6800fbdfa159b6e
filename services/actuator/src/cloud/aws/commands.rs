//! Commands on instances, over SSM: our own document, or `AWS-RunShellScript`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ssm::types as ssm;
use common::text::chain;
use sha2::{Digest as _, Sha256};

use super::{AwsCloud, failure::failure};
use crate::cloud::{
    commands::{CommandStatus, Commands, Delivery, Document, Script, Standing},
    error::{CloudError, ErrorKind},
    operation::Operation,
};

/// A command may run this long on the instance, whatever the actuator waits for: one that hangs must not stay for ever.
const DOCUMENT_LIMIT_SECONDS: &str = "7200";

impl AwsCloud {
    async fn published(&self, name: &str, at: Option<&str>) -> Result<Document, CloudError> {
        let answer = self
            .ssm
            .describe_document()
            .name(name)
            .set_document_version(at.map(str::to_owned))
            .send()
            .await
            .map_err(|error| failure(Operation::LookAtScript, error))?;
        let found = answer.document();
        let sha256 = found.and_then(ssm::DocumentDescription::hash);
        Ok(Document {
            sha256: sha256.unwrap_or_default().to_owned(),
            version: version(found),
        })
    }
}

#[async_trait]
impl Commands for AwsCloud {
    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError> {
        let operation = Operation::SsmOnline;
        let filter = ssm::InstanceInformationStringFilter::builder()
            .key("InstanceIds")
            .values(instance_id)
            .build()
            .map_err(|error| CloudError::new(operation, ErrorKind::Invalid, chain(&error)))?;
        let answer = self
            .ssm
            .describe_instance_information()
            .filters(filter)
            .send()
            .await
            .map_err(|error| failure(operation, error))?;
        Ok(answer
            .instance_information_list()
            .iter()
            .any(|agent| agent.ping_status() == Some(&ssm::PingStatus::Online)))
    }

    async fn look_at_script(&self, script: Script<'_>) -> Result<Standing, CloudError> {
        let sha256 = hex::encode(Sha256::digest(document(script.text)));
        match self.published(script.name, None).await {
            Ok(found) if found.sha256.eq_ignore_ascii_case(&sha256) => Ok(Standing::Current(found)),
            Ok(found) => Ok(Standing::Other(found)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Standing::Absent),
            Err(error) => Err(error),
        }
    }

    /// Looks first, so that the rights to write are needed only when there is something new.
    async fn publish_script(&self, script: Script<'_>) -> Result<Document, CloudError> {
        let operation = Operation::PublishScript;
        let content = document(script.text);
        let sha256 = hex::encode(Sha256::digest(content.as_bytes()));
        match self.look_at_script(script).await? {
            Standing::Current(found) => return Ok(found),
            Standing::Other(_) => {}
            Standing::Absent => {
                let answer = self
                    .ssm_once
                    .create_document()
                    .name(script.name)
                    .content(content)
                    .document_type(ssm::DocumentType::Command)
                    .document_format(ssm::DocumentFormat::Json)
                    .target_type("/AWS::EC2::Instance")
                    .send()
                    .await
                    .map_err(|error| failure(operation, error))?;
                return Ok(Document {
                    version: version(answer.document_description()),
                    sha256,
                });
            }
        }
        // An update that was interrupted left the new version behind, not yet the default.
        let latest = self.published(script.name, Some("$LATEST")).await?;
        let version = if latest.sha256.eq_ignore_ascii_case(&sha256) {
            latest.version
        } else {
            let answer = self
                .ssm_once
                .update_document()
                .name(script.name)
                .content(content)
                .document_format(ssm::DocumentFormat::Json)
                .document_version("$LATEST")
                .send()
                .await
                .map_err(|error| failure(operation, error))?;
            version(answer.document_description())
        };
        self.ssm_once
            .update_document_default_version()
            .name(script.name)
            .document_version(&version)
            .send()
            .await
            .map_err(|error| failure(operation, error))?;
        Ok(Document { sha256, version })
    }

    async fn send_script(
        &self,
        instance_id: &str,
        delivery: Delivery<'_>,
        limit: Duration,
    ) -> Result<String, CloudError> {
        let call = self
            .ssm_once
            .send_command()
            .instance_ids(instance_id)
            .comment("Cloud Autoscaler: set monitoring up")
            // For its delivery, which is quick or not at all.
            .timeout_seconds(60);
        let call = match delivery {
            // SSM compares the hash itself, and refuses what somebody changed.
            Delivery::Document { name, sha256 } => call
                .document_name(name)
                .document_hash(sha256)
                .document_hash_type(ssm::DocumentHashType::Sha256),
            Delivery::Shell { text } => call
                .document_name("AWS-RunShellScript")
                .parameters("commands", vec![text.to_owned()])
                .parameters("executionTimeout", vec![limit.as_secs().to_string()]),
        };
        let answer = call
            .send()
            .await
            .map_err(|error| failure(Operation::SendScript, error))?;
        answer
            .command()
            .and_then(ssm::Command::command_id)
            .map(str::to_owned)
            .ok_or_else(|| {
                CloudError::new(
                    Operation::SendScript,
                    ErrorKind::LostReply,
                    "the answer holds no command id",
                )
            })
    }

    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError> {
        let answer = self
            .ssm
            .get_command_invocation()
            .instance_id(instance_id)
            .command_id(command_id)
            .send()
            .await
            .map_err(|error| failure(Operation::PollCommand, error))?;
        let output = [
            answer.standard_output_content(),
            answer.standard_error_content(),
        ]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
        Ok(match answer.status() {
            Some(ssm::CommandInvocationStatus::Success) => CommandStatus::Succeeded { output },
            Some(
                ssm::CommandInvocationStatus::Cancelled
                | ssm::CommandInvocationStatus::Failed
                | ssm::CommandInvocationStatus::TimedOut,
            ) => CommandStatus::Failed {
                output: match output.is_empty() {
                    true => answer.status_details().unwrap_or("no output").to_owned(),
                    false => output,
                },
            },
            _ => CommandStatus::Running,
        })
    }
}

fn version(description: Option<&ssm::DocumentDescription>) -> String {
    let version = description.and_then(ssm::DocumentDescription::document_version);
    version.unwrap_or_default().to_owned()
}

/// The document that runs the script: no parameters, so nothing that a caller says can reach the shell.
fn document(script: &str) -> String {
    serde_json::json!({
        "schemaVersion": "2.2",
        "description": "Cloud Autoscaler: sets monitoring up (deploy/setup-monitoring.sh)",
        "mainSteps": [{
            "action": "aws:runShellScript",
            "name": "setupMonitoring",
            "precondition": {"StringEquals": ["platformType", "Linux"]},
            "inputs": {
                "timeoutSeconds": DOCUMENT_LIMIT_SECONDS,
                "runCommand": script.lines().collect::<Vec<_>>(),
            },
        }],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Install;

    #[test]
    fn the_document_is_the_script_line_by_line_without_parameters() {
        for install in Install::ALL {
            let script = install.script();
            let document: serde_json::Value = serde_json::from_str(&document(&script)).unwrap();
            assert!(document.get("parameters").is_none(), "{document}");
            let lines: Vec<&str> = document["mainSteps"][0]["inputs"]["runCommand"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| line.as_str().unwrap())
                .collect();
            assert_eq!(lines.join("\n") + "\n", script);
        }
    }
}
