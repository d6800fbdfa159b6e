//! Its device names stay, or may change.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let Some(from) = &case.from else {
        return Finding::Absent;
    };
    let to_nitro = !from.nitro && target.nitro;
    Finding::when(
        !to_nitro || case.config.allow_xen_to_nitro,
        if to_nitro {
            "device names change, which actuator.allow_xen_to_nitro allows"
        } else {
            "device names stay"
        },
        "from Xen to Nitro device names change: check /etc/fstab and the NVMe driver, then set actuator.allow_xen_to_nitro",
    )
}
