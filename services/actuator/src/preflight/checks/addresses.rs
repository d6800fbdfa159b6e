//! The target takes as many private addresses an interface.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let (used, most) = (
        case.instance.addresses_per_interface,
        target.max_addresses_per_interface,
    );
    Finding::when(
        used <= most,
        "its private addresses fit",
        format!(
            "an interface has {used} private addresses, {} takes {most}",
            target.name
        ),
    )
}
