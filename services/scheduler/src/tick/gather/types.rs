//! Descriptions of the instance types that matter in a tick, from memory where possible.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::known::{Learned, Unread},
    inputs::Inputs,
};
use crate::{
    domain::{Instance, Knowledge, Policy, Target, TypeInfo},
    peers::CallError,
};

/// Names in one call.
const BATCH_TYPES: usize = 100;

/// Types that were known, those that were read, and why no more.
pub(super) struct Types {
    known: Vec<TypeInfo>,
    read: Vec<TypeInfo>,
    unread: Option<CallError>,
}

impl Types {
    /// All of them by name.
    pub(super) fn learn(self, learned: &mut Learned) -> HashMap<String, TypeInfo> {
        let all = self.known.iter().chain(&self.read).cloned();
        let by_name = all.map(|info| (info.name.clone(), info)).collect();
        learned.types = self.read;
        learned.unread.extend(self.unread.map(Unread::Types));
        by_name
    }
}

/// The types of all ladders, and those that the instances have.
pub(super) fn names(
    described: &[(&Target, Result<Instance, Knowledge>)],
    targets: &[Target],
    policy: &Policy,
) -> BTreeSet<String> {
    let current = described
        .iter()
        .filter_map(|(_, found)| found.as_ref().ok())
        .map(|instance| &instance.instance_type);
    targets
        .iter()
        .flat_map(|target| &target.ladder)
        .chain(&policy.ladder)
        .chain(current)
        .cloned()
        .collect()
}

/// Describes them.
pub(super) async fn describe(inputs: &Inputs<'_>, names: &BTreeSet<String>) -> Types {
    let (known, missing) = inputs.state.types(names);
    let mut types = Types {
        known,
        read: Vec::new(),
        unread: None,
    };
    for batch in missing.chunks(BATCH_TYPES) {
        match inputs.peers.actuator.list_instance_types(batch).await {
            Ok(mut read) => types.read.append(&mut read),
            Err(error) => {
                types.unread = Some(error);
                break;
            }
        }
    }
    types
}
