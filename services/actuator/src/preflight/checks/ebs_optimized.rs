//! The target is EBS-optimized where it is.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let takes = target.abilities.ebs_optimized.as_deref();
    Finding::needs(
        case.instance.bindings.ebs_optimized,
        takes.map(|support| support != "unsupported"),
        "it is EBS-optimized",
        &format!("{} is not", target.name),
    )
}
