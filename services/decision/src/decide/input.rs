//! What a decision is made from: one target's observation, forecast and types, and what the store remembers of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizing::past::Past;

use crate::{
    decide::{
        guide::Guide,
        verdict::{Action, ReasonCode},
    },
    fleet::{cooldown::Cooldowns, pause::Pause, resizes::Resize},
    policy::version::digest,
};

/// What the caller knows about a target at one tick.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Input {
    /// With `target_id` the idempotency key.
    pub tick_id: String,
    /// The target's name in the configuration.
    pub target_id: String,
    /// The EC2 instance.
    pub instance_id: String,
    /// The type it has now; empty only when the instance is unknown.
    pub instance_type: String,
    /// Absent when the metrics are unknown.
    pub observation: Option<Observation>,
    /// Absent when there is none.
    pub forecast: Option<Forecast>,
    /// Why something is absent.
    pub unknown: Option<Unknown>,
    /// The actuator will only pretend.
    pub dry_run: bool,
    /// Epoch of the caller's lease; 0 without one.
    pub lease_epoch: u64,
    /// Sizes of the types that are known.
    pub instance_types: Vec<InstanceType>,
    /// The ladder of this target; empty means the policy's.
    pub ladder: Vec<String>,
    /// What the measurements lack, contradict or had dropped. Decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Input {
    /// SHA-256 of what was known, hexadecimal. Who asked and when (tick, lease) is left out, so equal knowledge has
    /// equal digests.
    pub fn digest(&self) -> String {
        digest(&Self {
            tick_id: String::new(),
            lease_epoch: 0,
            ..self.clone()
        })
    }

    /// The size of a type, when it is known.
    pub fn size_of(&self, instance_type: &str) -> Option<&InstanceType> {
        size_of(&self.instance_types, instance_type)
    }
}

/// The size of a type among those that are known.
pub fn size_of<'a>(known: &'a [InstanceType], instance_type: &str) -> Option<&'a InstanceType> {
    let mut known = known.iter();
    known.find(|known| known.instance_type == instance_type)
}

/// Why a part of the input is absent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Unknown {
    /// `MetricsUnknown`, `ForecastUnavailable` or `InstanceUnavailable`.
    pub code: ReasonCode,
    /// One sentence of the caller.
    pub reason: String,
}

/// What was measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Observation {
    /// Time of the last CPU sample.
    pub observed_at: Timestamp,
    /// Percent of the current type, 0 to 100.
    pub cpu_percent: f64,
    /// Memory in use, percent.
    pub memory_percent: Option<f64>,
    /// Highest memory in use in the window, MiB.
    pub memory_peak_mib: Option<f64>,
    /// Bytes per second.
    pub disk_bytes_per_second: Option<f64>,
    /// CPU samples in the window.
    pub samples: u32,
    /// How long CPU has been at or above 95 percent without a break.
    pub saturated_seconds: u32,
    /// The same of memory in use; 0 where it is unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub memory_pressed_seconds: u32,
    /// The history of CPU behind it.
    #[serde(default, skip_serializing_if = "Evidence::is_none")]
    pub cpu_evidence: Evidence,
    /// The history of memory behind it.
    #[serde(default, skip_serializing_if = "Evidence::is_none")]
    pub memory_evidence: Evidence,
    /// Highest CPU of the past hour, percent of the current type; above 100 where the demand came from a larger one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_peak_last_hour_percent: Option<f64>,
    /// CPU that the host kept from the machine, percent of it; no part of `cpu_percent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steal_percent: Option<f64>,
    /// The age to which the last sample may grow, by the caller's step, scrapes and tick; 0 where it doesn't say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sample_age_limit_seconds: u32,
    /// What sizing rules look at, in vCPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How much history a measurement rests on. None, where the caller doesn't say.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// From the first to the last sample.
    pub spanned_seconds: u32,
    /// Of that, what samples cover.
    pub observed_seconds: u32,
}

impl Evidence {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An instance type, as far as the policy needs it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct InstanceType {
    /// Such as `t2.small`.
    pub instance_type: String,
    /// 0 means unknown.
    pub vcpus: u32,
    /// 0 means unknown.
    pub memory_mib: u64,
}

/// A CPU forecast in percent of the current type.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Forecast {
    /// The caller's name for the series.
    pub series_id: String,
    /// Where the numbers come from.
    pub basis: Basis,
    /// Why that basis, one sentence.
    pub basis_reason: String,
    /// Time of the last sample; horizons count from here.
    pub origin: Option<Timestamp>,
    /// The last value, percent.
    pub last_cpu: f64,
    /// Ascending in `horizon_seconds`.
    pub horizons: Vec<Horizon>,
    /// What of the history was used.
    pub history: Option<History>,
}

/// Where a forecast comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The caller did not say.
    Unspecified,
    /// The trained model.
    Model,
    /// Model and naive forecast mixed.
    Mixed,
    /// Calibrated persistence.
    Naive,
}

/// The forecast at one horizon.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Horizon {
    /// Seconds after the origin.
    pub horizon_seconds: u32,
    /// CPU at the horizon: ascending in quantile, not falling in value.
    pub at_horizon: Vec<Quantile>,
    /// Highest CPU until the horizon, likewise.
    pub peak: Vec<Quantile>,
    /// The median, percent.
    pub point: f64,
}

/// One quantile.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Quantile {
    /// Probability between 0 and 1.
    pub quantile: f64,
    /// Percent of the current type.
    pub value: f64,
}

/// What of the history the forecast used.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct History {
    /// Grid in seconds.
    pub step_seconds: u32,
    /// Grid points with samples.
    pub observed_points: u32,
    /// Grid points without.
    pub missing_points: u32,
    /// From the first to the last sample.
    pub span_seconds: u64,
}

/// What the store remembered of a target when the decision was made. Stored with it, so that it can be replayed.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct State {
    /// The action that has not ended.
    pub pending: Option<PendingAction>,
    /// Pauses in force, of this target and of the fleet.
    pub pauses: Vec<Pause>,
    /// How the last resizes ended.
    pub cooldowns: Cooldowns,
    /// The last resizes, newest first, where the policy counts them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resizes: Vec<Resize>,
    /// What the newest review says, where the strategy asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<Guide>,
}

/// An action whose end has not been reported.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PendingAction {
    /// The decision behind it.
    pub decision_id: String,
    /// The target it belongs to: another one than the input's when two targets name one instance.
    pub target_id: String,
    /// Up or down.
    pub action: Action,
    /// The type it started from.
    pub from_instance_type: String,
    /// The type it goes to.
    pub to_instance_type: String,
    /// When it was decided.
    pub decided_at: Timestamp,
}
