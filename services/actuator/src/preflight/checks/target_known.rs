//! The target exists.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    match &case.target {
        Err(error) => Finding::unasked(error),
        Ok(None) => Finding::block(format!(
            "there is no type {} in this region; check its spelling",
            case.subject.target
        )),
        Ok(Some(_)) => Finding::pass("the type exists"),
    }
}
