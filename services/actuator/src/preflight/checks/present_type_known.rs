//! Its present type is described.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, _: &InstanceType) -> Finding {
    match &case.from {
        Some(_) => Finding::Absent,
        None => Finding::unknown(format!(
            "AWS does not describe {}",
            case.instance.instance_type
        )),
    }
}
