//! What a tick knows of the fleet.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::{
    domain::{Knowledge, Policy, Target, TargetResult, TypeInfo},
    peers::CallError,
};

/// The knowledge of a tick about the fleet, and what was learned on the way.
#[derive(Debug)]
pub struct Gathering<'a> {
    /// In the order of the targets.
    pub targets: Vec<Gathered<'a>>,
    /// In force.
    pub policy: Policy,
    /// The described types by name.
    pub types: HashMap<String, TypeInfo>,
    /// To be remembered and said.
    pub learned: Learned,
}

/// The knowledge of a tick about one target.
#[derive(Debug)]
pub struct Gathered<'a> {
    /// The target.
    pub target: &'a Target,
    /// All that is known of it.
    pub knowledge: Knowledge,
    /// Gaps that don't make the whole unknown, one line each.
    pub notes: Vec<String>,
    /// Remarks that are no trouble, one line each.
    pub advice: Vec<String>,
}

/// Answers that the next tick need not ask for again, and questions that had none.
#[derive(Debug, Default)]
pub struct Learned {
    /// The actuator's dry run.
    pub dry_run: Option<bool>,
    /// Ends of last resizes, by target id.
    pub resize_ends: HashMap<String, Option<Timestamp>>,
    /// Descriptions that nobody had yet.
    pub types: Vec<TypeInfo>,
    /// Targets whose instance does not exist.
    pub gone: Vec<String>,
    /// Failed readings.
    pub unread: Vec<Unread>,
}

/// A reading that failed, and that a tick can do without.
#[derive(Debug)]
pub enum Unread {
    /// The policy.
    Policy(CallError),
    /// Instance types.
    Types(CallError),
    /// The end of a target's last resize.
    LastResize {
        /// Name of the target.
        target_id: String,
        /// The reason.
        error: CallError,
    },
}

impl Gathering<'_> {
    /// The described types of a target's ladder, and the one that it has.
    pub fn types_for(&self, gathered: &Gathered<'_>) -> Vec<TypeInfo> {
        let ladder = match gathered.target.ladder.as_slice() {
            [] => &self.policy.ladder,
            ladder => ladder,
        };
        let current = gathered
            .knowledge
            .instance()
            .map(|instance| &instance.instance_type);
        let names: BTreeSet<&String> = ladder.iter().chain(current).collect();
        names
            .into_iter()
            .filter_map(|name| self.types.get(name).cloned())
            .collect()
    }
}

impl Gathered<'_> {
    /// A result with everything that is known before the decision. `dry_run` stands in where the instance doesn't say it.
    pub fn result(&self, at: Timestamp, dry_run: bool) -> TargetResult {
        let mut result = TargetResult::new(self.target, at);
        result.dry_run = dry_run;
        if let Some(instance) = self.knowledge.instance() {
            result.instance_type = instance.instance_type.clone();
            result.target_instance_type = instance.instance_type.clone();
            result.dry_run = instance.dry_run;
        }
        if let Some(observation) = self.knowledge.observation() {
            result.cpu_percent = Some(observation.cpu_percent);
            result.memory_percent = observation.memory_percent;
            result.disk_bytes_per_second = observation.disk_bytes_per_second;
        }
        if let Some(forecast) = self.knowledge.forecast() {
            result.forecast_basis = forecast.basis;
        }
        let missing = self.knowledge.missing().map(|(_, why)| why);
        let notes = self.notes.iter().map(String::as_str);
        result.error = missing
            .into_iter()
            .chain(notes)
            .collect::<Vec<_>>()
            .join("; ");
        result
    }
}
