//! From the cloud's answers to verdicts. Pure.

use super::{Answers, Check, Subject, Verdict, fit};
use crate::{
    cloud::{Checks, Instance, InstanceState},
    config::Config,
};

/// Set by AWS itself on the members of a group.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

pub(super) fn verdicts(config: &Config, subject: Subject<'_>, answers: &Answers) -> Vec<Check> {
    let instance = &answers.instance;
    let mut checks = vec![
        Check::when(
            "instance_running",
            instance.state == InstanceState::Running,
            "it is running",
            format!(
                "it is {}; only running instances are resized",
                instance.state
            ),
        ),
        expected_type(subject, instance),
        Check::when(
            "type_differs",
            instance.instance_type != subject.target,
            "the target is another type",
            format!("it runs on {} already", subject.target),
        ),
        Check::when(
            "not_our_own",
            !is_our_own(config, subject, answers),
            "not this program's host, and not in actuator.protected_instances",
            "this program runs on it, or it is in actuator.protected_instances",
        ),
        required_tag(config, instance),
        Check::when(
            "ebs_root",
            instance.root_device_type == "ebs",
            "the root device is EBS",
            format!(
                "the root device is {}: a stop would lose it",
                instance.root_device_type
            ),
        ),
        Check::when(
            "not_spot",
            !instance.spot,
            "not a Spot instance",
            "a Spot instance can't be resized",
        ),
        auto_scaling(answers),
        Check::when(
            "no_hibernation",
            !instance.hibernation,
            "not set up to hibernate",
            "it is set up to hibernate, which fixes its memory size",
        ),
        Check::when(
            "default_tenancy",
            matches!(instance.tenancy.as_str(), "" | "default"),
            "shared tenancy",
            format!(
                "its tenancy is {}: another type may not fit its host",
                instance.tenancy
            ),
        ),
        Check::when(
            "no_placement_group",
            instance.placement_group.is_none(),
            "in no placement group",
            format!(
                "it is in placement group {}, which may have no room for another type",
                instance.placement_group.as_deref().unwrap_or_default()
            ),
        ),
        public_address(config, instance),
    ];
    checks.extend(fit::checks(config, subject, answers));
    checks.push(match &answers.offered {
        Err(error) => Check::unknown("offered_in_zone", error),
        Ok(names) => Check::when(
            "offered_in_zone",
            names.iter().any(|name| name == subject.target),
            "the zone sells the target",
            format!(
                "{} is not sold in {}",
                subject.target, instance.availability_zone
            ),
        ),
    });
    checks.push(match answers.shortage {
        None => Check::new("room_in_zone", Verdict::Pass, "no shortage is known"),
        Some(ago) => Check::new(
            "room_in_zone",
            Verdict::Block,
            format!(
                "{} s ago {} found no room in {}; try again in a few minutes",
                ago.as_secs(),
                subject.target,
                instance.availability_zone
            ),
        ),
    });
    checks.push(match &answers.stop_protected {
        Err(error) => Check::unknown("not_stop_protected", error),
        Ok(protected) => Check::when(
            "not_stop_protected",
            !protected,
            "its owner allows stops",
            "its owner forbids stops (DisableApiStop)",
        ),
    });
    match &answers.status {
        Err(error) => checks.push(Check::unknown("status_checks", error)),
        Ok(status) => {
            checks.push(match status.checks {
                Checks::Ok => Check::new("status_checks", Verdict::Pass, "they pass"),
                Checks::Impaired => Check::new(
                    "status_checks",
                    Verdict::Block,
                    "they fail already: a resize could not be told from its cause",
                ),
                Checks::Initializing => Check::new(
                    "status_checks",
                    Verdict::Block,
                    "they are not decided yet; try again in a few minutes",
                ),
            });
            checks.push(Check::when(
                "no_scheduled_events",
                status.events.is_empty(),
                "no maintenance is planned",
                format!("maintenance is planned: {}", status.events.join(", ")),
            ));
        }
    }
    if let Some(online) = &answers.ssm_online {
        let mut check = match online {
            Ok(true) => Check::new("ssm_online", Verdict::Pass, "the SSM agent is online"),
            Ok(false) => Check::new(
                "ssm_online",
                Verdict::Unknown,
                "the SSM agent is not online; without it monitoring is not set up after the resize",
            ),
            Err(error) => Check::unknown("ssm_online", error),
        };
        check.advisory = true;
        checks.push(check);
    }
    checks
}

fn expected_type(subject: Subject<'_>, instance: &Instance) -> Check {
    const NAME: &str = "expected_type";
    match subject.expected {
        None => Check::new(
            NAME,
            Verdict::Pass,
            format!("it is {}", instance.instance_type),
        ),
        Some(expected) => Check::when(
            NAME,
            expected == instance.instance_type,
            "it has the type that was expected",
            format!(
                "it is {}, not {expected} as the caller believes",
                instance.instance_type
            ),
        ),
    }
}

fn is_our_own(config: &Config, subject: Subject<'_>, answers: &Answers) -> bool {
    let id = subject.instance_id;
    answers.own_instance_id.as_deref() == Some(id)
        || config.protected_instances.iter().any(|other| other == id)
}

/// A group replaces a member that stops, unless the member is in standby.
fn auto_scaling(answers: &Answers) -> Check {
    const NAME: &str = "not_in_auto_scaling_group";
    let tagged = answers.instance.tags.contains_key(GROUP_TAG);
    match &answers.group {
        Ok(Some(member)) if member.lifecycle == "Standby" => Check::new(
            NAME,
            Verdict::Pass,
            format!("it is in standby in Auto Scaling group {}", member.group),
        ),
        Ok(Some(member)) => Check::new(
            NAME,
            Verdict::Block,
            format!(
                "it is {} in Auto Scaling group {}, which replaces stopped members; put it in standby first",
                member.lifecycle, member.group
            ),
        ),
        Err(error) if !tagged => Check::unknown(NAME, error),
        Ok(None) if !tagged => Check::new(NAME, Verdict::Pass, "in no Auto Scaling group"),
        _ => Check::new(
            NAME,
            Verdict::Block,
            "it has the tag of an Auto Scaling group, which replaces stopped members",
        ),
    }
}

/// Has it the tag that `actuator.required_tag` asks for?
pub fn required_tag(config: &Config, instance: &Instance) -> Check {
    const NAME: &str = "opted_in";
    let Some(tag) = &config.required_tag else {
        return Check::new(NAME, Verdict::Pass, "no tag is asked for");
    };
    let has = match tag.split_once('=') {
        Some((key, value)) => instance.tags.get(key).is_some_and(|found| found == value),
        None => instance.tags.contains_key(tag),
    };
    Check::when(
        NAME,
        has,
        "it has the opt-in tag",
        format!("it lacks the tag {tag} (actuator.required_tag)"),
    )
}

fn public_address(config: &Config, instance: &Instance) -> Check {
    const NAME: &str = "address_stays";
    match &instance.public_ip {
        None => Check::new(NAME, Verdict::Pass, "it has no public address"),
        Some(_) if instance.elastic_ip => {
            Check::new(NAME, Verdict::Pass, "its address is an Elastic IP")
        }
        Some(address) if config.allow_public_ip_change => Check::new(
            NAME,
            Verdict::Pass,
            format!(
                "its address {address} will change, which actuator.allow_public_ip_change allows"
            ),
        ),
        Some(address) => Check::new(
            NAME,
            Verdict::Block,
            format!(
                "its public address {address} would change: give it an Elastic IP, or set actuator.allow_public_ip_change"
            ),
        ),
    }
}
