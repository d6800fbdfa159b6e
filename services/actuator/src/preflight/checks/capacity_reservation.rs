//! No capacity reservation, which is of one type, binds it.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, _: &InstanceType) -> Finding {
    let instance = &case.instance;
    let bound = &instance.bindings;
    if let Some(block) = &bound.capacity_block {
        return Finding::block(format!(
            "it runs in capacity block {block}, which is of {}",
            instance.instance_type
        ));
    }
    match &bound.reservation {
        Some(group) if group.starts_with("arn:") => Finding::unknown(format!(
            "it is bound to the capacity reservations of {group}; none may be of another type"
        )),
        Some(reservation) => Finding::block(format!(
            "it is bound to capacity reservation {reservation}, which is of {}; change that first \
             (ModifyInstanceCapacityReservationAttributes)",
            instance.instance_type
        )),
        None if bound.only_in_reservations => {
            Finding::unknown("it runs in capacity reservations only; none may be of another type")
        }
        None => Finding::pass("it is bound to no capacity reservation"),
    }
}
