//! The target has Nitro Enclaves where it is set up for them.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    Finding::needs(
        case.instance.bindings.enclave,
        target.abilities.enclaves,
        "it is set up for Nitro Enclaves",
        &format!("{} has none", target.name),
    )
}
