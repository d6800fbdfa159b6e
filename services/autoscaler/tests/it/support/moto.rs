//! moto, the stand-in for AWS, and what a test asks it behind the autoscaler's back.

use std::{path::Path, process::Command};

use super::process::{Process, free_port};

/// A running moto server.
pub struct Moto {
    _process: Process,
    pub url: String,
    http: reqwest::Client,
}

impl Moto {
    /// Starts one for this test alone.
    pub async fn start(servers: &Path, folder: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(servers.join("venv/bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut process = Process::start("moto", folder, &mut command);
        process.wait_for_port(port).await;
        Self {
            _process: process,
            url: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::new(),
        }
    }

    async fn ec2(&self, action: &[(&str, &str)]) -> String {
        let mut form = vec![("Version", "2016-11-15")];
        form.extend_from_slice(action);
        let response = self
            .http
            .post(&self.url)
            .header("Authorization", signature("ec2"))
            .form(&form)
            .send()
            .await
            .unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        assert!(status.is_success(), "{action:?}: {status}: {body}");
        body
    }

    /// A new running instance; its id.
    pub async fn run_instance(&self, instance_type: &str) -> String {
        let body = self
            .ec2(&[
                ("Action", "RunInstances"),
                ("ImageId", "ami-12c6146b"),
                ("InstanceType", instance_type),
                ("MinCount", "1"),
                ("MaxCount", "1"),
            ])
            .await;
        element(&body, "instanceId")
    }

    /// Type and state of an instance.
    pub async fn instance(&self, instance_id: &str) -> (String, String) {
        let body = self
            .ec2(&[
                ("Action", "DescribeInstances"),
                ("InstanceId.1", instance_id),
            ])
            .await;
        let (_, state) = body.split_once("<instanceState>").unwrap();
        (element(&body, "instanceType"), element(state, "name"))
    }

    /// The SSM commands that were sent to an instance, as JSON.
    pub async fn commands(&self, instance_id: &str) -> Vec<serde_json::Value> {
        let response = self
            .http
            .post(&self.url)
            .header("Authorization", signature("ssm"))
            .header("X-Amz-Target", "AmazonSSM.ListCommands")
            .header("Content-Type", "application/x-amz-json-1.1")
            .body(serde_json::json!({"InstanceId": instance_id}).to_string())
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = response.json().await.unwrap();
        answer["Commands"].as_array().cloned().unwrap_or_default()
    }
}

/// moto reads region and service from the signature and checks nothing else of it.
fn signature(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split('<').next().unwrap().to_owned()
}
