//! The target has a TPM where its image asks for one.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    Finding::needs(
        case.instance.bindings.tpm.is_some(),
        target.abilities.tpm,
        "its image asks for a TPM",
        &format!("{} has none", target.name),
    )
}
