//! Its owner allows stops.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    match &case.stop_protected {
        Err(error) => Finding::unasked(error),
        Ok(protected) => Finding::when(
            !protected,
            "its owner allows stops",
            "its owner forbids stops (DisableApiStop)",
        ),
    }
}
