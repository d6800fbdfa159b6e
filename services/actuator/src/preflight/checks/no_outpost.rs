//! It runs where all types are.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, _: &InstanceType) -> Finding {
    match &case.instance.bindings.outpost {
        None => Finding::pass("it runs in the region"),
        Some(outpost) => Finding::unknown(format!(
            "it runs on {outpost}: whether that has room for the target can't be asked"
        )),
    }
}
