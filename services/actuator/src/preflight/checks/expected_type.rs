//! It has the type that the caller believes.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let found = &case.instance.instance_type;
    match case.subject.expected {
        None => Finding::pass(format!("it is {found}")),
        Some(expected) => Finding::when(
            expected == found,
            "it has the type that was expected",
            format!("it is {found}, not {expected} as the caller believes"),
        ),
    }
}
