//! Its zone sells the target.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let (target, zone) = (case.subject.target, &case.instance.availability_zone);
    match &case.offered {
        Err(error) => Finding::unasked(error),
        Ok(names) => Finding::when(
            names.iter().any(|name| name == target),
            "the zone sells the target",
            format!("{target} is not sold in {zone}"),
        ),
    }
}
