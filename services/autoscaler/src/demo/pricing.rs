//! Instance types of the demo and what they cost.

/// An instance type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachineType {
    pub name: &'static str,
    pub vcpus: u32,
    pub memory_mib: u32,
    /// On demand, Linux, us-east-1, as published in November 2025.
    pub usd_per_hour: f64,
}

const TYPES: [MachineType; 9] = [
    entry("t2.small", 1, 2_048, 0.023),
    entry("t2.medium", 2, 4_096, 0.0464),
    entry("t2.large", 2, 8_192, 0.0928),
    entry("m6i.large", 2, 8_192, 0.096),
    entry("m6i.xlarge", 4, 16_384, 0.192),
    entry("m6i.2xlarge", 8, 32_768, 0.384),
    entry("c6i.large", 2, 4_096, 0.085),
    entry("c6i.xlarge", 4, 8_192, 0.17),
    entry("c6i.2xlarge", 8, 16_384, 0.34),
];

const fn entry(name: &'static str, vcpus: u32, memory_mib: u32, usd_per_hour: f64) -> MachineType {
    MachineType {
        name,
        vcpus,
        memory_mib,
        usd_per_hour,
    }
}

/// The type of that name, if the demo knows it.
pub fn machine_type(name: &str) -> Option<MachineType> {
    TYPES
        .into_iter()
        .find(|machine_type| machine_type.name == name)
}

/// All types whose name begins with `family` and a dot, smallest first.
pub fn family(family: &str) -> Vec<MachineType> {
    TYPES
        .into_iter()
        .filter(|machine_type| machine_type.name.split('.').next() == Some(family))
        .collect()
}
