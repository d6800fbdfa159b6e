//! SSM and Service Quotas: JSON 1.1.

use std::time::Duration;

use actuator::cloud::{
    CloudError, CommandStatus, Commands as _, Delivery, ErrorKind, Operation, Types as _, quota,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{errors, reply::Reply};
use crate::cloud::FakeCloud;

/// Answers a message; `None` when the answer is lost.
pub(super) async fn answer(fake: &FakeCloud, target: &str, body: &[u8]) -> Option<Reply> {
    let input: Value = serde_json::from_slice(body).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default();
    let reply = |status, value: &Value| Reply {
        status,
        content_type: "application/x-amz-json-1.1",
        body: value.to_string().into(),
    };
    match act(fake, action, &input).await {
        Ok(output) => Some(reply(200, &output)),
        Err(error) => {
            let (code, status) = errors::json(&error)?;
            let message = errors::message(&error);
            Some(reply(status, &json!({"__type": code, "message": message})))
        }
    }
}

async fn act(fake: &FakeCloud, action: &str, input: &Value) -> Result<Value, CloudError> {
    let text = |name: &str| input[name].as_str().unwrap_or_default();
    match action {
        "GetServiceQuota" => {
            let code = text("QuotaCode");
            let quota = quota::by_code(code).ok_or_else(|| {
                CloudError::new(Operation::VcpuUse, ErrorKind::NotFound, "no such quota")
            })?;
            let used = fake.vcpu_use(quota).await?;
            Ok(
                json!({"Quota": {"QuotaCode": code, "ServiceCode": "ec2", "Value": f64::from(used.limit)}}),
            )
        }
        "DescribeInstanceInformation" => {
            let id = input["Filters"][0]["Values"][0]
                .as_str()
                .unwrap_or_default();
            let online = fake.ssm_online(id).await?;
            let list: Vec<Value> = online
                .then(|| json!({"InstanceId": id, "PingStatus": "Online"}))
                .into_iter()
                .collect();
            Ok(json!({"InstanceInformationList": list}))
        }
        "DescribeDocument" => {
            let name = text("Name");
            let found = fake.document(name).await?;
            Ok(json!({"Document": {
                "Name": name, "Hash": found.sha256, "HashType": "Sha256", "DocumentVersion": found.version,
                "Status": "Active",
            }}))
        }
        "CreateDocument" | "UpdateDocument" => {
            let (name, sha256) = (text("Name"), hex::encode(Sha256::digest(text("Content"))));
            let made = fake.set_document(name, &sha256).await?;
            let description =
                json!({"Name": name, "Hash": made.sha256, "DocumentVersion": made.version});
            Ok(json!({"DocumentDescription": description}))
        }
        // The fake keeps one version.
        "UpdateDocumentDefaultVersion" => Ok(json!({"Description": {"Name": text("Name")}})),
        "SendCommand" => {
            let id = input["InstanceIds"][0].as_str().unwrap_or_default();
            let commands = input["Parameters"]["commands"][0]
                .as_str()
                .unwrap_or_default();
            let delivery = match text("DocumentName") {
                "AWS-RunShellScript" => Delivery::Shell { text: commands },
                name => Delivery::Document {
                    name,
                    sha256: text("DocumentHash"),
                },
            };
            let command_id = fake.send_script(id, delivery, Duration::ZERO).await?;
            Ok(json!({"Command": {"CommandId": command_id, "Status": "Pending"}}))
        }
        "GetCommandInvocation" => {
            let status = fake.poll_command(text("InstanceId"), text("CommandId"));
            let (status, output) = match status.await? {
                CommandStatus::Running => ("InProgress", String::new()),
                CommandStatus::Succeeded { output } => ("Success", output),
                CommandStatus::Failed { output } => ("Failed", output),
            };
            Ok(json!({
                "CommandId": text("CommandId"), "InstanceId": text("InstanceId"), "Status": status,
                "StatusDetails": status, "StandardOutputContent": output,
            }))
        }
        _ => Err(CloudError::new(
            Operation::Ready,
            ErrorKind::Invalid,
            format!("the fake does not know {action}"),
        )),
    }
}
