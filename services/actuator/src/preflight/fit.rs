//! Does the machine fit the type it is to have? And which types would do in an emergency. Pure.

use super::{Answers, Check, Memory, Subject, Verdict, bound};
use crate::{
    cloud::{ErrorKind, Instance, InstanceType, family, quota},
    config::Config,
    journal,
};

/// Fallbacks that are tried at most.
const FALLBACKS: usize = 6;

pub(super) fn checks(config: &Config, subject: Subject<'_>, answers: &Answers) -> Vec<Check> {
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
        Check::when(
            "addresses",
            instance.addresses_per_interface <= target.max_addresses_per_interface,
            "its private addresses fit",
            format!(
                "an interface has {} private addresses, {} takes {}",
                instance.addresses_per_interface, target.name, target.max_addresses_per_interface
            ),
        ),
        volumes(instance, target),
        boot_mode(instance, answers.from.as_ref(), target),
        vcpu_quota(answers, target),
        refused_before(&answers.memory, instance, target),
    ];
    checks.extend(bound::checks(
        config,
        instance,
        answers.from.as_ref(),
        target,
    ));
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

fn volumes(instance: &Instance, target: &InstanceType) -> Check {
    const NAME: &str = "volumes";
    let slots = match target.interfaces_take_volume_slots {
        true => instance.volumes + instance.network_interfaces,
        false => instance.volumes,
    };
    // What every type takes at least, where AWS doesn't say more precisely.
    // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/volume_limits.html
    let limit = target
        .max_volumes
        .unwrap_or(if target.nitro { 27 } else { 39 });
    if slots <= limit {
        return Check::new(NAME, Verdict::Pass, "its volumes fit");
    }
    let detail = format!(
        "it takes {slots} attachment slots, {} has {limit}",
        target.name
    );
    match target.max_volumes {
        Some(_) => Check::new(NAME, Verdict::Block, detail),
        None => Check::new(NAME, Verdict::Unknown, detail + " or a few more"),
    }
}

fn boot_mode(instance: &Instance, from: Option<&InstanceType>, target: &InstanceType) -> Check {
    const NAME: &str = "boot_mode";
    let supports = |mode: &String| target.boot_modes.contains(mode);
    match (&instance.boot_mode, from) {
        (Some(mode), _) => Check::when(
            NAME,
            supports(mode),
            "it can boot as it does now",
            format!("it boots by {mode}, which {} does not support", target.name),
        ),
        (None, Some(from)) if from.boot_modes.iter().all(supports) => {
            Check::new(NAME, Verdict::Pass, "whatever it boots by, it can go on")
        }
        (None, _) => Check::new(
            NAME,
            Verdict::Unknown,
            "AWS does not say whether it boots by BIOS or UEFI",
        ),
    }
}

/// EC2 would say the same again, after the stop.
fn refused_before(memory: &Memory, instance: &Instance, target: &InstanceType) -> Check {
    const NAME: &str = "not_refused_before";
    let refused = match &memory.refused {
        Ok(refused) => refused,
        Err(error) => return Check::new(NAME, Verdict::Unknown, error.to_string()),
    };
    let forget = "`autoscaler refusals --forget` tries again";
    match journal::recall(refused, instance, target, memory.now) {
        None => Check::new(
            NAME,
            Verdict::Pass,
            "EC2 never refused it this type for good",
        ),
        Some(journal::Memory::Own(own)) => Check::new(
            NAME,
            Verdict::Block,
            format!(
                "at {} EC2 refused it {} for good: {}; {forget}",
                own.at, target.name, own.words
            ),
        ),
        Some(journal::Memory::Alike(last, instances)) => Check::new(
            NAME,
            Verdict::Block,
            format!(
                "EC2 refused {instances} machines like it {} for good, {} the last: {}; {forget}",
                target.name, last.instance_id, last.words
            ),
        ),
    }
}

/// It is counted out of the quota when it stops, and in again when it starts.
fn vcpu_quota(answers: &Answers, target: &InstanceType) -> Check {
    const NAME: &str = "vcpu_quota";
    let used = match &answers.vcpus {
        None => {
            return Check::new(
                NAME,
                Verdict::Unknown,
                format!("no quota of family {} is known here", family(&target.name)),
            );
        }
        Some(Err(error)) if error.kind == ErrorKind::NotFound => {
            return Check::new(NAME, Verdict::Pass, "this account has no such quota");
        }
        Some(Err(error)) => return Check::unknown(NAME, error),
        Some(Ok(used)) => used,
    };
    let freed = answers
        .from
        .as_ref()
        .filter(|from| quota::of(&from.name) == quota::of(&target.name))
        .map_or(0, |from| from.vcpus);
    let needed = used.running.saturating_sub(freed) + target.vcpus;
    Check::when(
        NAME,
        needed <= used.limit,
        "the account's vCPU quota has room",
        format!(
            "{needed} vCPUs would run, the account's quota is {}; raise it in Service Quotas",
            used.limit
        ),
    )
}

/// Types that would do in an emergency: the target's family, sold here, able to run this image; larger ones first
/// (the next size up leading), then smaller ones, the largest leading.
pub(super) fn fallbacks<'a>(
    config: &Config,
    memory: &Memory,
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
                && bound::fits(config, instance, from, found)
                && refused_before(memory, instance, found).verdict != Verdict::Block
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
