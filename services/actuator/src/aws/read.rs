//! From EC2's words to ours.

use aws_sdk_ec2::types as ec2;

use crate::cloud::{Instance, InstanceState, InstanceType};

/// One instance, from EC2's words to ours.
pub(super) fn instance(found: &ec2::Instance) -> Instance {
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
            .map(|interface| count(interface.private_ip_addresses().len()))
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
    })
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
