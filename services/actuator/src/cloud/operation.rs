//! Calls by their names, and the right that each takes.

/// A call that changes a machine. None of them takes a client token: after a lost answer the state is read again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mutation {
    Stop,
    /// To this type; the instance must be stopped.
    ModifyType(String),
    Start,
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
    ReadMetrics,
    ListMetrics,
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
            Self::ReadMetrics => "cloudwatch:GetMetricData",
            Self::ListMetrics => "cloudwatch:ListMetrics",
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
