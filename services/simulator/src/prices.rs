//! Instance types and what they cost.

use anyhow::Context as _;

/// An instance type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachineType {
    pub name: &'static str,
    pub vcpus: u32,
    pub memory_mib: u32,
    /// On demand, Linux, us-east-1, as published in November 2025.
    pub usd_per_hour: f64,
}

/// What the fake EC2 sells.
const TYPES: [MachineType; 27] = [
    entry("t2.nano", 1, 512, 0.0058),
    entry("t2.micro", 1, 1_024, 0.0116),
    entry("t2.small", 1, 2_048, 0.023),
    entry("t2.medium", 2, 4_096, 0.0464),
    entry("t2.large", 2, 8_192, 0.0928),
    entry("t2.xlarge", 4, 16_384, 0.1856),
    entry("t2.2xlarge", 8, 32_768, 0.3712),
    entry("t3.nano", 2, 512, 0.0052),
    entry("t3.micro", 2, 1_024, 0.0104),
    entry("t3.small", 2, 2_048, 0.0208),
    entry("t3.medium", 2, 4_096, 0.0416),
    entry("t3.large", 2, 8_192, 0.0832),
    entry("t3.xlarge", 4, 16_384, 0.1664),
    entry("t3.2xlarge", 8, 32_768, 0.3328),
    entry("t4g.small", 2, 2_048, 0.0168),
    entry("t4g.medium", 2, 4_096, 0.0336),
    entry("t4g.large", 2, 8_192, 0.0672),
    entry("m6i.large", 2, 8_192, 0.096),
    entry("m6i.xlarge", 4, 16_384, 0.192),
    entry("m6i.2xlarge", 8, 32_768, 0.384),
    entry("m6i.4xlarge", 16, 65_536, 0.768),
    entry("m6i.8xlarge", 32, 131_072, 1.536),
    entry("c6i.large", 2, 4_096, 0.085),
    entry("c6i.xlarge", 4, 8_192, 0.17),
    entry("c6i.2xlarge", 8, 16_384, 0.34),
    entry("c6i.4xlarge", 16, 32_768, 0.68),
    entry("c6i.8xlarge", 32, 65_536, 1.36),
];

const fn entry(name: &'static str, vcpus: u32, memory_mib: u32, usd_per_hour: f64) -> MachineType {
    MachineType {
        name,
        vcpus,
        memory_mib,
        usd_per_hour,
    }
}

/// The type of that name, if it is sold here.
pub fn machine_type(name: &str) -> Option<MachineType> {
    TYPES
        .into_iter()
        .find(|machine_type| machine_type.name == name)
}

/// The types of these names, in their order.
///
/// # Errors
/// One that is not sold here, with those that are.
pub fn machine_types<N: AsRef<str>>(names: &[N]) -> anyhow::Result<Vec<MachineType>> {
    names
        .iter()
        .map(|name| {
            let name = name.as_ref();
            machine_type(name).with_context(|| {
                let known: Vec<&str> = TYPES.iter().map(|known| known.name).collect();
                format!(
                    "the simulated EC2 does not sell {name}; it sells {}",
                    known.join(", ")
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_knows_every_type_that_the_fake_sells() {
        let sold = crate::cloud::catalogue::all();
        assert_eq!(sold.len(), TYPES.len());
        for sold in sold {
            let known = machine_type(&sold.name).unwrap();
            assert_eq!(
                (known.vcpus, u64::from(known.memory_mib)),
                (sold.vcpus, sold.memory_mib),
                "{}",
                sold.name
            );
        }
        let error = machine_types(&["t2.small", "m5.large"]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("m5.large") && error.contains("c6i.8xlarge"),
            "{error}"
        );
    }
}
