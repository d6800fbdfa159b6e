//! The target takes what its interfaces use beyond their number and addresses.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let (bound, takes) = (&case.instance.bindings, &target.abilities);
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
        Finding::block(format!("{} does not take {lacks}", target.name))
    } else if !unknown.is_empty() {
        Finding::unknown(format!(
            "AWS does not say whether {} takes {unknown}",
            target.name
        ))
    } else {
        Finding::pass("what its interfaces use, the target takes")
    }
}
