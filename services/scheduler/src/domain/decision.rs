//! What a decision is made from, and what it says.

use jiff::Timestamp;
use strum::IntoStaticStr;

use super::{
    knowledge::Knowledge,
    machine::{Target, TypeInfo},
    reason::ReasonCode,
};

/// The action that a decision asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Leave it.
    Hold,
    /// To a larger type.
    ScaleUp,
    /// To a smaller type.
    ScaleDown,
}

impl Action {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A question to the decision service: all that a decision is made from.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// With the target the idempotency key.
    pub tick_id: &'a str,
    /// The target.
    pub target: &'a Target,
    /// All that is known of it.
    pub knowledge: &'a Knowledge,
    /// The types of the ladder that are known.
    pub instance_types: Vec<TypeInfo>,
    /// Epoch of the lease held.
    pub lease_epoch: u64,
    /// What the measurements lack, contradict or had dropped, one line each.
    pub notes: &'a [String],
}

/// A stored decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Also the id of the resize that carries it out.
    pub id: String,
    /// Name of the target.
    pub target_id: String,
    /// EC2 instance id.
    pub instance_id: String,
    /// The time of the decision.
    pub decided_at: Timestamp,
    /// The action.
    pub action: Action,
    /// The type at the time of the decision.
    pub from_type: String,
    /// The type to go to.
    pub to_type: String,
    /// The check or condition that settled it.
    pub reason_code: ReasonCode,
    /// One sentence.
    pub reason: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Median forecast, percent of the current type.
    pub predicted_cpu_percent: Option<f64>,
    /// The horizon of that forecast.
    pub horizon_seconds: u32,
    /// Decided for an actuator that only pretends.
    pub dry_run: bool,
    /// Its action has not been reported as ended.
    pub pending: bool,
    /// Epoch of the lease under which it was decided.
    pub lease_epoch: u64,
}

/// The part of the policy that the scheduler needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Instance types, smallest first.
    pub ladder: Vec<String>,
    /// Samples older than this are unknown; 0 leaves the judgement to the decision service.
    pub max_sample_age_seconds: u32,
    /// What its strategy is made of.
    pub sizing: Sizing,
}

/// The part that sizing rules have in a strategy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sizing {
    /// None.
    #[default]
    Without,
    /// One rule for all.
    ByRule,
    /// One for each target, which its reviews choose.
    ByReviews,
}

/// The past of a target, to be reviewed.
#[derive(Clone, Debug)]
pub struct ReviewQuestion<'a> {
    /// The target.
    pub target: &'a Target,
    /// Demand in vCPU, one for each step of five minutes.
    pub demand: Vec<Option<f32>>,
    /// The highest memory in use in the window, MiB.
    pub memory_peak_mib: Option<f64>,
    /// The types of the ladder that are known.
    pub instance_types: Vec<TypeInfo>,
    /// Epoch of the lease held.
    pub lease_epoch: u64,
}
