//! Commands on instances, by scripts that are published before.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use super::error::CloudError;

/// What runs on an instance over SSM. It takes no parameters, so nothing is ever spliced into a shell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Script<'a> {
    /// The document's name.
    pub name: &'a str,
    /// A POSIX shell script.
    pub text: &'a str,
}

/// A version of our document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// Of its content, in hexadecimal digits.
    pub sha256: String,
    pub version: String,
}

/// How our document stands to a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// What is sent is the script.
    Current(Document),
    /// What is sent is another script: that of another release, or somebody's.
    Other(Document),
    Absent,
}

/// How a script is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery<'a> {
    /// As our own document, in the version whose content has this SHA-256, in hexadecimal digits.
    Document { name: &'a str, sha256: &'a str },
    /// As the parameter of `AWS-RunShellScript`.
    Shell { text: &'a str },
}
/// Where a command on an instance is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CommandStatus {
    Running,
    Succeeded {
        output: String,
    },
    /// It ended badly, or was never delivered.
    Failed {
        output: String,
    },
}
/// The commands. Every call is bounded in time by the implementation.
#[async_trait]
pub trait Commands: fmt::Debug + Send + Sync + 'static {
    /// Whether commands can reach the instance now.
    async fn ssm_online(&self, instance_id: &str) -> Result<bool, CloudError>;

    /// Whether our own document is the script.
    async fn look_at_script(&self, script: Script<'_>) -> Result<Standing, CloudError>;

    /// Makes the script the default version of our own document. Does nothing when it is that already.
    async fn publish_script(&self, script: Script<'_>) -> Result<Document, CloudError>;

    /// Runs a script as root on the instance, for at most `limit`; returns the command's id at once.
    async fn send_script(
        &self,
        instance_id: &str,
        delivery: Delivery<'_>,
        limit: Duration,
    ) -> Result<String, CloudError>;

    /// Where the command is. `NotFound` for a moment after it was sent.
    async fn poll_command(
        &self,
        instance_id: &str,
        command_id: &str,
    ) -> Result<CommandStatus, CloudError>;
}
