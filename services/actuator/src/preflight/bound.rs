//! Attributes of an instance that bind it to some types: each is compared with what the target takes, before the stop and
//! not by the outage. Pure.

use super::{Check, Verdict};
use crate::{
    cloud::{Instance, InstanceType},
    config::{Config, StackMembers},
};

/// Set by AWS itself on what a stack made.
const STACK_TAG: &str = "aws:cloudformation:stack-name";
/// Tags of those who replace a machine that stops: the tag, and who that is.
const OWNERS: [(&str, &str); 4] = [
    ("karpenter.sh/nodepool", "Karpenter"),
    ("karpenter.sh/provisioner-name", "Karpenter"),
    ("aws:elasticmapreduce:job-flow-id", "Amazon EMR"),
    ("elasticbeanstalk:environment-name", "Elastic Beanstalk"),
];

pub(super) fn checks(
    config: &Config,
    instance: &Instance,
    from: Option<&InstanceType>,
    target: &InstanceType,
) -> Vec<Check> {
    let bound = &instance.bindings;
    let takes = &target.abilities;
    let name = &target.name;
    vec![
        needs(
            "ebs_optimized",
            bound.ebs_optimized,
            takes
                .ebs_optimized
                .as_deref()
                .map(|support| support != "unsupported"),
            "it is EBS-optimized",
            &format!("{name} is not"),
        ),
        reservation(instance),
        cpu_options(instance, from, target),
        processor_features(instance, target),
        needs(
            "enclave",
            bound.enclave,
            takes.enclaves,
            "it is set up for Nitro Enclaves",
            &format!("{name} has none"),
        ),
        needs(
            "tpm",
            bound.tpm.is_some(),
            takes.tpm,
            "its image asks for a TPM",
            &format!("{name} has none"),
        ),
        network(instance, target),
        usage_class(target),
        offer(instance),
        outpost(instance),
        owner(instance),
        stack(config, instance),
    ]
}

/// Whether nothing that is known binds it elsewhere: for types that nobody asked for.
pub(super) fn fits(
    config: &Config,
    instance: &Instance,
    from: &InstanceType,
    target: &InstanceType,
) -> bool {
    checks(config, instance, Some(from), target)
        .iter()
        .all(|check| check.verdict != Verdict::Block)
}

/// One property that the target has, lacks, or is not known to have.
fn needs(
    name: &'static str,
    used: bool,
    support: Option<bool>,
    what: &str,
    without: &str,
) -> Check {
    match (used, support) {
        (false, _) => Check::new(name, Verdict::Pass, "it needs nothing of the kind"),
        (true, Some(true)) => {
            Check::new(name, Verdict::Pass, format!("{what}, as the target can be"))
        }
        (true, Some(false)) => Check::new(name, Verdict::Block, format!("{what}, {without}")),
        (true, None) => Check::new(
            name,
            Verdict::Unknown,
            format!("{what}; AWS does not say whether the target can be"),
        ),
    }
}

fn reservation(instance: &Instance) -> Check {
    const NAME: &str = "capacity_reservation";
    let bound = &instance.bindings;
    if let Some(block) = &bound.capacity_block {
        let detail = format!(
            "it runs in capacity block {block}, which is of {}",
            instance.instance_type
        );
        return Check::new(NAME, Verdict::Block, detail);
    }
    match &bound.reservation {
        Some(group) if group.starts_with("arn:") => Check::new(
            NAME,
            Verdict::Unknown,
            format!(
                "it is bound to the capacity reservations of {group}; none may be of another type"
            ),
        ),
        Some(reservation) => Check::new(
            NAME,
            Verdict::Block,
            format!(
                "it is bound to capacity reservation {reservation}, which is of {}; change that first \
                 (ModifyInstanceCapacityReservationAttributes)",
                instance.instance_type
            ),
        ),
        None if bound.only_in_reservations => Check::new(
            NAME,
            Verdict::Unknown,
            "it runs in capacity reservations only; none may be of another type",
        ),
        None => Check::new(
            NAME,
            Verdict::Pass,
            "it is bound to no capacity reservation",
        ),
    }
}

/// Only what differs from its type's default was chosen by somebody.
fn cpu_options(instance: &Instance, from: Option<&InstanceType>, target: &InstanceType) -> Check {
    const NAME: &str = "cpu_options";
    let bound = &instance.bindings;
    let default = from.map(|from| &from.abilities);
    let chosen = |now: Option<u32>, default: Option<u32>| match (now, default) {
        (Some(now), Some(default)) if now != default => Some(now),
        _ => None,
    };
    let cores = chosen(bound.cores, default.and_then(|found| found.default_cores));
    let threads = chosen(
        bound.threads_per_core,
        default.and_then(|found| found.default_threads_per_core),
    );
    let takes = |chosen: Option<u32>, valid: &[u32]| {
        chosen.is_none_or(|chosen| valid.is_empty() || valid.contains(&chosen))
    };
    let fits =
        takes(cores, &target.abilities.cores) && takes(threads, &target.abilities.threads_per_core);
    let options = format!(
        "{} cores of {} threads",
        bound.cores.unwrap_or_default(),
        bound.threads_per_core.unwrap_or_default()
    );
    match (cores.is_some() || threads.is_some(), fits) {
        (false, _) => Check::new(NAME, Verdict::Pass, "its CPU options are its type's"),
        (true, true) => Check::new(
            NAME,
            Verdict::Pass,
            format!("{} takes its {options}, too", target.name),
        ),
        (true, false) => Check::new(
            NAME,
            Verdict::Block,
            format!(
                "its CPU options are {options}, which {} can't have",
                target.name
            ),
        ),
    }
}

fn processor_features(instance: &Instance, target: &InstanceType) -> Check {
    let used = &instance.bindings.processor_features;
    let lacks: Vec<&str> = used
        .iter()
        .filter(|feature| !target.abilities.processor_features.contains(feature))
        .map(String::as_str)
        .collect();
    Check::when(
        "processor_features",
        lacks.is_empty(),
        "it uses no feature of the processor that the target lacks",
        format!(
            "it uses {}, which {} lacks",
            lacks.join(" and "),
            target.name
        ),
    )
}

/// What its interfaces use beyond their number and addresses.
fn network(instance: &Instance, target: &InstanceType) -> Check {
    const NAME: &str = "network_features";
    let (bound, takes) = (&instance.bindings, &target.abilities);
    let at_most = |used: u32, limit: Option<u32>| match used {
        0 => Some(true),
        used => limit.map(|limit| used <= limit),
    };
    let has = |used: bool, support: Option<bool>| if used { support } else { Some(true) };
    let weighting = bound.bandwidth_weighting.as_ref();
    let ipv6 = match takes.ipv6 {
        Some(false) => Some(0),
        _ => takes.ipv6_per_interface,
    };
    let findings = [
        (
            at_most(bound.efa_interfaces, takes.efa_interfaces),
            "its Elastic Fabric Adapters",
        ),
        // The first card is one that every type has.
        (
            at_most(
                bound.network_cards.saturating_sub(1),
                takes.network_cards.map(|cards| cards.saturating_sub(1)),
            ),
            "the network cards it uses",
        ),
        (has(bound.ena_express, takes.ena_express), "ENA Express"),
        (has(bound.ena_queues, takes.ena_queues), "its ENA queues"),
        (has(bound.trunk, takes.trunks), "its trunk interface"),
        (
            at_most(bound.secondary_interfaces, takes.secondary_interfaces),
            "its secondary interfaces",
        ),
        (
            at_most(bound.ipv6_per_interface, ipv6),
            "its IPv6 addresses",
        ),
        (
            weighting.map_or(Some(true), |wanted| {
                Some(takes.bandwidth_weightings.contains(wanted))
            }),
            "its bandwidth weighting",
        ),
    ];
    let with = |wanted: Option<bool>| {
        let found = findings.iter().filter(|(fits, _)| *fits == wanted);
        found.map(|(_, what)| *what).collect::<Vec<_>>().join(", ")
    };
    let (lacks, unknown) = (with(Some(false)), with(None));
    if !lacks.is_empty() {
        Check::new(
            NAME,
            Verdict::Block,
            format!("{} does not take {lacks}", target.name),
        )
    } else if !unknown.is_empty() {
        let detail = format!("AWS does not say whether {} takes {unknown}", target.name);
        Check::new(NAME, Verdict::Unknown, detail)
    } else {
        Check::new(
            NAME,
            Verdict::Pass,
            "what its interfaces use, the target takes",
        )
    }
}

fn usage_class(target: &InstanceType) -> Check {
    let classes = &target.abilities.usage_classes;
    Check::when(
        "sold_on_demand",
        classes.is_empty() || classes.iter().any(|class| class == "on-demand"),
        "the target is sold on demand",
        format!("{} is sold as {} only", target.name, classes.join(" and ")),
    )
}

/// Neither the offer nor the licence can be asked which types they allow.
fn offer(instance: &Instance) -> Check {
    const NAME: &str = "image_allows_type";
    let bound = &instance.bindings;
    if !bound.marketplace.is_empty() {
        let detail = format!(
            "its image comes from the Marketplace ({}): whether the offer allows the target can't be asked",
            bound.marketplace.join(", ")
        );
        return Check::new(NAME, Verdict::Unknown, detail);
    }
    if bound.licensed {
        return Check::new(
            NAME,
            Verdict::Unknown,
            "License Manager counts it: whether its rules allow the target can't be asked",
        );
    }
    Check::new(NAME, Verdict::Pass, "its image and licences name no types")
}

fn outpost(instance: &Instance) -> Check {
    const NAME: &str = "no_outpost";
    match &instance.bindings.outpost {
        None => Check::new(NAME, Verdict::Pass, "it runs in the region"),
        Some(outpost) => Check::new(
            NAME,
            Verdict::Unknown,
            format!("it runs on {outpost}: whether that has room for the target can't be asked"),
        ),
    }
}

/// Somebody else's machine: whoever runs it replaces it, or alone may change it.
fn owner(instance: &Instance) -> Check {
    const NAME: &str = "run_by_nobody_else";
    if let Some(operator) = &instance.bindings.operator {
        let detail = format!("{operator} runs it for this account, and alone may change it");
        return Check::new(NAME, Verdict::Block, detail);
    }
    let owner = OWNERS
        .iter()
        .find(|(tag, _)| instance.tags.contains_key(*tag));
    match owner {
        None => Check::new(
            NAME,
            Verdict::Pass,
            "nobody who replaces stopped machines runs it",
        ),
        Some((tag, owner)) => Check::new(
            NAME,
            Verdict::Block,
            format!("{owner} runs it (tag {tag}), which replaces machines that stop"),
        ),
    }
}

/// The next update of the stack sets the type that its template says, or finds a drift.
fn stack(config: &Config, instance: &Instance) -> Check {
    const NAME: &str = "not_in_stack";
    let Some(stack) = instance.tags.get(STACK_TAG) else {
        return Check::new(NAME, Verdict::Pass, "in no CloudFormation stack");
    };
    let detail = format!(
        "it belongs to CloudFormation stack {stack}, whose next update may set the type back, with an outage \
         (actuator.cloudformation)"
    );
    match config.cloudformation {
        StackMembers::Block => Check::new(NAME, Verdict::Block, detail),
        StackMembers::Warn => {
            let mut check = Check::new(NAME, Verdict::Unknown, detail);
            check.advisory = true;
            check
        }
    }
}
