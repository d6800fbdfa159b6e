//! The target has the features of the processor that it uses.

use crate::{
    cloud::InstanceType,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let used = &case.instance.bindings.processor_features;
    let lacks: Vec<&str> = used
        .iter()
        .filter(|feature| !target.abilities.processor_features.contains(feature))
        .map(String::as_str)
        .collect();
    Finding::when(
        lacks.is_empty(),
        "it uses no feature of the processor that the target lacks",
        format!(
            "it uses {}, which {} lacks",
            lacks.join(" and "),
            target.name
        ),
    )
}
