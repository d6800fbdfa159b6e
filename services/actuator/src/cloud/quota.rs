//! Which quota of running vCPUs an instance type counts against.

/// A quota of running vCPUs, which families share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VcpuQuota {
    /// In Service Quotas, such as `L-1216C47A`.
    pub code: &'static str,
    /// What families that count begin with, before the first digit or hyphen, such as `["t", "m"]`.
    pub families: &'static [&'static str],
}

impl VcpuQuota {
    /// Whether an instance of this type counts.
    pub fn counts(&self, instance_type: &str) -> bool {
        let letters: &str = family(instance_type)
            .split(|character: char| !character.is_ascii_lowercase())
            .next()
            .unwrap_or_default();
        self.families.contains(&letters)
    }
}

/// A quota, and what is used of it now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VcpuUse {
    pub limit: u32,
    pub running: u32,
}
/// The part before the dot: `t3` of `t3.small`.
pub fn family(instance_type: &str) -> &str {
    instance_type.split('.').next().unwrap_or_default()
}

/// On-demand quotas: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html
const QUOTAS: [VcpuQuota; 10] = [
    VcpuQuota {
        code: "L-1216C47A",
        families: &["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"],
    },
    VcpuQuota {
        code: "L-74FC7D96",
        families: &["f"],
    },
    VcpuQuota {
        code: "L-DB2E81BA",
        families: &["g", "gr", "vt"],
    },
    VcpuQuota {
        code: "L-1945791B",
        families: &["inf"],
    },
    VcpuQuota {
        code: "L-417A185B",
        families: &["p"],
    },
    VcpuQuota {
        code: "L-7295265B",
        families: &["x"],
    },
    VcpuQuota {
        code: "L-6E869C2A",
        families: &["dl"],
    },
    VcpuQuota {
        code: "L-2C3B7624",
        families: &["trn"],
    },
    VcpuQuota {
        code: "L-F7808C92",
        families: &["hpc"],
    },
    VcpuQuota {
        code: "L-43DA4232",
        families: &["u"],
    },
];

/// The quota of this type; `None` for families that are not known here.
pub fn of(instance_type: &str) -> Option<VcpuQuota> {
    QUOTAS.into_iter().find(|quota| quota.counts(instance_type))
}

/// The quota of this code.
pub fn by_code(code: &str) -> Option<VcpuQuota> {
    QUOTAS.into_iter().find(|quota| quota.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_counts_against_one_quota() {
        for (instance_type, code) in [
            ("t2.small", Some("L-1216C47A")),
            ("im4gn.large", Some("L-1216C47A")),
            ("inf2.xlarge", Some("L-1945791B")),
            ("g4dn.xlarge", Some("L-DB2E81BA")),
            ("u-6tb1.metal", Some("L-43DA4232")),
            ("x2idn.16xlarge", Some("L-7295265B")),
            ("mac2.metal", None),
        ] {
            let found = of(instance_type).map(|quota| quota.code);
            assert_eq!(found, code, "{instance_type}");
        }
    }
}
