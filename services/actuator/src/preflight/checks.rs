//! The checks: every one there is, listed once, in the order in which they are told. Each is a file and a line here.

mod address_stays;
mod addresses;
mod architecture;
mod boot_mode;
mod capacity_reservation;
mod cpu_options;
mod default_tenancy;
mod ebs_optimized;
mod ebs_root;
mod ena;
mod enclave;
mod expected_type;
mod image_allows_type;
mod instance_running;
mod network_features;
mod network_interfaces;
mod no_hibernation;
mod no_instance_store;
mod no_outpost;
mod no_placement_group;
mod no_scheduled_events;
mod not_in_auto_scaling_group;
mod not_in_stack;
mod not_our_own;
mod not_refused_before;
mod not_spot;
mod not_stop_protected;
mod offered_in_zone;
pub mod opted_in;
mod present_type_known;
mod processor_features;
mod room_in_zone;
mod run_by_nobody_else;
mod sold_on_demand;
mod ssm_online;
mod status_checks;
mod target_known;
mod tpm;
mod type_differs;
mod vcpu_quota;
mod virtualization;
mod volumes;
mod xen_to_nitro;

use self::Rule::{AnyTarget, Machine, Target};
use super::{
    case::Case,
    finding::{Check, Finding, Verdict},
};
use crate::cloud::InstanceType;

/// What a check looks at.
#[derive(Clone, Copy)]
enum Rule {
    /// The machine, and what is asked for.
    Machine(fn(&Case<'_>) -> Finding),
    /// The target beside them, when it is known.
    Target(fn(&Case<'_>, &InstanceType) -> Finding),
    /// The same; and a type that nobody asked for, but that may have to do, must pass it, too.
    AnyTarget(fn(&Case<'_>, &InstanceType) -> Finding),
}

const ALL: [(&str, Rule); 43] = [
    ("instance_running", Machine(instance_running::check)),
    ("expected_type", Machine(expected_type::check)),
    ("type_differs", Machine(type_differs::check)),
    ("not_our_own", Machine(not_our_own::check)),
    ("opted_in", Machine(opted_in::check)),
    ("ebs_root", Machine(ebs_root::check)),
    ("not_spot", Machine(not_spot::check)),
    (
        "not_in_auto_scaling_group",
        Machine(not_in_auto_scaling_group::check),
    ),
    ("no_hibernation", Machine(no_hibernation::check)),
    ("default_tenancy", Machine(default_tenancy::check)),
    ("no_placement_group", Machine(no_placement_group::check)),
    ("address_stays", Machine(address_stays::check)),
    ("target_known", Machine(target_known::check)),
    ("architecture", AnyTarget(architecture::check)),
    ("virtualization", AnyTarget(virtualization::check)),
    ("ena", Target(ena::check)),
    ("network_interfaces", AnyTarget(network_interfaces::check)),
    ("addresses", Target(addresses::check)),
    ("volumes", Target(volumes::check)),
    ("boot_mode", Target(boot_mode::check)),
    ("vcpu_quota", Target(vcpu_quota::check)),
    ("not_refused_before", AnyTarget(not_refused_before::check)),
    ("ebs_optimized", AnyTarget(ebs_optimized::check)),
    (
        "capacity_reservation",
        AnyTarget(capacity_reservation::check),
    ),
    ("cpu_options", AnyTarget(cpu_options::check)),
    ("processor_features", AnyTarget(processor_features::check)),
    ("enclave", AnyTarget(enclave::check)),
    ("tpm", AnyTarget(tpm::check)),
    ("network_features", AnyTarget(network_features::check)),
    ("sold_on_demand", AnyTarget(sold_on_demand::check)),
    ("image_allows_type", AnyTarget(image_allows_type::check)),
    ("no_outpost", AnyTarget(no_outpost::check)),
    ("run_by_nobody_else", AnyTarget(run_by_nobody_else::check)),
    ("not_in_stack", AnyTarget(not_in_stack::check)),
    ("present_type_known", Target(present_type_known::check)),
    ("no_instance_store", Target(no_instance_store::check)),
    ("xen_to_nitro", Target(xen_to_nitro::check)),
    ("offered_in_zone", Machine(offered_in_zone::check)),
    ("room_in_zone", Machine(room_in_zone::check)),
    ("not_stop_protected", Machine(not_stop_protected::check)),
    ("status_checks", Machine(status_checks::check)),
    ("no_scheduled_events", Machine(no_scheduled_events::check)),
    ("ssm_online", Machine(ssm_online::check)),
];

/// What each of them finds.
pub fn findings(case: &Case<'_>) -> Vec<Check> {
    let target = case.target.as_ref().ok().and_then(Option::as_ref);
    let find = |rule| match (rule, target) {
        (Machine(check), _) => check(case),
        (Target(check) | AnyTarget(check), Some(target)) => check(case, target),
        (Target(_) | AnyTarget(_), None) => Finding::Absent,
    };
    ALL.into_iter()
        .filter_map(|(name, rule)| find(rule).named(name))
        .collect()
}

/// Whether nothing that is known binds the machine to other types than this one.
pub fn could_be(case: &Case<'_>, found: &InstanceType) -> bool {
    ALL.into_iter().all(|(_, rule)| match rule {
        AnyTarget(check) => check(case, found).verdict() != Some(Verdict::Block),
        Machine(_) | Target(_) => true,
    })
}
