//! The target takes as many network interfaces.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let (used, most) = (
        case.instance.network_interfaces,
        target.max_network_interfaces,
    );
    Finding::when(
        used <= most,
        "its network interfaces fit",
        format!(
            "it has {used} network interfaces, {} takes {most}",
            target.name
        ),
    )
}
