//! No offer or licence names the types it may run on. Neither can be asked which they are.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, _: &InstanceType) -> Finding {
    let bound = &case.instance.bindings;
    if !bound.marketplace.is_empty() {
        return Finding::unknown(format!(
            "its image comes from the Marketplace ({}): whether the offer allows the target can't be asked",
            bound.marketplace.join(", ")
        ));
    }
    if bound.licensed {
        return Finding::unknown(
            "License Manager counts it: whether its rules allow the target can't be asked",
        );
    }
    Finding::pass("its image and licences name no types")
}
