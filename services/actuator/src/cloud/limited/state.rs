//! What is counted and remembered of calls: tokens of each family, and what had no room.

use std::collections::HashMap;

use super::{bucket::Bucket, shortage::Shortages};
use crate::cloud::{instance::Instance, operation::Operation};

/// Instances whose type and zone are remembered from the last look.
const SEEN: usize = 20_000;

#[derive(Debug)]
pub(super) struct State {
    pub(super) reads: Bucket,
    pub(super) changes: Bucket,
    pub(super) commands: Bucket,
    pub(super) shortages: Shortages,
    /// Instance to type and zone, as last seen.
    pub(super) seen: HashMap<String, (String, String)>,
}

/// AWS counts calls by family.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    Reads,
    Changes,
    Commands,
}

impl From<Operation> for Family {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Stop
            | Operation::ModifyType
            | Operation::Start
            | Operation::SetTag
            | Operation::RemoveTag
            | Operation::SetCreditMode => Self::Changes,
            Operation::SsmOnline
            | Operation::LookAtScript
            | Operation::PublishScript
            | Operation::SendScript
            | Operation::PollCommand => Self::Commands,
            _ => Self::Reads,
        }
    }
}
impl State {
    pub(super) fn bucket(&mut self, family: Family) -> &mut Bucket {
        match family {
            Family::Reads => &mut self.reads,
            Family::Changes => &mut self.changes,
            Family::Commands => &mut self.commands,
        }
    }

    pub(super) fn see(&mut self, instance: &Instance) {
        if self.seen.len() >= SEEN {
            self.seen.clear();
        }
        self.seen.insert(
            instance.instance_id.clone(),
            (
                instance.instance_type.clone(),
                instance.availability_zone.clone(),
            ),
        );
    }
}
