//! It is not what this program, or something as dear, runs on.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let id = case.subject.instance_id;
    let protected = &case.config.protected_instances;
    let ours =
        case.own_instance_id.as_deref() == Some(id) || protected.iter().any(|other| other == id);
    Finding::when(
        !ours,
        "not this program's host, and not in actuator.protected_instances",
        "this program runs on it, or it is in actuator.protected_instances",
    )
}
