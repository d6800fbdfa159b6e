//! EC2's query protocol, and Auto Scaling's.

use actuator::cloud::{
    Account as _, Bindings, Checks, CloudError, Instance, InstanceState, InstanceType,
    Machines as _, Mutation, Types as _,
};

use super::{
    errors,
    reply::{Form, Reply, is_lost},
    xml::{leaf, leaf_of, list, node, texts},
};
use crate::cloud::FakeCloud;

/// Answers a form; `None` when the answer is lost.
pub(super) async fn answer(fake: &FakeCloud, form: &Form) -> Option<Reply> {
    let action = text(form, "Action");
    if action == "DescribeAutoScalingInstances" {
        return groups(fake, form).await;
    }
    let dry_run = text(form, "DryRun") == "true";
    let result = match act(fake, action, form, dry_run).await {
        None => {
            return Some(problem(
                "InvalidAction",
                400,
                format!("the fake does not know {action}"),
            ));
        }
        Some(result) => result,
    };
    match result {
        Ok(_) if dry_run => Some(problem(
            "DryRunOperation",
            412,
            "Request would have succeeded, but DryRun flag is set.".to_owned(),
        )),
        Ok(parts) => {
            let inside = leaf("requestId", "fake") + &parts;
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{inside}</{action}Response>"
            );
            Some(xml(200, body))
        }
        Err(error) => {
            let (code, status) = errors::ec2(&error)?;
            Some(problem(code, status, errors::message(&error)))
        }
    }
}

/// What is between the response's tags; `None` for an action that the adapter doesn't use.
async fn act(
    fake: &FakeCloud,
    action: &str,
    form: &Form,
    dry_run: bool,
) -> Option<Result<String, CloudError>> {
    let id = ["InstanceId.1", "InstanceId", "ResourceId.1"]
        .into_iter()
        .find_map(|name| form.get(name))
        .map_or("", String::as_str);
    Some(match action {
        "DescribeInstances" => describe(fake, form, id).await,
        "DescribeInstanceStatus" => fake.status(id).await.map(|status| {
            let events = status
                .events
                .iter()
                .map(|event| leaf("code", "system-maintenance") + &leaf("description", event));
            let summary = |name: &str| node(name, [leaf("status", checks(status.checks))]);
            let parts = [
                leaf("instanceId", id),
                state(status.state),
                summary("systemStatus"),
                summary("instanceStatus"),
                list("eventsSet", events),
            ];
            list("instanceStatusSet", [parts.concat()])
        }),
        "DescribeInstanceTypes" => {
            let names = filter(form, "instance-type");
            fake.describe_types(&names)
                .await
                .map(|types| list("instanceTypeSet", types.iter().map(instance_type)))
        }
        "DescribeInstanceTypeOfferings" => {
            let names = filter(form, "instance-type");
            let zone = filter(form, "location").pop().unwrap_or_default();
            let family = names
                .first()
                .map_or("", |name| actuator::cloud::family(name));
            fake.offered_types(family, &zone).await.map(|types| {
                let offers = types.iter().map(|name| {
                    leaf("instanceType", name)
                        + &leaf("locationType", "availability-zone")
                        + &leaf("location", &zone)
                });
                list("instanceTypeOfferingSet", offers)
            })
        }
        "DescribeInstanceAttribute" => fake.stop_protected(id).await.map(|protected| {
            leaf("instanceId", id) + &node("disableApiStop", [leaf("value", protected)])
        }),
        "StopInstances" => change(fake, id, Mutation::Stop, dry_run).await,
        "StartInstances" => change(fake, id, Mutation::Start, dry_run).await,
        "ModifyInstanceAttribute" => {
            let wanted = text(form, "InstanceType.Value").to_owned();
            change(fake, id, Mutation::ModifyType(wanted), dry_run).await
        }
        "CreateTags" => {
            let (key, value) = (text(form, "Tag.1.Key"), text(form, "Tag.1.Value"));
            fake.set_tag(id, key, value)
                .await
                .map(|()| leaf("return", true))
        }
        "DeleteTags" => fake
            .remove_tag(id, text(form, "Tag.1.Key"))
            .await
            .map(|()| leaf("return", true)),
        "DescribeInstanceCreditSpecifications" => fake.credit_mode(id).await.map(|mode| {
            let items = mode
                .iter()
                .map(|mode| leaf("instanceId", id) + &leaf("cpuCredits", mode));
            list("instanceCreditSpecificationSet", items)
        }),
        "ModifyInstanceCreditSpecification" => {
            let item =
                |name: &str| text_owned(form, &format!("InstanceCreditSpecification.1.{name}"));
            let id = item("InstanceId");
            fake.set_credit_mode(&id, &item("CpuCredits"))
                .await
                .map(|()| {
                    list(
                        "successfulInstanceCreditSpecificationSet",
                        [leaf("instanceId", &id)],
                    )
                })
        }
        _ => return None,
    })
}

async fn change(
    fake: &FakeCloud,
    id: &str,
    mutation: Mutation,
    dry_run: bool,
) -> Result<String, CloudError> {
    match dry_run {
        true => fake.permitted(id, &mutation).await?,
        false => fake.mutate(id, &mutation).await?,
    }
    Ok(leaf("return", true) + &list("instancesSet", [leaf("instanceId", id)]))
}

/// By id, or by one of the three filters that the adapter uses.
async fn describe(fake: &FakeCloud, form: &Form, id: &str) -> Result<String, CloudError> {
    let ids = filter(form, "instance-id");
    let instances = if !id.is_empty() {
        vec![fake.describe_instance(id).await?]
    } else if !ids.is_empty() {
        fake.describe_instances(&ids).await?
    } else if let Some(key) = filter(form, "tag-key").first() {
        fake.find_tagged(key).await?
    } else {
        let states = filter(form, "instance-state-name");
        let mut all = fake.instances();
        all.retain(|found| states.is_empty() || states.contains(&state_name(found.state).1.into()));
        all
    };
    // Page by page, as asked for: the token is where the next one begins.
    let size = text(form, "MaxResults").parse().unwrap_or(usize::MAX);
    let from: usize = text(form, "NextToken").parse().unwrap_or_default();
    let rest = instances.len().saturating_sub(from);
    let token = (rest > size).then(|| from + size);
    let items = instances.iter().skip(from).take(size).map(instance);
    Ok(list(
        "reservationSet",
        [leaf("reservationId", "r-1") + &leaf("ownerId", ACCOUNT) + &list("instancesSet", items)],
    ) + &leaf_of("nextToken", token))
}

/// Of all instances.
const ACCOUNT: &str = "123456789012";

fn instance(found: &Instance) -> String {
    let reason = found
        .stop_asked_at
        .map(|at| format!("User initiated ({})", at.strftime("%F %T GMT")));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let bound = &found.bindings;
    let association = found.public_ip.as_ref().map(|address| {
        let owner = match found.elastic_ip {
            true => ACCOUNT,
            false => "amazon",
        };
        node(
            "association",
            [leaf("publicIp", address), leaf("ipOwnerId", owner)],
        )
    });
    let interfaces = (0..found.network_interfaces).map(|index| {
        let addresses = (0..found.addresses_per_interface)
            .map(|address| leaf("privateIpAddress", format!("10.1.{index}.{address}")));
        let first = (index == 0).then(|| association.clone()).flatten();
        let attachment = [
            leaf("deviceIndex", index),
            leaf(
                "networkCardIndex",
                index.min(bound.network_cards.saturating_sub(1)),
            ),
        ];
        leaf("networkInterfaceId", format!("eni-{index}"))
            + &node("attachment", attachment)
            + &leaf_of(
                "interfaceType",
                (index < bound.efa_interfaces).then_some("efa"),
            )
            + &list(
                "ipv6AddressesSet",
                (0..bound.ipv6_per_interface)
                    .map(|address| leaf("ipv6Address", format!("2001:db8::{address}"))),
            )
            + &first.unwrap_or_default()
            + &list("privateIpAddressesSet", addresses)
    });
    let volumes = (0..found.volumes).map(|index| {
        leaf("deviceName", format!("/dev/sd{index}"))
            + &node("ebs", [leaf("volumeId", format!("vol-{index}"))])
    });
    let tags = found
        .tags
        .iter()
        .map(|(key, value)| leaf("key", key) + &leaf("value", value));
    [
        leaf("instanceId", &found.instance_id),
        state(found.state),
        leaf_of("reason", reason),
        leaf_of(
            "launchTime",
            found.started_at.map(|at| at.strftime("%FT%TZ").to_string()),
        ),
        leaf_of("privateIpAddress", found.private_ip.as_ref()),
        leaf_of("ipAddress", found.public_ip.as_ref()),
        leaf("instanceType", &found.instance_type),
        node(
            "placement",
            [
                leaf("availabilityZone", &found.availability_zone),
                leaf_of("groupName", found.placement_group.as_ref()),
                leaf_of("tenancy", some(&found.tenancy)),
            ],
        ),
        leaf("architecture", &found.architecture),
        leaf("rootDeviceType", &found.root_device_type),
        list("blockDeviceMapping", volumes),
        leaf("virtualizationType", &found.virtualization),
        leaf_of("enaSupport", found.ena),
        leaf_of("instanceLifecycle", found.spot.then_some("spot")),
        node(
            "hibernationOptions",
            [leaf("configured", found.hibernation)],
        ),
        list("networkInterfaceSet", interfaces),
        list("tagSet", tags),
        node(
            "cpuOptions",
            [
                leaf_of("coreCount", bound.cores),
                leaf_of("threadsPerCore", bound.threads_per_core),
                leaf_of(
                    "amdSevSnp",
                    bound
                        .processor_features
                        .contains(&"amd-sev-snp".to_owned())
                        .then_some("enabled"),
                ),
            ],
        ),
        leaf_of("currentInstanceBootMode", found.boot_mode.as_ref()),
        leaf("imageId", &found.image_id),
        bindings(bound),
    ]
    .concat()
}

fn bindings(bound: &Bindings) -> String {
    let reservation = bound.reservation.as_ref().map(|reservation| {
        let name = match reservation.starts_with("arn:") {
            true => "capacityReservationResourceGroupArn",
            false => "capacityReservationId",
        };
        node("capacityReservationTarget", [leaf(name, reservation)])
    });
    let only = bound
        .only_in_reservations
        .then_some("capacity-reservations-only");
    let codes = bound
        .marketplace
        .iter()
        .map(|code| leaf("productCode", code) + &leaf("type", "marketplace"));
    let operator = bound.operator.as_ref().map(|operator| {
        node(
            "operator",
            [leaf("managed", true), leaf("principal", operator)],
        )
    });
    let weighting = bound.bandwidth_weighting.as_ref();
    [
        leaf("ebsOptimized", bound.ebs_optimized),
        node(
            "capacityReservationSpecification",
            [
                leaf_of("capacityReservationPreference", only),
                reservation.unwrap_or_default(),
            ],
        ),
        leaf_of("capacityBlockId", bound.capacity_block.as_ref()),
        node("enclaveOptions", [leaf("enabled", bound.enclave)]),
        leaf_of("tpmSupport", bound.tpm.as_ref()),
        node(
            "networkPerformanceOptions",
            [leaf_of("bandwidthWeighting", weighting)],
        ),
        leaf_of("outpostArn", bound.outpost.as_ref()),
        list(
            "licenseSet",
            bound
                .licensed
                .then(|| leaf("licenseConfigurationArn", "arn:aws:license-manager:x")),
        ),
        list("productCodes", codes),
        leaf("platformDetails", &bound.platform),
        operator.unwrap_or_default(),
    ]
    .concat()
}

fn instance_type(found: &InstanceType) -> String {
    let able = &found.abilities;
    let supported = |support: Option<bool>| {
        support.map(|support| if support { "supported" } else { "unsupported" })
    };
    let ena = match found.ena_required {
        true => "required",
        false => "unsupported",
    };
    let limit = match found.interfaces_take_volume_slots {
        true => "shared",
        false => "dedicated",
    };
    [
        leaf("instanceType", &found.name),
        texts("supportedVirtualizationTypes", &found.virtualizations),
        leaf(
            "hypervisor",
            match found.nitro {
                true => "nitro",
                false => "xen",
            },
        ),
        node(
            "processorInfo",
            [
                texts("supportedArchitectures", &found.architectures),
                texts("supportedFeatures", &able.processor_features),
            ],
        ),
        node(
            "vCpuInfo",
            [
                leaf("defaultVCpus", found.vcpus),
                leaf_of("defaultCores", able.default_cores),
                leaf_of("defaultThreadsPerCore", able.default_threads_per_core),
                texts("validCores", &able.cores),
                texts("validThreadsPerCore", &able.threads_per_core),
            ],
        ),
        node("memoryInfo", [leaf("sizeInMiB", found.memory_mib)]),
        leaf("instanceStorageSupported", found.instance_storage),
        node(
            "ebsInfo",
            [
                leaf_of("maximumEbsAttachments", found.max_volumes),
                leaf("attachmentLimitType", limit),
                leaf_of("ebsOptimizedSupport", able.ebs_optimized.as_ref()),
                leaf_of("encryptionSupport", supported(able.encrypted_volumes)),
            ],
        ),
        node(
            "networkInfo",
            [
                leaf("maximumNetworkInterfaces", found.max_network_interfaces),
                leaf(
                    "ipv4AddressesPerInterface",
                    found.max_addresses_per_interface,
                ),
                leaf("enaSupport", ena),
                leaf_of("maximumNetworkCards", able.network_cards),
                leaf(
                    "efaSupported",
                    able.efa_interfaces.is_some_and(|most| most > 0),
                ),
                node(
                    "efaInfo",
                    [leaf_of("maximumEfaInterfaces", able.efa_interfaces)],
                ),
                leaf_of("enaSrdSupported", able.ena_express),
                leaf_of("flexibleEnaQueuesSupport", supported(able.ena_queues)),
                leaf_of(
                    "maximumSecondaryNetworkInterfaces",
                    able.secondary_interfaces,
                ),
                leaf_of("ipv6Supported", able.ipv6),
                leaf_of("ipv6AddressesPerInterface", able.ipv6_per_interface),
                texts("bandwidthWeightings", &able.bandwidth_weightings),
            ],
        ),
        leaf("burstablePerformanceSupported", found.burstable),
        texts("supportedBootModes", &found.boot_modes),
        leaf_of("nitroEnclavesSupport", supported(able.enclaves)),
        leaf_of("nitroTpmSupport", supported(able.tpm)),
        texts("supportedUsageClasses", &able.usage_classes),
    ]
    .concat()
}

async fn groups(fake: &FakeCloud, form: &Form) -> Option<Reply> {
    let id = text(form, "InstanceIds.member.1");
    match fake.group_member(id).await {
        Ok(member) => {
            let member = member.map(|member| {
                node(
                    "member",
                    [
                        leaf("InstanceId", id),
                        leaf("AutoScalingGroupName", member.group),
                        leaf("LifecycleState", member.lifecycle),
                    ],
                )
            });
            let body = format!(
                "<DescribeAutoScalingInstancesResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\
                 <DescribeAutoScalingInstancesResult><AutoScalingInstances>{}</AutoScalingInstances>\
                 </DescribeAutoScalingInstancesResult></DescribeAutoScalingInstancesResponse>",
                member.unwrap_or_default()
            );
            Some(xml(200, body))
        }
        Err(error) if is_lost(&error) => None,
        Err(error) => {
            let (code, status) = errors::ec2(&error)?;
            let code = match code {
                "UnauthorizedOperation" => "AccessDenied",
                "RequestLimitExceeded" => "Throttling",
                code => code,
            };
            let inside = leaf("Code", code) + &leaf("Message", errors::message(&error));
            let error = node("ErrorResponse", [node("Error", [inside])]);
            Some(xml(status, error))
        }
    }
}

fn problem(code: &str, status: u16, message: String) -> Reply {
    let error = node("Error", [leaf("Code", code), leaf("Message", message)]);
    let body = node(
        "Response",
        [node("Errors", [error]), leaf("RequestID", "fake")],
    );
    xml(status, body)
}

fn xml(status: u16, body: String) -> Reply {
    Reply {
        status,
        content_type: "text/xml;charset=UTF-8",
        body: body.into(),
    }
}

fn text<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map_or("", String::as_str)
}

fn text_owned(form: &Form, name: &str) -> String {
    text(form, name).to_owned()
}

/// The values of a filter, in their order.
fn filter(form: &Form, name: &str) -> Vec<String> {
    let count = |prefix: &str| {
        (1..)
            .map(move |index| format!("{prefix}.{index}"))
            .take_while(|key| form.keys().any(|field| field.starts_with(key.as_str())))
            .collect::<Vec<_>>()
    };
    count("Filter")
        .into_iter()
        .filter(|key| text(form, &format!("{key}.Name")) == name)
        .flat_map(|key| count(&format!("{key}.Value")))
        .map(|key| text_owned(form, &key))
        .collect()
}

fn checks(checks: Checks) -> &'static str {
    match checks {
        Checks::Ok => "ok",
        Checks::Initializing => "initializing",
        Checks::Impaired => "impaired",
    }
}

fn state_name(state: InstanceState) -> (u32, &'static str) {
    match state {
        InstanceState::Pending => (0, "pending"),
        InstanceState::Running => (16, "running"),
        InstanceState::ShuttingDown => (32, "shutting-down"),
        InstanceState::Terminated => (48, "terminated"),
        InstanceState::Stopping => (64, "stopping"),
        InstanceState::Stopped => (80, "stopped"),
    }
}

fn state(state: InstanceState) -> String {
    let (code, name) = state_name(state);
    node("instanceState", [leaf("code", code), leaf("name", name)])
}
