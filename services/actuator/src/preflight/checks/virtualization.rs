//! The target runs its image's virtualization.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let virtualization = &case.instance.virtualization;
    Finding::when(
        target.virtualizations.contains(virtualization),
        "it runs this image's virtualization",
        format!("{} does not run {virtualization} images", target.name),
    )
}
