//! The checks that come before a stop, each with a name and a verdict. Nothing here changes anything.

mod bound;
mod fit;
mod judge;

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    cloud::{
        Cloud, CloudError, ErrorKind, GroupMember, Instance, InstanceStatus, InstanceType,
        Mutation, VcpuUse, family, quota,
    },
    config::{Config, UnknownChecks},
    journal::{Refused, StoreError},
};

pub use self::judge::required_tag;

/// What a check says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    Pass,
    /// The resize must not start.
    Block,
    /// The check could not be made.
    Unknown,
}

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Such as `not_spot`.
    pub name: &'static str,
    pub verdict: Verdict,
    /// One sentence.
    pub detail: String,
    /// It tells, but never blocks.
    pub advisory: bool,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            detail: detail.into(),
            advisory: false,
        }
    }

    /// Passes when `ok`, blocks otherwise.
    fn when(name: &'static str, ok: bool, good: &str, bad: impl Into<String>) -> Self {
        if ok {
            Self::new(name, Verdict::Pass, good)
        } else {
            Self::new(name, Verdict::Block, bad)
        }
    }

    fn unknown(name: &'static str, error: &CloudError) -> Self {
        Self::new(name, Verdict::Unknown, error.with_remedy())
    }
}

/// All checks of one resize.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub checks: Vec<Check>,
    /// Types of the target's family to try when neither the target nor the old type starts, best first.
    pub fallbacks: Vec<String>,
    /// That the instance belongs to; empty where the cloud doesn't say.
    pub account: String,
}

impl Report {
    /// What stands in the way, one sentence with every check that does; `None` when nothing does.
    pub fn obstacle(&self, unknown: UnknownChecks) -> Option<String> {
        let against: Vec<String> = self
            .checks
            .iter()
            .filter(|check| match check.verdict {
                Verdict::Pass => false,
                Verdict::Block => true,
                Verdict::Unknown => unknown == UnknownChecks::Block && !check.advisory,
            })
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        (!against.is_empty()).then(|| against.join("; "))
    }
}

/// What is to be resized.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub instance_id: &'a str,
    pub target: &'a str,
    /// The type the caller believes it has; `None` when it didn't say.
    pub expected: Option<&'a str>,
}

/// What is remembered of types that EC2 refused for good.
#[derive(Debug)]
pub struct Memory {
    pub refused: Result<Vec<Refused>, StoreError>,
    pub now: Timestamp,
}

/// The answers of the cloud that the verdicts are made from.
struct Answers {
    instance: Instance,
    from: Option<InstanceType>,
    target: Result<Option<InstanceType>, CloudError>,
    offered: Result<Vec<String>, CloudError>,
    status: Result<InstanceStatus, CloudError>,
    stop_protected: Result<bool, CloudError>,
    group: Result<Option<GroupMember>, CloudError>,
    /// `None` when the target's family has no quota that is known here.
    vcpus: Option<Result<VcpuUse, CloudError>>,
    /// How long ago a start on the target found no room.
    shortage: Option<Duration>,
    memory: Memory,
    /// The instance that this program runs on.
    own_instance_id: Option<String>,
    /// `None` when monitoring is turned off.
    ssm_online: Option<Result<bool, CloudError>>,
}

/// Asks the cloud, and judges. It never fails: what can't be asked is an unknown check.
pub async fn run(
    cloud: &dyn Cloud,
    config: &Config,
    subject: Subject<'_>,
    memory: Memory,
) -> Report {
    let instance = match cloud.describe_instance(subject.instance_id).await {
        Ok(instance) => instance,
        Err(error) => {
            let mut check = Check::unknown("instance_known", &error);
            if error.kind == ErrorKind::NotFound {
                check.verdict = Verdict::Block;
            }
            return Report {
                checks: vec![check],
                fallbacks: Vec::new(),
                account: String::new(),
            };
        }
    };
    let id = subject.instance_id;
    let target_family = family(subject.target);
    let (offered, status, stop_protected, group, own_instance_id, vcpus, ssm_online) = tokio::join!(
        cloud.offered_types(target_family, &instance.availability_zone),
        cloud.status(id),
        cloud.stop_protected(id),
        cloud.group_member(id),
        cloud.own_instance_id(),
        async {
            match quota::of(subject.target) {
                Some(quota) => Some(cloud.vcpu_use(quota).await),
                None => None,
            }
        },
        async {
            match config.monitoring.enabled {
                true => Some(cloud.ssm_online(id).await),
                false => None,
            }
        },
    );
    let mut names = vec![subject.target.to_owned(), instance.instance_type.clone()];
    names.extend(offered.iter().flatten().cloned());
    names.sort();
    names.dedup();
    names.truncate(100);
    let types = cloud.describe_types(&names).await;
    let find = |name: &str| {
        types
            .iter()
            .flatten()
            .find(|found| found.name == name)
            .cloned()
    };
    let from = find(&instance.instance_type);
    let fallbacks = from.as_ref().map_or_else(Vec::new, |from| {
        fit::fallbacks(
            config,
            &memory,
            &instance,
            from,
            subject.target,
            types.iter().flatten(),
            offered.iter().flatten(),
        )
    });
    let answers = Answers {
        shortage: cloud.shortage(subject.target, &instance.availability_zone),
        group,
        memory,
        own_instance_id,
        vcpus,
        target: types.clone().map(|_| find(subject.target)),
        from,
        instance,
        offered,
        status,
        stop_protected,
        ssm_online,
    };
    let mut report = Report {
        checks: judge::verdicts(config, subject, &answers),
        fallbacks,
        account: answers.instance.account.clone(),
    };
    // Four more calls, and AWS answers them in terms of a machine that could be resized: only when it could.
    if report.obstacle(UnknownChecks::Allow).is_none() {
        let from = answers.instance.instance_type;
        for (name, mutation) in [
            ("may_stop", Mutation::Stop),
            (
                "may_modify_to_target",
                Mutation::ModifyType(subject.target.to_owned()),
            ),
            ("may_modify_back", Mutation::ModifyType(from)),
            ("may_start", Mutation::Start),
        ] {
            report
                .checks
                .push(match cloud.permitted(id, &mutation).await {
                    Ok(()) => Check::new(name, Verdict::Pass, "AWS would allow it"),
                    Err(error) if error.kind.is_transient() => Check::unknown(name, &error),
                    Err(error) => Check::new(
                        name,
                        Verdict::Block,
                        format!("AWS would refuse it: {}", error.with_remedy()),
                    ),
                });
        }
    }
    report
}
