//! The target is sold as it runs: on demand.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(_: &Case<'_>, target: &InstanceType) -> Finding {
    let classes = &target.abilities.usage_classes;
    Finding::when(
        classes.is_empty() || classes.iter().any(|class| class == "on-demand"),
        "the target is sold on demand",
        format!("{} is sold as {} only", target.name, classes.join(" and ")),
    )
}
