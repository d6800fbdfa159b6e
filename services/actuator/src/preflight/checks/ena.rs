//! The image has the network driver that the target needs.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let name = &target.name;
    match (target.ena_required, case.instance.ena) {
        (false, _) => Finding::pass("the target needs no ENA driver"),
        (true, Some(true)) => Finding::pass("the image has the ENA driver"),
        (true, Some(false)) => Finding::block(format!(
            "{name} needs the ENA driver, and the image lacks it"
        )),
        (true, None) => Finding::unknown(format!(
            "{name} needs the ENA driver; AWS does not say whether the image has it"
        )),
    }
}
