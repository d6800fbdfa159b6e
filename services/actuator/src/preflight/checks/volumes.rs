//! The target takes as many EBS volumes.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let instance = &case.instance;
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
        return Finding::pass("its volumes fit");
    }
    let detail = format!(
        "it takes {slots} attachment slots, {} has {limit}",
        target.name
    );
    match target.max_volumes {
        Some(_) => Finding::block(detail),
        None => Finding::unknown(detail + " or a few more"),
    }
}
