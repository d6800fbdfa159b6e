//! From EC2's words to ours.

use aws_sdk_ec2::types as ec2;
use jiff::Timestamp;

use crate::cloud::{
    bindings::{Abilities, Bindings},
    instance::{Instance, InstanceState},
    types::InstanceType,
};

/// The instances of a reservation, which is what knows their account.
pub(super) fn reservation(found: &ec2::Reservation) -> impl Iterator<Item = Instance> {
    let instances = found.instances().iter();
    instances.map(|instance| self::instance(instance, found.owner_id()))
}

/// One instance, from EC2's words to ours.
fn instance(found: &ec2::Instance, account: Option<&str>) -> Instance {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let placement = found.placement();
    let owner = found
        .network_interfaces()
        .iter()
        .filter_map(|interface| interface.association()?.ip_owner_id())
        .next();
    Instance {
        instance_id: text(found.instance_id()),
        instance_type: text(found.instance_type().map(ec2::InstanceType::as_str)),
        state: state(found.state()),
        availability_zone: text(placement.and_then(ec2::Placement::availability_zone)),
        private_ip: found.private_ip_address().map(str::to_owned),
        public_ip: found
            .public_ip_address()
            .filter(|address| !address.is_empty())
            .map(str::to_owned),
        // Addresses that AWS lends belong to "amazon"; Elastic IPs belong to the account.
        elastic_ip: owner.is_some_and(|owner| owner != "amazon"),
        architecture: text(found.architecture().map(ec2::ArchitectureValues::as_str)),
        vcpus: Some(vcpus(found)).filter(|vcpus| *vcpus > 0),
        virtualization: text(
            found
                .virtualization_type()
                .map(ec2::VirtualizationType::as_str),
        ),
        ena: found.ena_support(),
        root_device_type: text(found.root_device_type().map(ec2::DeviceType::as_str)),
        spot: found.instance_lifecycle() == Some(&ec2::InstanceLifecycleType::Spot),
        hibernation: found
            .hibernation_options()
            .and_then(ec2::HibernationOptions::configured)
            == Some(true),
        tenancy: text(placement.and_then(|place| Some(place.tenancy()?.as_str()))),
        placement_group: placement
            .and_then(ec2::Placement::group_name)
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        network_interfaces: count(found.network_interfaces().len()),
        addresses_per_interface: found
            .network_interfaces()
            .iter()
            // A prefix takes the place of an address.
            .map(|interface| {
                count(interface.private_ip_addresses().len() + interface.ipv4_prefixes().len())
            })
            .max()
            .unwrap_or_default(),
        volumes: count(
            found
                .block_device_mappings()
                .iter()
                .filter(|device| device.ebs().is_some())
                .count(),
        ),
        boot_mode: found
            .current_instance_boot_mode()
            .map(|mode| mode.as_str().to_owned()),
        tags: found
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), text(tag.value()))))
            .collect(),
        stop_asked_at: found.state_transition_reason().and_then(user_initiated_at),
        started_at: found
            .launch_time()
            .and_then(|time| Timestamp::from_second(time.secs()).ok()),
        account: text(account),
        image_id: text(found.image_id()),
        bindings: bindings(found),
    }
}

/// The time in `User initiated (2026-11-27 01:02:03 GMT)`, EC2's words for a stop that was asked for. Stops for other
/// reasons have other words.
fn user_initiated_at(reason: &str) -> Option<Timestamp> {
    let time = reason.strip_prefix("User initiated (")?;
    // Stand-ins for EC2 write UTC.
    let zone = [" GMT)", " UTC)"];
    let time = zone.iter().find_map(|zone| time.strip_suffix(zone))?;
    let (day, time) = time.split_once(' ')?;
    format!("{day}T{time}Z").parse().ok()
}

fn bindings(found: &ec2::Instance) -> Bindings {
    let reservation = found.capacity_reservation_specification();
    let target = reservation
        .and_then(ec2::CapacityReservationSpecificationResponse::capacity_reservation_target);
    let cpu = found.cpu_options();
    let nested = cpu.and_then(ec2::CpuOptions::nested_virtualization)
        == Some(&ec2::NestedVirtualizationSpecification::Enabled);
    let snp =
        cpu.and_then(ec2::CpuOptions::amd_sev_snp) == Some(&ec2::AmdSevSnpSpecification::Enabled);
    let interfaces = found.network_interfaces();
    let of_kind = |kinds: &[&str]| {
        let kind = |interface: &&ec2::InstanceNetworkInterface| {
            interface
                .interface_type()
                .is_some_and(|kind| kinds.contains(&kind))
        };
        count(interfaces.iter().filter(kind).count())
    };
    let attachments = || {
        interfaces
            .iter()
            .filter_map(ec2::InstanceNetworkInterface::attachment)
    };
    Bindings {
        ebs_optimized: found.ebs_optimized() == Some(true),
        reservation: target.and_then(|target| {
            target
                .capacity_reservation_id()
                .or_else(|| target.capacity_reservation_resource_group_arn())
                .map(str::to_owned)
        }),
        only_in_reservations: reservation.and_then(
            ec2::CapacityReservationSpecificationResponse::capacity_reservation_preference,
        ) == Some(
            &ec2::CapacityReservationPreference::CapacityReservationsOnly,
        ),
        capacity_block: found.capacity_block_id().map(str::to_owned),
        cores: cpu.and_then(ec2::CpuOptions::core_count).and_then(whole),
        threads_per_core: cpu
            .and_then(ec2::CpuOptions::threads_per_core)
            .and_then(whole),
        processor_features: [(snp, "amd-sev-snp"), (nested, "nested-virtualization")]
            .into_iter()
            .filter(|(used, _)| *used)
            .map(|(_, name)| name.to_owned())
            .collect(),
        enclave: found
            .enclave_options()
            .and_then(ec2::EnclaveOptions::enabled)
            == Some(true),
        tpm: found
            .tpm_support()
            .filter(|tpm| !tpm.is_empty())
            .map(str::to_owned),
        efa_interfaces: of_kind(&["efa", "efa-only"]),
        network_cards: attachments()
            .filter_map(|attachment| whole(attachment.network_card_index()?))
            .max()
            .map_or(1, |index| index + 1),
        ena_express: attachments().any(|attachment| {
            attachment
                .ena_srd_specification()
                .and_then(ec2::InstanceAttachmentEnaSrdSpecification::ena_srd_enabled)
                == Some(true)
        }),
        ena_queues: attachments().any(|attachment| attachment.ena_queue_count().is_some()),
        trunk: of_kind(&["trunk"]) > 0,
        secondary_interfaces: count(found.secondary_interfaces().len()),
        ipv6_per_interface: interfaces
            .iter()
            .map(|interface| {
                count(interface.ipv6_addresses().len() + interface.ipv6_prefixes().len())
            })
            .max()
            .unwrap_or_default(),
        bandwidth_weighting: found
            .network_performance_options()
            .and_then(ec2::InstanceNetworkPerformanceOptions::bandwidth_weighting)
            .map(|weighting| weighting.as_str().to_owned())
            .filter(|weighting| weighting != "default"),
        outpost: found.outpost_arn().map(str::to_owned),
        licensed: !found.licenses().is_empty(),
        marketplace: found
            .product_codes()
            .iter()
            .filter(|code| code.product_code_type() == Some(&ec2::ProductCodeValues::Marketplace))
            .filter_map(|code| code.product_code_id().map(str::to_owned))
            .collect(),
        platform: found.platform_details().unwrap_or_default().to_owned(),
        operator: found
            .operator()
            .filter(|operator| operator.managed() == Some(true))
            .map(|operator| operator.principal().unwrap_or("an AWS service").to_owned()),
    }
}

/// An unknown state is taken for one that changes by itself: it is looked at again.
pub(super) fn state(state: Option<&ec2::InstanceState>) -> InstanceState {
    match state.and_then(ec2::InstanceState::name) {
        Some(ec2::InstanceStateName::Running) => InstanceState::Running,
        Some(ec2::InstanceStateName::Stopping) => InstanceState::Stopping,
        Some(ec2::InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(ec2::InstanceStateName::ShuttingDown) => InstanceState::ShuttingDown,
        Some(ec2::InstanceStateName::Terminated) => InstanceState::Terminated,
        _ => InstanceState::Pending,
    }
}

/// One type; `None` when EC2 leaves out what every type has.
pub(super) fn instance_type(found: &ec2::InstanceTypeInfo) -> Option<InstanceType> {
    let processor = found.processor_info();
    Some(InstanceType {
        name: found.instance_type()?.as_str().to_owned(),
        vcpus: u32::try_from(found.v_cpu_info()?.default_v_cpus()?).ok()?,
        memory_mib: u64::try_from(found.memory_info()?.size_in_mib()?).ok()?,
        architectures: processor
            .map(ec2::ProcessorInfo::supported_architectures)
            .unwrap_or_default()
            .iter()
            .map(|architecture| architecture.as_str().to_owned())
            .collect(),
        virtualizations: found
            .supported_virtualization_types()
            .iter()
            .map(|virtualization| virtualization.as_str().to_owned())
            .collect(),
        burstable: found.burstable_performance_supported() == Some(true),
        ena_required: found.network_info().and_then(ec2::NetworkInfo::ena_support)
            == Some(&ec2::EnaSupport::Required),
        nitro: found.hypervisor() != Some(&ec2::InstanceTypeHypervisor::Xen),
        instance_storage: found.instance_storage_supported() == Some(true),
        max_network_interfaces: found
            .network_info()
            .and_then(ec2::NetworkInfo::maximum_network_interfaces)
            .and_then(|maximum| u32::try_from(maximum).ok())
            .unwrap_or(1),
        max_addresses_per_interface: found
            .network_info()
            .and_then(ec2::NetworkInfo::ipv4_addresses_per_interface)
            .and_then(|maximum| u32::try_from(maximum).ok())
            .unwrap_or(1),
        max_volumes: found
            .ebs_info()
            .and_then(ec2::EbsInfo::maximum_ebs_attachments)
            .and_then(|maximum| u32::try_from(maximum).ok()),
        interfaces_take_volume_slots: found
            .ebs_info()
            .and_then(ec2::EbsInfo::attachment_limit_type)
            == Some(&ec2::AttachmentLimitType::Shared),
        boot_modes: found
            .supported_boot_modes()
            .iter()
            .map(|mode| mode.as_str().to_owned())
            .collect(),
        abilities: abilities(found),
    })
}

fn abilities(found: &ec2::InstanceTypeInfo) -> Abilities {
    let ebs = found.ebs_info();
    let network = found.network_info();
    let cpu = found.v_cpu_info();
    let numbers = |values: &[i32]| values.iter().copied().filter_map(whole).collect();
    Abilities {
        ebs_optimized: ebs
            .and_then(ec2::EbsInfo::ebs_optimized_support)
            .map(|support| support.as_str().to_owned()),
        encrypted_volumes: ebs
            .and_then(ec2::EbsInfo::encryption_support)
            .map(|support| *support == ec2::EbsEncryptionSupport::Supported),
        cores: numbers(cpu.map_or(&[], ec2::VCpuInfo::valid_cores)),
        threads_per_core: numbers(cpu.map_or(&[], ec2::VCpuInfo::valid_threads_per_core)),
        default_cores: cpu.and_then(ec2::VCpuInfo::default_cores).and_then(whole),
        default_threads_per_core: cpu
            .and_then(ec2::VCpuInfo::default_threads_per_core)
            .and_then(whole),
        processor_features: found
            .processor_info()
            .map_or(&[][..], ec2::ProcessorInfo::supported_features)
            .iter()
            .map(|feature| feature.as_str().to_owned())
            .collect(),
        enclaves: found
            .nitro_enclaves_support()
            .map(|support| *support == ec2::NitroEnclavesSupport::Supported),
        tpm: found
            .nitro_tpm_support()
            .map(|support| *support == ec2::NitroTpmSupport::Supported),
        efa_interfaces: network.map(|network| match network.efa_supported() {
            Some(true) => network
                .efa_info()
                .and_then(ec2::EfaInfo::maximum_efa_interfaces)
                .and_then(whole)
                .unwrap_or(1),
            _ => 0,
        }),
        network_cards: network
            .and_then(ec2::NetworkInfo::maximum_network_cards)
            .and_then(whole),
        ena_express: network.and_then(ec2::NetworkInfo::ena_srd_supported),
        ena_queues: network
            .and_then(ec2::NetworkInfo::flexible_ena_queues_support)
            .map(|support| *support == ec2::FlexibleEnaQueuesSupport::Supported),
        // EC2 doesn't say; trunks are made for containers, on types that its own list names.
        trunks: None,
        secondary_interfaces: network
            .and_then(ec2::NetworkInfo::maximum_secondary_network_interfaces)
            .and_then(whole),
        ipv6: network.and_then(ec2::NetworkInfo::ipv6_supported),
        ipv6_per_interface: network
            .and_then(ec2::NetworkInfo::ipv6_addresses_per_interface)
            .and_then(whole),
        bandwidth_weightings: network
            .map_or(&[][..], ec2::NetworkInfo::bandwidth_weightings)
            .iter()
            .map(|weighting| weighting.as_str().to_owned())
            .collect(),
        usage_classes: found
            .supported_usage_classes()
            .iter()
            .map(|class| class.as_str().to_owned())
            .collect(),
    }
}

fn whole(number: i32) -> Option<u32> {
    u32::try_from(number).ok()
}

/// What runs against the account's quota: the vCPUs it was started with.
pub(super) fn vcpus(found: &ec2::Instance) -> u32 {
    let options = found.cpu_options();
    let product = options
        .and_then(ec2::CpuOptions::core_count)
        .zip(options.and_then(ec2::CpuOptions::threads_per_core))
        .map(|(cores, threads)| cores.saturating_mul(threads));
    product
        .and_then(|vcpus| u32::try_from(vcpus).ok())
        .unwrap_or_default()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stop_that_was_asked_for_has_a_time() {
        let expected = "2026-11-27T01:02:03Z".parse().unwrap();
        let asked = user_initiated_at("User initiated (2026-11-27 01:02:03 GMT)");
        assert_eq!(asked, Some(expected));
        for other in [
            "",
            "User initiated",
            "User initiated ()",
            "User initiated (yesterday GMT)",
            "Server.SpotInstanceTermination: Spot instance termination",
            "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
            "Client.InternalError (2026-11-27 01:02:03 GMT)",
        ] {
            assert_eq!(user_initiated_at(other), None, "{other}");
        }
    }
}
