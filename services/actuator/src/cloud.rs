//! What the actuator needs of a cloud, in its own words: instances, types, the three calls that change a machine, and
//! commands on it. `aws.rs` is the real one, `limited.rs` stands before it, and `fake/` is
//! the simulated one.

pub mod aws;
mod bindings;
pub(crate) mod limited;
pub mod requests;

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::bindings::{Abilities, Bindings};

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Started, not booted yet.
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

impl InstanceState {
    /// True when it will never run again.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting down",
            Self::Terminated => "terminated",
        })
    }
}

/// One instance, as far as a resize cares.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub instance_id: String,
    pub instance_type: String,
    pub state: InstanceState,
    pub availability_zone: String,
    pub private_ip: Option<String>,
    pub public_ip: Option<String>,
    /// The public address is an Elastic IP, which survives a stop.
    pub elastic_ip: bool,
    /// Such as `x86_64`.
    pub architecture: String,
    /// By its CPU options; `None` when the cloud doesn't say.
    pub vcpus: Option<u32>,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// Whether the image has the ENA driver; `None` when the cloud doesn't say.
    pub ena: Option<bool>,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    pub spot: bool,
    /// Set up to hibernate.
    pub hibernation: bool,
    /// `default`, `dedicated` or `host`.
    pub tenancy: String,
    pub placement_group: Option<String>,
    /// Number of network interfaces attached.
    pub network_interfaces: u32,
    /// Private IPv4 addresses of the interface that has most of them.
    pub addresses_per_interface: u32,
    /// Number of EBS volumes attached.
    pub volumes: u32,
    /// What it booted with: `uefi` or `legacy-bios`; `None` when the cloud doesn't say.
    pub boot_mode: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// When somebody asked to stop it, while it is down for that and the cloud says so.
    pub stop_asked_at: Option<Timestamp>,
    /// When it was started last, where the cloud says.
    pub started_at: Option<Timestamp>,
    /// The account it belongs to; empty where the cloud doesn't say.
    pub account: String,
    /// Such as `ami-0123456789abcdef0`.
    pub image_id: String,
    pub bindings: Bindings,
}

/// One instance type.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType {
    pub name: String,
    pub vcpus: u32,
    pub memory_mib: u64,
    /// Such as `x86_64`; a type can run more than one.
    pub architectures: Vec<String>,
    /// Subset of `hvm` and `paravirtual`.
    pub virtualizations: Vec<String>,
    /// T types, whose sustained capacity is below their vCPU count.
    pub burstable: bool,
    /// The image must have the ENA driver.
    pub ena_required: bool,
    /// Runs on Nitro, whose disks are NVMe; the others run on Xen.
    pub nitro: bool,
    /// Has disks that lose their data at each stop.
    pub instance_storage: bool,
    pub max_network_interfaces: u32,
    /// Private IPv4 addresses that one interface takes.
    pub max_addresses_per_interface: u32,
    /// EBS volumes that it takes, where the cloud says; on most Nitro types interfaces count against it, too.
    pub max_volumes: Option<u32>,
    /// Interfaces count against `max_volumes`.
    pub interfaces_take_volume_slots: bool,
    /// Subset of `uefi` and `legacy-bios`.
    pub boot_modes: Vec<String>,
    pub abilities: Abilities,
}

/// An instance's place in an Auto Scaling group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupMember {
    pub group: String,
    /// Such as `InService` or `Standby`. In standby the group leaves it alone.
    pub lifecycle: String,
}

/// A quota of running vCPUs, which families share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VcpuQuota {
    /// In Service Quotas, such as `L-1216C47A`.
    pub code: &'static str,
    /// What families that count begin with, before the first digit or hyphen, such as `["t", "m"]`.
    pub families: &'static [&'static str],
}

impl VcpuQuota {
    /// Whether an instance of this type counts.
    pub fn counts(&self, instance_type: &str) -> bool {
        let letters: &str = family(instance_type)
            .split(|character: char| !character.is_ascii_lowercase())
            .next()
            .unwrap_or_default();
        self.families.contains(&letters)
    }
}

/// A quota, and what is used of it now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VcpuUse {
    pub limit: u32,
    pub running: u32,
}

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

/// The cloud's own checks of a running instance.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    Ok,
    /// Not decided yet.
    Initializing,
    Impaired,
}

/// What the cloud reports of a running instance's health.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceStatus {
    pub state: InstanceState,
    pub checks: Checks,
    /// Maintenance that is planned, one sentence each.
    pub events: Vec<String>,
}

/// A call that changes a machine. None of them takes a client token: after a lost answer the state is read again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mutation {
    Stop,
    /// To this type; the instance must be stopped.
    ModifyType(String),
    Start,
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

/// A call, by what it asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    Ready,
    DescribeInstance,
    DescribeInstances,
    DescribeTypes,
    OfferedTypes,
    Status,
    StopProtection,
    Stop,
    ModifyType,
    Start,
    SetTag,
    RemoveTag,
    FindTagged,
    GroupMember,
    VcpuUse,
    CreditMode,
    SetCreditMode,
    SsmOnline,
    LookAtScript,
    PublishScript,
    SendScript,
    PollCommand,
}

impl Operation {
    /// The right it takes, such as `ec2:StopInstances`.
    pub fn action(self) -> &'static str {
        match self {
            Self::Ready => "credentials",
            Self::DescribeInstance | Self::DescribeInstances => "ec2:DescribeInstances",
            Self::DescribeTypes => "ec2:DescribeInstanceTypes",
            Self::OfferedTypes => "ec2:DescribeInstanceTypeOfferings",
            Self::Status => "ec2:DescribeInstanceStatus",
            Self::StopProtection => "ec2:DescribeInstanceAttribute",
            Self::Stop => "ec2:StopInstances",
            Self::ModifyType => "ec2:ModifyInstanceAttribute",
            Self::Start => "ec2:StartInstances",
            Self::SetTag => "ec2:CreateTags",
            Self::RemoveTag => "ec2:DeleteTags",
            // A filter over all instances; the right is the same as for one.
            Self::FindTagged => "ec2:DescribeInstances",
            Self::GroupMember => "autoscaling:DescribeAutoScalingInstances",
            Self::VcpuUse => "servicequotas:GetServiceQuota",
            Self::CreditMode => "ec2:DescribeInstanceCreditSpecifications",
            Self::SetCreditMode => "ec2:ModifyInstanceCreditSpecification",
            Self::SsmOnline => "ssm:DescribeInstanceInformation",
            Self::LookAtScript => "ssm:DescribeDocument",
            Self::PublishScript => "ssm:CreateDocument",
            Self::SendScript => "ssm:SendCommand",
            Self::PollCommand => "ssm:GetCommandInvocation",
        }
    }

    /// True for what changes something: a machine's state, type, tags or credit mode, and a command on it.
    pub fn mutates(self) -> bool {
        matches!(
            self,
            Self::Stop
                | Self::ModifyType
                | Self::Start
                | Self::SetTag
                | Self::RemoveTag
                | Self::SetCreditMode
                | Self::PublishScript
                | Self::SendScript
        )
    }
}

impl From<&Mutation> for Operation {
    fn from(mutation: &Mutation) -> Self {
        match mutation {
            Mutation::Stop => Self::Stop,
            Mutation::ModifyType(_) => Self::ModifyType,
            Mutation::Start => Self::Start,
        }
    }
}

/// What kind of no it was; decides what happens next.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The zone has no room for this type now.
    InsufficientCapacity,
    /// This type can't run here, such as in this zone.
    Unsupported,
    /// This type never runs this instance: something about one doesn't fit something about the other.
    NotForThisInstance,
    /// A quota of the account is used up.
    LimitExceeded,
    /// Too many calls.
    Throttled,
    /// The role lacks the right.
    Unauthorized,
    /// There are no credentials, or they are refused.
    CredentialsMissing,
    /// The credentials have run out.
    CredentialsExpired,
    /// The instance, or the command on it, doesn't exist (or isn't visible yet).
    NotFound,
    /// The instance's state doesn't allow the call.
    WrongState,
    /// The new type has not reached every part of EC2 yet.
    TypeMismatch,
    /// The owner protected it against stops.
    Protected,
    /// An operator has thrown this actuator's kill switch; the call was not made.
    Halted,
    /// The SSM agent isn't registered.
    NotOnline,
    /// No answer, or one that can't be read: the call may have been carried out.
    LostReply,
    /// The cloud failed: the call may have been carried out.
    Internal,
    /// A setting lacks that every call needs, such as the region.
    NotConfigured,
    /// Anything else: the call is wrong and was not carried out.
    Invalid,
}

impl ErrorKind {
    /// True when the call may have been carried out all the same.
    pub fn is_uncertain(self) -> bool {
        matches!(self, Self::LostReply | Self::Internal)
    }

    /// True when the same call can succeed a little later.
    pub fn is_transient(self) -> bool {
        self.is_uncertain()
            || matches!(
                self,
                Self::Throttled | Self::CredentialsMissing | Self::CredentialsExpired
            )
    }
}

/// A call that failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {message}", .operation.action())]
pub struct CloudError {
    pub operation: Operation,
    pub kind: ErrorKind,
    /// What the cloud said, one line, with its own error code.
    pub message: String,
}

impl CloudError {
    /// `operation` failed for a reason of this kind.
    pub fn new(operation: Operation, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            operation,
            kind,
            message: message.into(),
        }
    }

    /// What happened and what to do about it. Causes come last: they may be long, and what is long is cut off somewhere.
    pub fn with_remedy(&self) -> String {
        let (text, remedy) = (self.to_string(), self.remedy());
        match last_parenthesis(&text) {
            Some((what, causes)) => format!("{what}; {remedy} {causes}"),
            None => format!("{text}; {remedy}"),
        }
    }

    /// What an operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self.kind {
            ErrorKind::CredentialsMissing => {
                "set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (also in .env), or give this machine an instance role"
            }
            ErrorKind::CredentialsExpired => "renew the session (aws sso login) or the keys",
            ErrorKind::Unauthorized => "attach the policy in deploy/iam to the actuator's role",
            ErrorKind::NotFound => "check the instance id, the account, and actuator.region",
            ErrorKind::Throttled => "lower the call rate of this account, or wait",
            ErrorKind::InsufficientCapacity => "wait, or add types of other families to the ladder",
            ErrorKind::Unsupported => "choose a type that the image and the zone support",
            ErrorKind::NotForThisInstance => "choose another type: EC2 will say the same again",
            ErrorKind::LimitExceeded => "raise the account's vCPU quota",
            ErrorKind::NotOnline => {
                "attach AmazonSSMManagedInstanceCore to the instance's role and check its SSM agent"
            }
            ErrorKind::Protected => {
                "turn off stop protection (DisableApiStop) if it may be resized"
            }
            ErrorKind::Halted => "autoscaler kill-switch off, once you want resizes again",
            ErrorKind::WrongState | ErrorKind::TypeMismatch => "wait for the instance to settle",
            ErrorKind::LostReply | ErrorKind::Internal => {
                "check the network to AWS and its status page"
            }
            ErrorKind::NotConfigured => {
                "set actuator.region, AWS_REGION, or a region in the profile"
            }
            ErrorKind::Invalid => "see the message",
        }
    }
}

/// Instances that one call describes: as many values as EC2 takes in a filter.
pub const DESCRIBED_AT_ONCE: usize = 200;

/// The cloud. Every call is bounded in time by the implementation.
#[async_trait]
pub trait Cloud: fmt::Debug + Send + Sync + 'static {
    /// Ok when calls can be signed; says why not otherwise.
    async fn ready(&self) -> Result<(), CloudError>;

    /// One instance; terminated ones too, as long as the cloud remembers them.
    async fn describe_instance(&self, instance_id: &str) -> Result<Instance, CloudError>;

    /// Those of these instances that exist, as [`Cloud::describe_instance`] sees them; at most [`DESCRIBED_AT_ONCE`].
    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError>;

    /// The types of these names that exist; at most 100 names.
    async fn describe_types(&self, names: &[String]) -> Result<Vec<InstanceType>, CloudError>;

    /// Names of the types of `family` (such as `t3`) that `availability_zone` sells.
    async fn offered_types(
        &self,
        family: &str,
        availability_zone: &str,
    ) -> Result<Vec<String>, CloudError>;

    /// Health of an instance in any state.
    async fn status(&self, instance_id: &str) -> Result<InstanceStatus, CloudError>;

    /// Whether the owner forbade stopping it.
    async fn stop_protected(&self, instance_id: &str) -> Result<bool, CloudError>;

    /// Ok when the call would be allowed; changes nothing.
    async fn permitted(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError>;

    /// Ok when the call was accepted; its effect comes later. Never repeated by the implementation.
    async fn mutate(&self, instance_id: &str, mutation: &Mutation) -> Result<(), CloudError>;

    /// Writes a tag, over the one that may be there.
    async fn set_tag(&self, instance_id: &str, key: &str, value: &str) -> Result<(), CloudError>;

    /// Takes a tag away; Ok when it wasn't there.
    async fn remove_tag(&self, instance_id: &str, key: &str) -> Result<(), CloudError>;

    /// All instances that have the tag and are not gone.
    async fn find_tagged(&self, key: &str) -> Result<Vec<Instance>, CloudError>;

    /// Its Auto Scaling group; `None` when it is in none.
    async fn group_member(&self, instance_id: &str) -> Result<Option<GroupMember>, CloudError>;

    /// The quota in this region, and the vCPUs that run against it.
    async fn vcpu_use(&self, quota: VcpuQuota) -> Result<VcpuUse, CloudError>;

    /// `standard` or `unlimited`; `None` for types without CPU credits. A change of type resets it.
    async fn credit_mode(&self, instance_id: &str) -> Result<Option<String>, CloudError>;

    /// Sets what [`Cloud::credit_mode`] reads.
    async fn set_credit_mode(&self, instance_id: &str, mode: &str) -> Result<(), CloudError>;

    /// The instance that this program runs on; `None` when it doesn't run on one.
    async fn own_instance_id(&self) -> Option<String> {
        None
    }

    /// How long ago a start of this type found no room in this zone, as far as this program remembers.
    fn shortage(&self, _instance_type: &str, _availability_zone: &str) -> Option<Duration> {
        None
    }

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

/// The part before the dot: `t3` of `t3.small`.
pub fn family(instance_type: &str) -> &str {
    instance_type.split('.').next().unwrap_or_default()
}

/// What stands before the parenthesis that ends `text`, and the parenthesis.
fn last_parenthesis(text: &str) -> Option<(&str, &str)> {
    if !text.ends_with(')') {
        return None;
    }
    let mut open = 0_usize;
    for (at, sign) in text.char_indices().rev() {
        match sign {
            ')' => open += 1,
            '(' if open == 1 => return Some((text[..at].trim_end(), &text[at..])),
            '(' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_stands_before_causes_that_may_be_cut_off() {
        let error = |message: &str| {
            CloudError::new(
                Operation::DescribeInstance,
                ErrorKind::CredentialsMissing,
                message,
            )
            .with_remedy()
        };
        let text = error("there are none (no profile (none named x): no keys)");
        assert!(text.contains("there are none; set AWS_PROFILE"), "{text}");
        assert!(
            text.ends_with(" (no profile (none named x): no keys)"),
            "{text}"
        );
        let text = error("a call (of four) failed");
        assert!(
            text.contains("a call (of four) failed; set AWS_PROFILE"),
            "{text}"
        );
        let text = error("no end)");
        assert!(text.contains("no end); set AWS_PROFILE"), "{text}");
    }
}
