//! What the scheduler works with, in its own terms.

use std::fmt;

use jiff::Timestamp;

use crate::peers::convert::Forecast;

/// One instance to scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Name in the configuration.
    pub id: String,
    /// EC2 instance id.
    pub instance_id: String,
    /// Value of the instance label of its series, when configured.
    pub label: Option<String>,
    /// Instance types, smallest first; empty means the policy's.
    pub ladder: Vec<String>,
}

/// An instance as the actuator describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Such as "t2.small".
    pub instance_type: String,
    /// "running", "stopped", …
    pub state: &'static str,
    /// Empty when it has none.
    pub private_ip: String,
    /// Empty when it has none.
    pub public_ip: String,
    /// True when the actuator only pretends.
    pub dry_run: bool,
    /// How many it has by its CPU options; absent when AWS doesn't say.
    pub vcpus: Option<u32>,
}

impl Instance {
    /// Only a running instance may be resized or measured.
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }
}

/// An instance type.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeInfo {
    /// Such as "t2.small".
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}

/// What a decision says to do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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
        match self {
            Self::Hold => "hold",
            Self::ScaleUp => "scale_up",
            Self::ScaleDown => "scale_down",
        }
    }
}

/// Why there is no basis for a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Unknown {
    /// Missing, stale, partial or contradictory metrics.
    Metrics(String),
    /// No forecast.
    Forecast(String),
    /// The instance is not running or could not be described.
    Instance(String),
}

impl Unknown {
    /// One line.
    pub fn reason(&self) -> &str {
        match self {
            Self::Metrics(reason) | Self::Forecast(reason) | Self::Instance(reason) => reason,
        }
    }
}

/// What is known about a target now.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Time of the last sample that counts.
    pub observed_at: Timestamp,
    /// The last sample, percent of the current type, 0 to 100.
    pub cpu_percent: f64,
    /// The last value, percent.
    pub memory_percent: Option<f64>,
    /// The highest use in the window, MiB.
    pub memory_peak_mib: Option<f64>,
    /// The last value, bytes per second.
    pub disk_bytes_per_second: Option<f64>,
    /// CPU samples in the window.
    pub samples: u32,
    /// How long CPU has been at or above 95 percent without a break, seconds.
    pub saturated_seconds: u32,
    /// How much CPU history there is.
    pub cpu_evidence: Evidence,
    /// How much history the peak of memory rests on.
    pub memory_evidence: Evidence,
    /// Of the past hour, percent of the current type; above 100 when a larger type did more than the current one can.
    pub cpu_peak_last_hour_percent: Option<f64>,
}

/// How much history there is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Evidence {
    /// From the first to the last sample.
    pub spanned_seconds: u32,
    /// One step for each sample, at most the time since the one before.
    pub observed_seconds: u32,
}

/// History for a forecast. All vectors of samples have the same length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Seconds since the Unix epoch, strictly increasing.
    pub timestamps: Vec<i64>,
    /// Percent of the current type; above 100 where a larger type did more than this one can.
    pub cpu_percent: Vec<f64>,
    /// The largest value that `cpu_percent` could take in the window.
    pub capacity_percent: f64,
    /// Percent; NaN where unknown.
    pub memory_percent: Vec<f64>,
    /// Bytes per second; NaN where unknown.
    pub disk_bytes_per_second: Vec<f64>,
    /// What the predictor said of an earlier part of it; empty when there is nothing.
    pub calibration_state: Vec<u8>,
}

/// What a decision is made from.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// With the target the idempotency key.
    pub tick_id: &'a str,
    /// Whom it is about.
    pub target: &'a Target,
    /// Absent when it could not be described.
    pub instance: Option<&'a Instance>,
    /// Absent when unknown.
    pub observation: Option<&'a Observation>,
    /// Absent when there is none.
    pub forecast: Option<&'a Forecast>,
    /// Why something is absent.
    pub unknown: Option<&'a Unknown>,
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
    /// When.
    pub decided_at: Timestamp,
    /// What to do.
    pub action: Action,
    /// The type at the time of the decision.
    pub from_type: String,
    /// The type to go to.
    pub to_type: String,
    /// Such as "forecast_in_range".
    pub reason_code: String,
    /// One sentence.
    pub reason: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Median forecast, percent of the current type.
    pub predicted_cpu_percent: Option<f64>,
    /// How far ahead that looks.
    pub horizon_seconds: u32,
    /// Decided for an actuator that only pretends.
    pub dry_run: bool,
    /// Its action has not been reported as ended.
    pub pending: bool,
    /// Epoch of the lease under which it was decided.
    pub lease_epoch: u64,
}

/// How an action ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// Running on the new type.
    Succeeded,
    /// Running on the old type.
    RolledBack,
    /// Running on a third type.
    FellBack,
    /// Terminated by somebody else.
    Gone,
    /// Refused before anything was changed.
    Refused,
    /// Nothing was changed, by configuration.
    DryRun,
    /// The actuator never took it on.
    NotStarted,
}

impl Outcome {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled_back",
            Self::FellBack => "fell_back",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::DryRun => "dry_run",
            Self::NotStarted => "not_started",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The end of an action, as it is reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// How.
    pub outcome: Outcome,
    /// The type it runs on now; empty when unknown.
    pub instance_type: String,
    /// One sentence.
    pub detail: String,
    /// The target was refused to this instance for good: no failure that more waiting mends.
    pub refused_for_good: bool,
    /// When; the cooldown counts from here.
    pub at: Timestamp,
}

/// A resize at the actuator.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// Its phase, such as "stopping".
    pub phase: String,
    /// Absent until it ends.
    pub ending: Option<Ending>,
    /// The actuator only pretends.
    pub dry_run: bool,
}

/// What of the policy the scheduler needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Instance types, smallest first.
    pub ladder: Vec<String>,
    /// Samples older than this are unknown; 0 leaves the judgement to the decision service.
    pub max_sample_age_seconds: u32,
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
    /// Such as "forecast_in_range".
    pub reason_code: String,
    /// One sentence.
    pub reason: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Median forecast, percent of the current type.
    pub predicted_cpu_percent: Option<f64>,
    /// How far ahead that looks; 0 without a forecast.
    pub horizon_seconds: u32,
    /// "model", "mixed" or "naive"; empty without a forecast.
    pub forecast_basis: &'static str,
    /// The last sample, percent.
    pub cpu_percent: Option<f64>,
    /// The last value, percent.
    pub memory_percent: Option<f64>,
    /// The last value, bytes per second.
    pub disk_bytes_per_second: Option<f64>,
    /// "none", "dry_run", "started", "refused", or how the resize ended.
    pub action_taken: &'static str,
    /// The type at the time of the decision.
    pub from_type: String,
    /// The type decided for.
    pub target_instance_type: String,
    /// One line; empty when nothing went wrong.
    pub error: String,
    /// When.
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
            reason_code: String::new(),
            reason: String::new(),
            confidence: 0.0,
            predicted_cpu_percent: None,
            horizon_seconds: 0,
            forecast_basis: "",
            cpu_percent: None,
            memory_percent: None,
            disk_bytes_per_second: None,
            action_taken: "none",
            from_type: String::new(),
            target_instance_type: String::new(),
            error: String::new(),
            at,
            dry_run: true,
        }
    }
}

/// A finished tick.
#[derive(Clone, Debug, PartialEq)]
pub struct TickReport {
    /// UUID, version 7.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// One for each target, in the configuration's order.
    pub results: Vec<TargetResult>,
    /// The actuator's dry run; true as long as nobody said otherwise.
    pub dry_run: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: EventKind,
    /// Empty when it concerns the whole tick.
    pub target_id: String,
    /// One line.
    pub message: String,
    /// With decisions and ends of resizes.
    pub result: Option<TargetResult>,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// A tick began.
    TickStarted,
    /// A tick ended.
    TickFinished,
    /// A decision was stored.
    Decision,
    /// The actuator took a resize on.
    ResizeStarted,
    /// A resize ended.
    ResizeFinished,
    /// Something failed.
    Error,
}
