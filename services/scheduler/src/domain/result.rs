//! What a tick did, target by target.

use jiff::Timestamp;

use super::{
    decision::Action, forecast::Basis, machine::Target, reason::ReasonCode, resize::Outcome,
};

/// The action that followed a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActionTaken {
    /// Nothing.
    None,
    /// A resize is under way.
    Started,
    /// A pretended resize is under way.
    DryRun,
    /// It came to this end.
    Ended(Outcome),
}

impl ActionTaken {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Started => "started",
            Self::DryRun => Outcome::DryRun.name(),
            Self::Ended(outcome) => outcome.name(),
        }
    }
}

/// One target's part of a tick.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetResult {
    /// Name of the target.
    pub target_id: String,
    /// EC2 instance id.
    pub instance_id: String,
    /// Empty when it could not be described.
    pub instance_type: String,
    /// Empty when no decision could be stored.
    pub decision_id: String,
    /// The decision; hold when there is none.
    pub action: Action,
    /// Absent when the tick did not get as far as to have one.
    pub reason_code: Option<ReasonCode>,
    /// One sentence.
    pub reason: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Median forecast, percent of the current type.
    pub predicted_cpu_percent: Option<f64>,
    /// The horizon of that forecast; 0 without one.
    pub horizon_seconds: u32,
    /// Absent without a forecast.
    pub forecast_basis: Option<Basis>,
    /// The last sample, percent.
    pub cpu_percent: Option<f64>,
    /// The last value, percent.
    pub memory_percent: Option<f64>,
    /// The last value, bytes per second.
    pub disk_bytes_per_second: Option<f64>,
    /// The action that followed it.
    pub action_taken: ActionTaken,
    /// The type at the time of the decision.
    pub from_type: String,
    /// The type decided for.
    pub target_instance_type: String,
    /// One line; empty when nothing went wrong.
    pub error: String,
    /// The time of the result.
    pub at: Timestamp,
    /// The actuator's dry run, as far as it is known.
    pub dry_run: bool,
}

impl TargetResult {
    /// A result that holds and says nothing yet.
    pub fn new(target: &Target, at: Timestamp) -> Self {
        Self {
            target_id: target.id.clone(),
            instance_id: target.instance_id.clone(),
            instance_type: String::new(),
            decision_id: String::new(),
            action: Action::Hold,
            reason_code: None,
            reason: String::new(),
            confidence: 0.0,
            predicted_cpu_percent: None,
            horizon_seconds: 0,
            forecast_basis: None,
            cpu_percent: None,
            memory_percent: None,
            disk_bytes_per_second: None,
            action_taken: ActionTaken::None,
            from_type: String::new(),
            target_instance_type: String::new(),
            error: String::new(),
            at,
            dry_run: true,
        }
    }

    /// The code of its reason as the API writes it; empty when there is none.
    pub fn reason_name(&self) -> &'static str {
        self.reason_code.map_or("", ReasonCode::name)
    }

    /// The basis of its forecast as the API writes it; empty when there is none.
    pub fn basis_name(&self) -> &'static str {
        self.forecast_basis.map_or("", Basis::name)
    }
}

/// A finished tick.
#[derive(Clone, Debug, PartialEq)]
pub struct TickReport {
    /// UUID, version 7.
    pub id: String,
    /// Its beginning.
    pub started_at: Timestamp,
    /// Its end.
    pub finished_at: Timestamp,
    /// One for each target, in the configuration's order.
    pub results: Vec<TargetResult>,
    /// The actuator's dry run; true as long as nobody said otherwise.
    pub dry_run: bool,
}
