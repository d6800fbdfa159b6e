//! The account's quota has room: it is counted out when it stops, and in again when it starts.

use crate::{
    cloud::{ErrorKind, InstanceType, family, quota},
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let used = match &case.vcpus {
        None => {
            return Finding::unknown(format!(
                "no quota of family {} is known here",
                family(&target.name)
            ));
        }
        Some(Err(error)) if error.kind == ErrorKind::NotFound => {
            return Finding::pass("this account has no such quota");
        }
        Some(Err(error)) => return Finding::unasked(error),
        Some(Ok(used)) => used,
    };
    let freed = case
        .from
        .as_ref()
        .filter(|from| quota::of(&from.name) == quota::of(&target.name))
        .map_or(0, |from| from.vcpus);
    let needed = used.running.saturating_sub(freed) + target.vcpus;
    Finding::when(
        needed <= used.limit,
        "the account's vCPU quota has room",
        format!(
            "{needed} vCPUs would run, the account's quota is {}; raise it in Service Quotas",
            used.limit
        ),
    )
}
