//! Types that would do in an emergency.

use super::{case::Case, checks};
use crate::cloud::{InstanceType, family};

/// Fallbacks that are tried at most.
const FALLBACKS: usize = 6;

/// The target's family, sold here, able to run this image; larger ones first (the next size up leading), then smaller
/// ones, the largest leading. None when the present type is not known.
pub fn of(case: &Case<'_>, types: &[InstanceType]) -> Vec<String> {
    let (Some(from), Ok(offered)) = (&case.from, &case.offered) else {
        return Vec::new();
    };
    let target = case.subject.target;
    let size = |found: &InstanceType| (found.memory_mib, found.vcpus);
    let mut fitting: Vec<&InstanceType> = types
        .iter()
        .filter(|found| {
            family(&found.name) == family(target)
                && found.name != target
                && found.name != from.name
                && offered.contains(&found.name)
                && (!found.ena_required || case.instance.ena == Some(true))
                && (from.nitro || !found.nitro)
                && checks::could_be(case, found)
        })
        .collect();
    fitting.sort_by_key(|found| size(found));
    let (smaller, larger): (Vec<_>, Vec<_>) = fitting
        .into_iter()
        .partition(|found| size(found) < size(from));
    larger
        .into_iter()
        .chain(smaller.into_iter().rev())
        .take(FALLBACKS)
        .map(|found| found.name.clone())
        .collect()
}
