//! It is nobody else's machine: whoever runs it replaces it, or alone may change it.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

/// Tags of those who replace a machine that stops: the tag, and who that is.
const OWNERS: [(&str, &str); 4] = [
    ("karpenter.sh/nodepool", "Karpenter"),
    ("karpenter.sh/provisioner-name", "Karpenter"),
    ("aws:elasticmapreduce:job-flow-id", "Amazon EMR"),
    ("elasticbeanstalk:environment-name", "Elastic Beanstalk"),
];

pub(super) fn check(case: &Case<'_>, _: &InstanceType) -> Finding {
    if let Some(operator) = &case.instance.bindings.operator {
        return Finding::block(format!(
            "{operator} runs it for this account, and alone may change it"
        ));
    }
    let owner = OWNERS
        .iter()
        .find(|(tag, _)| case.instance.tags.contains_key(*tag));
    match owner {
        None => Finding::pass("nobody who replaces stopped machines runs it"),
        Some((tag, owner)) => Finding::block(format!(
            "{owner} runs it (tag {tag}), which replaces machines that stop"
        )),
    }
}
