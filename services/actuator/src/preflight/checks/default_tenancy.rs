//! Its host is not its own.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let tenancy = case.instance.tenancy.as_str();
    Finding::when(
        matches!(tenancy, "" | "default"),
        "shared tenancy",
        format!("its tenancy is {tenancy}: another type may not fit its host"),
    )
}
