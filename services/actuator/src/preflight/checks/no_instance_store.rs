//! A stop loses no disk.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, _: &InstanceType) -> Finding {
    let Some(from) = &case.from else {
        return Finding::Absent;
    };
    Finding::when(
        !from.instance_storage,
        "its type has no instance store",
        format!(
            "{} has an instance store: a stop would lose what is on it",
            from.name
        ),
    )
}
