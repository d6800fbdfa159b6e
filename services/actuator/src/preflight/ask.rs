//! What is asked of the cloud for the checks of one resize.

use super::{
    case::{Case, Memory, Subject},
    finding::{Check, Finding},
};
use crate::{
    cloud::{Cloud, Instance, InstanceType, Mutation, family, quota},
    config::Config,
};

/// A case, and the types beside the target that its family has, as far as they are sold in the zone.
pub async fn about<'a>(
    cloud: &dyn Cloud,
    config: &'a Config,
    subject: Subject<'a>,
    memory: Memory,
    instance: Instance,
) -> (Case<'a>, Vec<InstanceType>) {
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
    let case = Case {
        config,
        subject,
        shortage: cloud.shortage(subject.target, &instance.availability_zone),
        group,
        memory,
        own_instance_id,
        vcpus,
        from: find(&instance.instance_type),
        target: types.clone().map(|_| find(subject.target)),
        instance,
        offered,
        status,
        stop_protected,
        ssm_online,
    };
    (case, types.unwrap_or_default())
}

/// Whether AWS would allow the four changes. It answers in terms of a machine that could be resized: to be asked only
/// when it could.
pub async fn permissions(cloud: &dyn Cloud, case: &Case<'_>) -> Vec<Check> {
    let modify = |to: &str| Mutation::ModifyType(to.to_owned());
    let mut checks = Vec::new();
    for (name, mutation) in [
        ("may_stop", Mutation::Stop),
        ("may_modify_to_target", modify(case.subject.target)),
        ("may_modify_back", modify(&case.instance.instance_type)),
        ("may_start", Mutation::Start),
    ] {
        let finding = match cloud.permitted(case.subject.instance_id, &mutation).await {
            Ok(()) => Finding::pass("AWS would allow it"),
            Err(error) if error.kind.is_transient() => Finding::unasked(&error),
            Err(error) => Finding::block(format!("AWS would refuse it: {}", error.with_remedy())),
        };
        checks.extend(finding.named(name));
    }
    checks
}
