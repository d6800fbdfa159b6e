//! Instance types that the fake sells: the families of the demo, and an arm64 one that never fits.

use std::collections::BTreeMap;

use actuator::cloud::{Abilities, Bindings, Instance, InstanceState, InstanceType};

struct Family {
    name: &'static str,
    architectures: &'static [&'static str],
    burstable: bool,
    nitro: bool,
    sizes: &'static [Size],
}

/// Its name, vCPUs, MiB.
type Size = (&'static str, u32, u64);

static FAMILIES: [Family; 5] = [
    Family {
        name: "t2",
        architectures: &["i386", "x86_64"],
        burstable: true,
        nitro: false,
        sizes: &[
            ("nano", 1, 512),
            ("micro", 1, 1_024),
            ("small", 1, 2_048),
            ("medium", 2, 4_096),
            ("large", 2, 8_192),
            ("xlarge", 4, 16_384),
            ("2xlarge", 8, 32_768),
        ],
    },
    Family {
        name: "t3",
        architectures: &["x86_64"],
        burstable: true,
        nitro: true,
        sizes: &[
            ("nano", 2, 512),
            ("micro", 2, 1_024),
            ("small", 2, 2_048),
            ("medium", 2, 4_096),
            ("large", 2, 8_192),
            ("xlarge", 4, 16_384),
            ("2xlarge", 8, 32_768),
        ],
    },
    Family {
        name: "t4g",
        architectures: &["arm64"],
        burstable: true,
        nitro: true,
        sizes: &[
            ("small", 2, 2_048),
            ("medium", 2, 4_096),
            ("large", 2, 8_192),
        ],
    },
    Family {
        name: "m6i",
        architectures: &["x86_64"],
        burstable: false,
        nitro: true,
        sizes: &[
            ("large", 2, 8_192),
            ("xlarge", 4, 16_384),
            ("2xlarge", 8, 32_768),
            ("4xlarge", 16, 65_536),
            ("8xlarge", 32, 131_072),
        ],
    },
    Family {
        name: "c6i",
        architectures: &["x86_64"],
        burstable: false,
        nitro: true,
        sizes: &[
            ("large", 2, 4_096),
            ("xlarge", 4, 8_192),
            ("2xlarge", 8, 16_384),
            ("4xlarge", 16, 32_768),
            ("8xlarge", 32, 65_536),
        ],
    },
];

/// All types, family by family, smallest first.
pub fn all() -> Vec<InstanceType> {
    let sizes = |family: &'static Family| family.sizes.iter().map(|size| family.sized(*size));
    FAMILIES.iter().flat_map(sizes).collect()
}

/// The type of that name.
pub fn find(name: &str) -> Option<InstanceType> {
    let (family, size) = name.split_once('.')?;
    let family = FAMILIES.iter().find(|known| known.name == family)?;
    let size = family.sizes.iter().find(|(known, ..)| *known == size)?;
    Some(family.sized(*size))
}

impl Family {
    fn sized(&self, (size, vcpus, memory_mib): Size) -> InstanceType {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        InstanceType {
            name: format!("{}.{size}", self.name),
            vcpus,
            memory_mib,
            architectures: owned(self.architectures),
            virtualizations: owned(&["hvm"]),
            burstable: self.burstable,
            ena_required: self.nitro,
            nitro: self.nitro,
            instance_storage: false,
            max_network_interfaces: if vcpus < 4 { 3 } else { 4 },
            max_addresses_per_interface: if vcpus < 4 { 6 } else { 15 },
            max_volumes: Some(if self.nitro { 28 } else { 40 }),
            interfaces_take_volume_slots: self.nitro,
            boot_modes: match (self.nitro, self.architectures.contains(&"arm64")) {
                (_, true) => owned(&["uefi"]),
                (true, false) => owned(&["legacy-bios", "uefi"]),
                (false, false) => owned(&["legacy-bios"]),
            },
            abilities: Abilities {
                ebs_optimized: Some(if self.nitro { "default" } else { "unsupported" }.to_owned()),
                encrypted_volumes: Some(true),
                cores: (1..=vcpus).collect(),
                threads_per_core: vec![1],
                default_cores: Some(vcpus),
                default_threads_per_core: Some(1),
                processor_features: Vec::new(),
                enclaves: Some(self.nitro && !self.burstable && vcpus >= 4),
                tpm: Some(self.nitro),
                efa_interfaces: Some(0),
                network_cards: Some(1),
                ena_express: Some(false),
                ena_queues: Some(false),
                trunks: None,
                secondary_interfaces: Some(0),
                ipv6: Some(true),
                ipv6_per_interface: Some(if vcpus < 4 { 6 } else { 15 }),
                bandwidth_weightings: Vec::new(),
                usage_classes: owned(&["on-demand", "spot"]),
            },
        }
    }
}

/// A running instance: x86_64, EBS root, no address.
pub fn instance(instance_id: &str, instance_type: &str) -> Instance {
    Instance {
        instance_id: instance_id.to_owned(),
        instance_type: instance_type.to_owned(),
        state: InstanceState::Running,
        availability_zone: "us-east-1a".to_owned(),
        private_ip: None,
        public_ip: None,
        elastic_ip: false,
        architecture: "x86_64".to_owned(),
        vcpus: None,
        virtualization: "hvm".to_owned(),
        ena: Some(true),
        root_device_type: "ebs".to_owned(),
        spot: false,
        hibernation: false,
        tenancy: "default".to_owned(),
        placement_group: None,
        network_interfaces: 1,
        addresses_per_interface: 1,
        volumes: 1,
        boot_mode: Some("legacy-bios".to_owned()),
        tags: BTreeMap::new(),
        stop_asked_at: None,
        started_at: None,
        account: "123456789012".to_owned(),
        image_id: "ami-0123456789abcdef0".to_owned(),
        bindings: Bindings {
            network_cards: 1,
            platform: "Linux/UNIX".to_owned(),
            ..Bindings::default()
        },
    }
}
