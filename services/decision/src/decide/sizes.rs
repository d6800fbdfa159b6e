//! Sizes: a ladder as sizing rules see it, with what each type can do and costs.

use sizing::rungs::Rungs;

use crate::decide::input::{InstanceType, size_of};

/// GiB of memory that cost as much as a vCPU, where nobody says prices: about what it is between families of EC2 that
/// differ in memory only.
const GIB_PER_VCPU: f64 = 12.0;
const MIB_PER_GIB: f64 = 1_024.0;

/// Why a ladder has no sizes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoSizes {
    /// Of a type.
    #[error("the size of {0} is not known")]
    Unknown(String),
    /// vCPUs fall along the ladder.
    #[error("a type of the ladder has fewer vCPU than one below it")]
    Unordered,
}

/// The rungs of a ladder, at the places that they have there.
///
/// # Errors
/// A size that is not known, or vCPUs that fall.
pub fn rungs(ladder: &[String], types: &[InstanceType]) -> Result<Rungs, NoSizes> {
    let mut capacities = Vec::new();
    let mut prices = Vec::new();
    for name in ladder {
        let Some(known) =
            size_of(types, name).filter(|known| known.vcpus > 0 && known.memory_mib > 0)
        else {
            return Err(NoSizes::Unknown(name.clone()));
        };
        let vcpus = f64::from(known.vcpus);
        capacities.push(vcpus);
        prices.push(vcpus + known.memory_mib as f64 / MIB_PER_GIB / GIB_PER_VCPU);
    }
    Rungs::new(&capacities, &prices).ok_or(NoSizes::Unordered)
}
