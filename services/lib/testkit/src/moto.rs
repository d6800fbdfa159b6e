//! moto, the stand-in for AWS, and what a test asks it behind everybody's back.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http,
    process::{Process, free_port},
};

/// A running moto server.
pub struct Moto {
    _process: Process,
    _folder: TempDir,
    pub address: String,
    pub url: String,
}

impl Moto {
    /// Starts one for this test alone.
    pub async fn start() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(crate::test_servers().join("venv/bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut process = Process::start("moto", folder.path(), &mut command);
        process.wait_for_port(port).await;
        Self {
            _process: process,
            _folder: folder,
            address: format!("127.0.0.1:{port}"),
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    /// moto reads region and service from the signature and checks nothing else of it.
    async fn ask(&self, service: &str, headers: &str, body: &str) -> String {
        let headers = format!(
            "Host: {service}.us-east-1.amazonaws.com\r\n{headers}Authorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n"
        );
        let answer = http::post(&self.address, &headers, body).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap();
        assert!(status.contains(" 200 "), "{service}: {status}: {body}");
        body.to_owned()
    }

    async fn ec2(&self, action: &str) -> String {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let body = format!("Version=2016-11-15&Action={action}");
        self.ask("ec2", form, &body).await
    }

    /// A new running instance; its id.
    pub async fn run_instance(&self, instance_type: &str) -> String {
        let action = format!(
            "RunInstances&ImageId=ami-12c6146b&MinCount=1&MaxCount=1&InstanceType={instance_type}"
        );
        element(&self.ec2(&action).await, "instanceId")
    }

    /// All that EC2 says of an instance, as XML.
    pub async fn describe(&self, instance_id: &str) -> String {
        let action = format!("DescribeInstances&InstanceId.1={instance_id}");
        let answer = self.ec2(&action).await;
        // Without the id of the request.
        let (_, reservations) = answer.split_once("<reservationSet>").unwrap();
        reservations.to_owned()
    }

    /// Type and state of an instance.
    pub async fn instance(&self, instance_id: &str) -> (String, String) {
        let answer = self.describe(instance_id).await;
        let (_, state) = answer.split_once("<instanceState>").unwrap();
        (element(&answer, "instanceType"), element(state, "name"))
    }

    /// The SSM commands that were sent to an instance.
    pub async fn commands(&self, instance_id: &str) -> Vec<Value> {
        let target =
            "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AmazonSSM.ListCommands\r\n";
        let body = json!({"InstanceId": instance_id}).to_string();
        let answer: Value = serde_json::from_str(&self.ask("ssm", target, &body).await).unwrap();
        answer["Commands"].as_array().cloned().unwrap_or_default()
    }
}

fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split('<').next().unwrap().to_owned()
}
