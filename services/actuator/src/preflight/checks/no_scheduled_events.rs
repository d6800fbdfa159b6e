//! No maintenance is planned.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let Ok(status) = &case.status else {
        return Finding::Absent;
    };
    Finding::when(
        status.events.is_empty(),
        "no maintenance is planned",
        format!("maintenance is planned: {}", status.events.join(", ")),
    )
}
