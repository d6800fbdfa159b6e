//! Its public address survives a stop, or may change.

use crate::preflight::{case::Case, finding::Finding};

pub(super) fn check(case: &Case<'_>) -> Finding {
    match &case.instance.public_ip {
        None => Finding::pass("it has no public address"),
        Some(_) if case.instance.elastic_ip => Finding::pass("its address is an Elastic IP"),
        Some(address) if case.config.allow_public_ip_change => Finding::pass(format!(
            "its address {address} will change, which actuator.allow_public_ip_change allows"
        )),
        Some(address) => Finding::block(format!(
            "its public address {address} would change: give it an Elastic IP, or set actuator.allow_public_ip_change"
        )),
    }
}
