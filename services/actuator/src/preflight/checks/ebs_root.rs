//! A stop does not lose its root device.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let root = &case.instance.root_device_type;
    Finding::when(
        root == "ebs",
        "the root device is EBS",
        format!("the root device is {root}: a stop would lose it"),
    )
}
