//! The target is not what it has.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let target = case.subject.target;
    Finding::when(
        case.instance.instance_type != target,
        "the target is another type",
        format!("it runs on {target} already"),
    )
}
