//! The target runs its image's architecture.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let architecture = &case.instance.architecture;
    Finding::when(
        target.architectures.contains(architecture),
        "it runs this image's architecture",
        format!(
            "{} runs {}, the image is {architecture}",
            target.name,
            target.architectures.join(" and ")
        ),
    )
}
