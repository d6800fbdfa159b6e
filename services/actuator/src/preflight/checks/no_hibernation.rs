//! It is not set up to hibernate.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    Finding::when(
        !case.instance.hibernation,
        "not set up to hibernate",
        "it is set up to hibernate, which fixes its memory size",
    )
}
