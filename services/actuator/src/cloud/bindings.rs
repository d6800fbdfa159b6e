//! What an instance was launched with that not every type takes, and what a type takes of it. All of it comes with the
//! descriptions that are read anyway.
//!
//! The list was made by going through the fields of EC2's `Instance` and `InstanceTypeInfo`. What is not here either
//! binds nothing, or stands in [`super::Instance`] because a check of its own has always read it.

use serde::{Deserialize, Serialize};

/// What an instance was launched with.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Bindings {
    pub ebs_optimized: bool,
    /// The capacity reservation that it is targeted at: its id, or a resource group of reservations by its ARN.
    pub reservation: Option<String>,
    /// It starts in a reservation or not at all, in whichever fits.
    pub only_in_reservations: bool,
    /// The capacity block it runs in.
    pub capacity_block: Option<String>,
    /// What it runs with now, whether somebody chose it or its type has it by default.
    pub cores: Option<u32>,
    /// As [`Bindings::cores`].
    pub threads_per_core: Option<u32>,
    /// Features of the processor that are turned on, in EC2's words, such as `amd-sev-snp`.
    pub processor_features: Vec<String>,
    /// Set up for Nitro Enclaves.
    pub enclave: bool,
    /// The TPM that its image asks for, such as `v2.0`.
    pub tpm: Option<String>,
    /// Elastic Fabric Adapters attached.
    pub efa_interfaces: u32,
    /// Network cards that are used.
    pub network_cards: u32,
    /// An interface has ENA Express turned on.
    pub ena_express: bool,
    /// An interface was given its number of ENA queues.
    pub ena_queues: bool,
    /// It is a trunk, with branches behind it.
    pub trunk: bool,
    pub secondary_interfaces: u32,
    /// IPv6 addresses and prefixes of the interface that has most of them.
    pub ipv6_per_interface: u32,
    /// Such as `vpc-1`; `None` is the default.
    pub bandwidth_weighting: Option<String>,
    pub outpost: Option<String>,
    /// License Manager counts it.
    pub licensed: bool,
    /// Codes of the Marketplace offers that its image comes from: an offer names the types that it may run on.
    pub marketplace: Vec<String>,
    /// Such as `Linux/UNIX` or `Windows with SQL Server Standard`.
    pub platform: String,
    /// The AWS service that runs it for the account, and alone may change it.
    pub operator: Option<String>,
}

/// What a type takes. Nothing is said by `None`, and by an empty list.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Abilities {
    /// `default`, `supported` or `unsupported`.
    pub ebs_optimized: Option<String>,
    pub encrypted_volumes: Option<bool>,
    /// What may be chosen.
    pub cores: Vec<u32>,
    /// As [`Abilities::cores`].
    pub threads_per_core: Vec<u32>,
    pub default_cores: Option<u32>,
    pub default_threads_per_core: Option<u32>,
    /// In EC2's words, such as `amd-sev-snp`.
    pub processor_features: Vec<String>,
    pub enclaves: Option<bool>,
    pub tpm: Option<bool>,
    /// 0 when it has none.
    pub efa_interfaces: Option<u32>,
    pub network_cards: Option<u32>,
    pub ena_express: Option<bool>,
    pub ena_queues: Option<bool>,
    pub trunks: Option<bool>,
    pub secondary_interfaces: Option<u32>,
    pub ipv6: Option<bool>,
    pub ipv6_per_interface: Option<u32>,
    pub bandwidth_weightings: Vec<String>,
    /// `on-demand`, `spot`, `capacity-block`.
    pub usage_classes: Vec<String>,
}
