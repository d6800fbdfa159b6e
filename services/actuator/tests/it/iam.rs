//! The policies in deploy/iam grant what the adapter calls, and nothing else; what writes documents is apart from what sends
//! them.

use std::collections::BTreeSet;

use serde_json::Value;

/// Service prefix, and a call of the SDK's client as the adapter writes it.
const CALLS: [(&str, &str); 23] = [
    ("cloudwatch", "get_metric_data"),
    ("cloudwatch", "list_metrics"),
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

const SOURCES: [&str; 7] = [
    include_str!("../../src/cloud/aws.rs"),
    include_str!("../../src/cloud/aws/account.rs"),
    include_str!("../../src/cloud/aws/commands.rs"),
    include_str!("../../src/cloud/aws/machines.rs"),
    include_str!("../../src/cloud/aws/metric_store.rs"),
    include_str!("../../src/cloud/aws/types.rs"),
    include_str!("../../src/cloud/aws/read.rs"),
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

/// Rights to write what runs as root on the instances. Only `autoscaler publish-document` needs them.
const SET_UP: [&str; 3] = [
    "ssm:CreateDocument",
    "ssm:UpdateDocument",
    "ssm:UpdateDocumentDefaultVersion",
];

fn policy() -> Value {
    serde_json::from_str(include_str!("../../../../deploy/iam/policy.json")).unwrap()
}

fn setup_policy() -> Value {
    serde_json::from_str(include_str!("../../../../deploy/iam/setup-policy.json")).unwrap()
}

fn granted(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .inspect(|statement| assert_eq!(statement["Effect"], "Allow"))
        .flat_map(|statement| texts(&statement["Action"]))
        .collect()
}

/// The documents on which a policy grants an action.
fn documents(policy: &Value, action: &str) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .filter(|statement| texts(&statement["Action"]).contains(&action.to_owned()))
        .flat_map(|statement| texts(&statement["Resource"]))
        .filter(|resource| !resource.contains(":instance/"))
        .collect()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_policies_grant_what_is_called_and_nothing_else() {
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
    let both = granted(&policy())
        .union(&granted(&setup_policy()))
        .cloned()
        .collect();
    assert_eq!(needed, both);
}

#[test]
fn the_actuator_can_neither_write_what_runs_as_root_nor_send_another_document() {
    let (policy, setup) = (policy(), setup_policy());
    for action in granted(&policy) {
        let (service, verb) = action.split_once(':').unwrap();
        // No wildcard, and of SSM nothing that writes a document in any way.
        assert!(!action.contains('*'), "{action}");
        let writes = service == "ssm" && verb.contains("Document") && !verb.starts_with("Describe");
        assert!(!writes, "{action}");
    }
    assert!(!policy.to_string().contains("AWS-RunShellScript"));
    let mut expected: BTreeSet<String> = SET_UP.map(str::to_owned).into();
    expected.insert("ssm:DescribeDocument".to_owned());
    assert_eq!(granted(&setup), expected);
    assert!(!setup.to_string().contains("AWS-"));

    // The same documents everywhere, and those that the program names.
    let name = actuator::MonitoringConfig::default().document.unwrap();
    let ours: BTreeSet<String> = actuator::Install::ALL
        .iter()
        .map(|install| format!("arn:aws:ssm:*:*:document/{}", install.document(&name)))
        .collect();
    assert_eq!(documents(&policy, "ssm:SendCommand"), ours);
    assert_eq!(documents(&policy, "ssm:DescribeDocument"), ours);
    for action in &expected {
        assert_eq!(documents(&setup, action), ours, "{action}");
    }
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
                _ => {}
            }
        }
    }
}
