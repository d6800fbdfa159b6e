//! EC2 has not refused it this type for good: it would say the same again, after the stop.

use crate::{
    cloud::InstanceType,
    journal::{self, Memory},
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>, target: &InstanceType) -> Finding {
    let refused = match &case.memory.refused {
        Ok(refused) => refused,
        Err(error) => return Finding::unknown(error.to_string()),
    };
    let forget = "`autoscaler refusals --forget` tries again";
    match journal::recall(refused, &case.instance, target, case.memory.now) {
        None => Finding::pass("EC2 never refused it this type for good"),
        Some(Memory::Own(own)) => Finding::block(format!(
            "at {} EC2 refused it {} for good: {}; {forget}",
            own.at, target.name, own.words
        )),
        Some(Memory::Alike(last, instances)) => Finding::block(format!(
            "EC2 refused {instances} machines like it {} for good, {} the last: {}; {forget}",
            target.name, last.instance_id, last.words
        )),
    }
}
