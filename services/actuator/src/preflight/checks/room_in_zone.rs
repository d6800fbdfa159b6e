//! The zone had room for the target when it was last asked.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    match case.shortage {
        None => Finding::pass("no shortage is known"),
        Some(ago) => Finding::block(format!(
            "{} s ago {} found no room in {}; try again in a few minutes",
            ago.as_secs(),
            case.subject.target,
            case.instance.availability_zone
        )),
    }
}
