//! The policy in deploy/iam grants what the adapter calls, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeSet;

use serde_json::Value;

/// Service prefix, and a call of the SDK's client as the adapter writes it.
const CALLS: [(&str, &str); 21] = [
    ("ec2", "describe_instances"),
    ("ec2", "describe_instance_status"),
    ("ec2", "describe_instance_types"),
    ("ec2", "describe_instance_type_offerings"),
    ("ec2", "describe_instance_attribute"),
    ("ec2", "describe_instance_credit_specifications"),
    ("ec2", "stop_instances"),
    ("ec2", "start_instances"),
    ("ec2", "modify_instance_attribute"),
    ("ec2", "modify_instance_credit_specification"),
    ("ec2", "create_tags"),
    ("ec2", "delete_tags"),
    ("autoscaling", "describe_auto_scaling_instances"),
    ("servicequotas", "get_service_quota"),
    ("ssm", "describe_instance_information"),
    ("ssm", "get_command_invocation"),
    ("ssm", "describe_document"),
    ("ssm", "create_document"),
    ("ssm", "update_document"),
    ("ssm", "update_document_default_version"),
    ("ssm", "send_command"),
];

const SOURCES: [&str; 3] = [
    include_str!("../src/aws.rs"),
    include_str!("../src/aws/ssm.rs"),
    include_str!("../src/aws/read.rs"),
];

/// `describe_instances` is `DescribeInstances`.
fn action(service: &str, call: &str) -> String {
    let words = call.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    format!("{service}:{}", words.collect::<String>())
}

/// What looks like a call of a generated client: `.verb_…()` without arguments.
fn called() -> BTreeSet<String> {
    const VERBS: [&str; 9] = [
        "describe_",
        "get_",
        "list_",
        "create_",
        "delete_",
        "update_",
        "modify_",
        "send_",
        "stop_",
    ];
    let mut found = BTreeSet::new();
    for source in SOURCES {
        for part in source.split('.').skip(1) {
            let name: String = part
                .chars()
                .take_while(|character| character.is_ascii_lowercase() || *character == '_')
                .collect();
            let verb = VERBS.iter().any(|verb| name.starts_with(verb)) || name == "start_instances";
            if verb && part[name.len()..].starts_with("()") {
                found.insert(name);
            }
        }
    }
    found
}

fn policy() -> Value {
    serde_json::from_str(include_str!("../../../deploy/iam/policy.json")).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_policy_grants_what_is_called_and_nothing_else() {
    let known: BTreeSet<&str> = CALLS.iter().map(|(_, call)| *call).collect();
    for call in called() {
        assert!(
            known.contains(call.as_str()),
            "{call} is not in this test's list"
        );
    }
    let needed: BTreeSet<String> = CALLS
        .iter()
        .inspect(|(_, call)| {
            let call = format!(".{call}()");
            let is_called = SOURCES.iter().any(|source| source.contains(&call));
            assert!(is_called, "nothing calls {call}");
        })
        .map(|(service, call)| action(service, call))
        .collect();
    let granted: BTreeSet<String> = policy()["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .inspect(|statement| assert_eq!(statement["Effect"], "Allow"))
        .flat_map(|statement| texts(&statement["Action"]))
        .collect();
    assert_eq!(granted, needed);
}

#[test]
fn what_changes_a_machine_is_bound_to_a_tag_and_a_start_is_not() {
    for statement in policy()["Statement"].as_array().unwrap() {
        for action in texts(&statement["Action"]) {
            let condition = statement["Condition"].to_string();
            let bound = condition.contains("/autoscaler\"");
            match action.as_str() {
                "ec2:StopInstances"
                | "ec2:ModifyInstanceAttribute"
                | "ec2:ModifyInstanceCreditSpecification" => assert!(bound, "{action}"),
                "ec2:StartInstances" => assert_eq!(statement["Condition"], Value::Null),
                "ec2:CreateTags" | "ec2:DeleteTags" => {
                    assert!(condition.contains("autoscaler:resize"), "{action}");
                }
                "ssm:CreateDocument" | "ssm:UpdateDocument" => {
                    let resource = statement["Resource"].to_string();
                    assert!(resource.contains("document/CloudAutoscaler-"), "{action}");
                }
                _ => {}
            }
        }
    }
}
