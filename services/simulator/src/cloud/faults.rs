//! What can be made to go wrong with a call, and the record of all calls.

use std::{collections::HashMap, collections::VecDeque, ops::RangeInclusive, time::Duration};

use actuator::cloud::{ErrorKind, Instance, Operation};
use jiff::Timestamp;

use super::hold::{Gate, Hold, Moment};

/// Calls that are remembered; a simulation of weeks makes millions.
const REMEMBERED: usize = 20_000;

/// One call that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub at: Timestamp,
    pub operation: Operation,
    pub instance_id: String,
    /// The type that was asked for, the script that was sent.
    pub detail: String,
    /// It only asked whether it may.
    pub dry_run: bool,
}

/// Something that happens to the calls of one operation, by number: the first is 1.
#[derive(Clone, Debug)]
pub struct Fault {
    pub operation: Operation,
    /// Which calls; permission questions have a count of their own.
    pub calls: RangeInclusive<u32>,
    /// True: it happens to the questions whether the call is permitted.
    pub dry_run: bool,
    pub effect: Effect,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// The cloud says no.
    Fail(ErrorKind),
    /// It takes this long, and then works.
    Delay(Duration),
    /// The call is lost on its way.
    DropBefore,
    /// The call is carried out, and its answer lost.
    DropAfter,
    /// The call is carried out, and then somebody else does this.
    Somebody(Deed),
}

/// What somebody else can do in the middle of a resize.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Terminates it.
    Terminate,
    /// Starts it.
    Start,
    /// Stops it.
    Stop,
    /// Changes what an operator can change: the type while it is stopped, the tags.
    Edit(fn(&mut Instance)),
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    faults: Vec<Fault>,
    counts: HashMap<(Operation, bool), u32>,
    calls: VecDeque<Call>,
    gates: HashMap<(Operation, u32, Moment), Gate>,
}

/// What happens to a call.
#[derive(Debug, Default)]
pub(super) struct Met {
    pub(super) effect: Option<Effect>,
    pub(super) before: Option<Gate>,
    pub(super) after: Option<Gate>,
}

impl Faults {
    pub(super) fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn hold(&mut self, operation: Operation, number: u32, moment: Moment) -> Hold {
        let (hold, gate) = Hold::new();
        self.gates.insert((operation, number, moment), gate);
        hold
    }

    /// Notes the call, and says what happens to it.
    pub(super) fn meet(&mut self, call: Call) -> Met {
        let (operation, dry_run) = (call.operation, call.dry_run);
        let count = self.counts.entry((operation, dry_run)).or_default();
        *count += 1;
        let number = *count;
        if self.calls.len() == REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        let effect = self
            .faults
            .iter()
            .find(|fault| {
                fault.operation == operation
                    && fault.dry_run == dry_run
                    && fault.calls.contains(&number)
            })
            .map(|fault| fault.effect);
        let mut gate = |moment| match dry_run {
            true => None,
            false => self.gates.remove(&(operation, number, moment)),
        };
        Met {
            effect,
            before: gate(Moment::Before),
            after: gate(Moment::After),
        }
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }
}
