//! From the cloud's answers to verdicts. Pure.

use super::{Answers, Check, Subject, Verdict};
use crate::{
    cloud::{Checks, Instance, InstanceState, InstanceType, family},
    config::Config,
};

/// Fallbacks that are tried at most.
const FALLBACKS: usize = 6;

/// Set by AWS itself on the members of a group.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

pub(super) fn verdicts(config: &Config, subject: Subject<'_>, answers: &Answers) -> Vec<Check> {
    let instance = &answers.instance;
    let mut checks = vec![
        Check::when(
            "instance_running",
            instance.state == InstanceState::Running,
            "it is running",
            format!(
                "it is {}; only running instances are resized",
                instance.state
            ),
        ),
        expected_type(subject, instance),
        Check::when(
            "type_differs",
            instance.instance_type != subject.target,
            "the target is another type",
            format!("it runs on {} already", subject.target),
        ),
        Check::when(
            "not_our_own",
            !config
                .protected_instances
                .iter()
                .any(|id| id == subject.instance_id),
            "not in actuator.protected_instances",
            "it is in actuator.protected_instances",
        ),
        required_tag(config, instance),
        Check::when(
            "ebs_root",
            instance.root_device_type == "ebs",
            "the root device is EBS",
            format!(
                "the root device is {}: a stop would lose it",
                instance.root_device_type
            ),
        ),
        Check::when(
            "not_spot",
            !instance.spot,
            "not a Spot instance",
            "a Spot instance can't be resized",
        ),
        Check::when(
            "not_in_auto_scaling_group",
            !instance.tags.contains_key(GROUP_TAG),
            "in no Auto Scaling group",
            "it is in an Auto Scaling group, which replaces stopped members",
        ),
        Check::when(
            "no_hibernation",
            !instance.hibernation,
            "not set up to hibernate",
            "it is set up to hibernate, which fixes its memory size",
        ),
        Check::when(
            "default_tenancy",
            matches!(instance.tenancy.as_str(), "" | "default"),
            "shared tenancy",
            format!(
                "its tenancy is {}: another type may not fit its host",
                instance.tenancy
            ),
        ),
        Check::when(
            "no_placement_group",
            instance.placement_group.is_none(),
            "in no placement group",
            format!(
                "it is in placement group {}, which may have no room for another type",
                instance.placement_group.as_deref().unwrap_or_default()
            ),
        ),
        public_address(config, instance),
    ];
    checks.extend(types(config, subject, answers));
    checks.push(match &answers.offered {
        Err(error) => Check::unknown("offered_in_zone", error),
        Ok(names) => Check::when(
            "offered_in_zone",
            names.iter().any(|name| name == subject.target),
            "the zone sells the target",
            format!(
                "{} is not sold in {}",
                subject.target, instance.availability_zone
            ),
        ),
    });
    checks.push(match &answers.stop_protected {
        Err(error) => Check::unknown("not_stop_protected", error),
        Ok(protected) => Check::when(
            "not_stop_protected",
            !protected,
            "its owner allows stops",
            "its owner forbids stops (DisableApiStop)",
        ),
    });
    match &answers.status {
        Err(error) => checks.push(Check::unknown("status_checks", error)),
        Ok(status) => {
            checks.push(match status.checks {
                Checks::Ok => Check::new("status_checks", Verdict::Pass, "they pass"),
                Checks::Impaired => Check::new(
                    "status_checks",
                    Verdict::Block,
                    "they fail already: a resize could not be told from its cause",
                ),
                Checks::Initializing => Check::new(
                    "status_checks",
                    Verdict::Block,
                    "they are not decided yet; try again in a few minutes",
                ),
            });
            checks.push(Check::when(
                "no_scheduled_events",
                status.events.is_empty(),
                "no maintenance is planned",
                format!("maintenance is planned: {}", status.events.join(", ")),
            ));
        }
    }
    if let Some(online) = &answers.ssm_online {
        let mut check = match online {
            Ok(true) => Check::new("ssm_online", Verdict::Pass, "the SSM agent is online"),
            Ok(false) => Check::new(
                "ssm_online",
                Verdict::Unknown,
                "the SSM agent is not online; without it monitoring is not set up after the resize",
            ),
            Err(error) => Check::unknown("ssm_online", error),
        };
        check.advisory = true;
        checks.push(check);
    }
    checks
}

fn expected_type(subject: Subject<'_>, instance: &Instance) -> Check {
    const NAME: &str = "expected_type";
    match subject.expected {
        None => Check::new(
            NAME,
            Verdict::Pass,
            format!("it is {}", instance.instance_type),
        ),
        Some(expected) => Check::when(
            NAME,
            expected == instance.instance_type,
            "it has the type that was expected",
            format!(
                "it is {}, not {expected} as the caller believes",
                instance.instance_type
            ),
        ),
    }
}

fn required_tag(config: &Config, instance: &Instance) -> Check {
    const NAME: &str = "opted_in";
    let Some(tag) = &config.required_tag else {
        return Check::new(NAME, Verdict::Pass, "no tag is asked for");
    };
    let has = match tag.split_once('=') {
        Some((key, value)) => instance.tags.get(key).is_some_and(|found| found == value),
        None => instance.tags.contains_key(tag),
    };
    Check::when(
        NAME,
        has,
        "it has the opt-in tag",
        format!("it lacks the tag {tag} (actuator.required_tag)"),
    )
}

fn public_address(config: &Config, instance: &Instance) -> Check {
    const NAME: &str = "address_stays";
    match &instance.public_ip {
        None => Check::new(NAME, Verdict::Pass, "it has no public address"),
        Some(_) if instance.elastic_ip => {
            Check::new(NAME, Verdict::Pass, "its address is an Elastic IP")
        }
        Some(address) if config.allow_public_ip_change => Check::new(
            NAME,
            Verdict::Pass,
            format!(
                "its address {address} will change, which actuator.allow_public_ip_change allows"
            ),
        ),
        Some(address) => Check::new(
            NAME,
            Verdict::Block,
            format!(
                "its public address {address} would change: give it an Elastic IP, or set actuator.allow_public_ip_change"
            ),
        ),
    }
}

fn types(config: &Config, subject: Subject<'_>, answers: &Answers) -> Vec<Check> {
    let instance = &answers.instance;
    let target = match &answers.target {
        Err(error) => return vec![Check::unknown("target_known", error)],
        Ok(None) => {
            return vec![Check::new(
                "target_known",
                Verdict::Block,
                format!(
                    "there is no type {} in this region; check its spelling",
                    subject.target
                ),
            )];
        }
        Ok(Some(target)) => target,
    };
    let mut checks = vec![
        Check::new("target_known", Verdict::Pass, "the type exists"),
        Check::when(
            "architecture",
            target.architectures.contains(&instance.architecture),
            "it runs this image's architecture",
            format!(
                "{} runs {}, the image is {}",
                target.name,
                target.architectures.join(" and "),
                instance.architecture
            ),
        ),
        Check::when(
            "virtualization",
            target.virtualizations.contains(&instance.virtualization),
            "it runs this image's virtualization",
            format!(
                "{} does not run {} images",
                target.name, instance.virtualization
            ),
        ),
        match (target.ena_required, instance.ena) {
            (false, _) => Check::new("ena", Verdict::Pass, "the target needs no ENA driver"),
            (true, Some(true)) => Check::new("ena", Verdict::Pass, "the image has the ENA driver"),
            (true, Some(false)) => Check::new(
                "ena",
                Verdict::Block,
                format!(
                    "{} needs the ENA driver, and the image lacks it",
                    target.name
                ),
            ),
            (true, None) => Check::new(
                "ena",
                Verdict::Unknown,
                format!(
                    "{} needs the ENA driver; AWS does not say whether the image has it",
                    target.name
                ),
            ),
        },
        Check::when(
            "network_interfaces",
            instance.network_interfaces <= target.max_network_interfaces,
            "its network interfaces fit",
            format!(
                "it has {} network interfaces, {} takes {}",
                instance.network_interfaces, target.name, target.max_network_interfaces
            ),
        ),
    ];
    match &answers.from {
        None => checks.push(Check::new(
            "present_type_known",
            Verdict::Unknown,
            format!("AWS does not describe {}", instance.instance_type),
        )),
        Some(from) => {
            checks.push(Check::when(
                "no_instance_store",
                !from.instance_storage,
                "its type has no instance store",
                format!(
                    "{} has an instance store: a stop would lose what is on it",
                    from.name
                ),
            ));
            let to_nitro = !from.nitro && target.nitro;
            checks.push(Check::when(
                "xen_to_nitro",
                !to_nitro || config.allow_xen_to_nitro,
                if to_nitro {
                    "device names change, which actuator.allow_xen_to_nitro allows"
                } else {
                    "device names stay"
                },
                "from Xen to Nitro device names change: check /etc/fstab and the NVMe driver, then set actuator.allow_xen_to_nitro",
            ));
        }
    }
    checks
}

/// Types that would do in an emergency: the target's family, sold here, able to run this image; larger ones first
/// (the next size up leading), then smaller ones, the largest leading.
pub(super) fn fallbacks<'a>(
    instance: &Instance,
    from: &InstanceType,
    target: &str,
    types: impl Iterator<Item = &'a InstanceType>,
    offered: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let offered: Vec<&String> = offered.collect();
    let size = |found: &InstanceType| (found.memory_mib, found.vcpus);
    let mut fitting: Vec<&InstanceType> = types
        .filter(|found| {
            family(&found.name) == family(target)
                && found.name != target
                && found.name != from.name
                && offered.contains(&&found.name)
                && found.architectures.contains(&instance.architecture)
                && found.virtualizations.contains(&instance.virtualization)
                && (!found.ena_required || instance.ena == Some(true))
                && (from.nitro || !found.nitro)
                && instance.network_interfaces <= found.max_network_interfaces
        })
        .collect();
    fitting.sort_by_key(|found| size(found));
    let (smaller, larger): (Vec<_>, Vec<_>) = fitting
        .into_iter()
        .partition(|found| size(found) < size(from));
    larger
        .into_iter()
        .chain(smaller.into_iter().rev())
        .take(FALLBACKS)
        .map(|found| found.name.clone())
        .collect()
}
