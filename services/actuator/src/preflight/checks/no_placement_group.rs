//! No placement group says where it runs.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    match &case.instance.placement_group {
        None => Finding::pass("in no placement group"),
        Some(group) => Finding::block(format!(
            "it is in placement group {group}, which may have no room for another type"
        )),
    }
}
