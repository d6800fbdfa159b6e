//! It can boot on the target as it does now.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let supports = |mode: &String| target.boot_modes.contains(mode);
    match (&case.instance.boot_mode, &case.from) {
        (Some(mode), _) => Finding::when(
            supports(mode),
            "it can boot as it does now",
            format!("it boots by {mode}, which {} does not support", target.name),
        ),
        (None, Some(from)) if from.boot_modes.iter().all(supports) => {
            Finding::pass("whatever it boots by, it can go on")
        }
        (None, _) => Finding::unknown("AWS does not say whether it boots by BIOS or UEFI"),
    }
}
