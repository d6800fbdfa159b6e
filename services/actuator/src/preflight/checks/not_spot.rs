//! It is no Spot instance.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    Finding::when(
        !case.instance.spot,
        "not a Spot instance",
        "a Spot instance can't be resized",
    )
}
