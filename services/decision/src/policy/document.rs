//! The document: section `policy` of the configuration, and what `ApplyPolicy` stores.

use serde::{Deserialize, Serialize};

/// Section `policy`, and the document that `ApplyPolicy` stores.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `threshold`: one rung up above `scale_up_cpu`, one rung down below `scale_down_cpu`.
    pub strategy: Strategy,
    /// Percent of the current type, 0 to 100; a forecast above it scales up.
    pub scale_up_cpu: f64,
    /// Percent of the current type, 0 to 100, below `scale_up_cpu`; a forecast below it scales down.
    pub scale_down_cpu: f64,
    /// Forecast probability, 0 to 1, that an action's condition must have.
    pub min_confidence: f64,
    /// After a resize ended, no further one for this long. It doubles with each failure in a row.
    pub cooldown_seconds: u32,
    /// Instance types, smallest first.
    pub ladder: Vec<String>,
    /// Seconds ahead that the policy looks: tick interval plus the duration of a resize. The nearest forecast horizon at
    /// or above it decides.
    pub horizon_seconds: u32,
    /// Memory that must stay free on a smaller type, in percent of the observed peak.
    pub memory_margin_percent: f64,
    /// CPU at or above 95 percent for this long scales up whatever the forecast. 0 turns this off.
    pub saturation_seconds: u32,
    /// Samples older than this are unknown.
    pub max_sample_age_seconds: u32,
    /// `file`: nothing is applied over this section; `store`: ApplyPolicy is, and wins over it. Without it the section is
    /// `file` as soon as it sets anything. No part of the document that is stored.
    #[serde(skip_serializing)]
    pub source: Option<Source>,
    /// History that must lie between first and last sample before a type becomes smaller, seconds, for CPU and for memory.
    pub down_history_seconds: u32,
    /// Of that history, so much must have been observed, seconds.
    pub down_observed_seconds: u32,
}

/// How a forecast becomes an action.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Two thresholds on the forecast CPU.
    #[default]
    Threshold,
}

/// Whose policy decides.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The configuration's; none is applied over it.
    File,
    /// The one that ApplyPolicy put in force; the configuration's until then.
    Store,
}

impl Default for Policy {
    /// Thresholds, confidence, cooldown and ladder are those of the Python program that this one replaces.
    fn default() -> Self {
        Self {
            strategy: Strategy::Threshold,
            scale_up_cpu: 75.0,
            scale_down_cpu: 30.0,
            min_confidence: 0.6,
            cooldown_seconds: 600,
            ladder: ["t2.small", "t2.medium", "t2.large"]
                .map(str::to_owned)
                .to_vec(),
            // A tick of five minutes and a resize of up to five.
            horizon_seconds: 600,
            memory_margin_percent: 20.0,
            saturation_seconds: 300,
            max_sample_age_seconds: 300,
            source: None,
            // The shortest time in which a machine shows what its day is like.
            down_history_seconds: 86_400,
            down_observed_seconds: 43_200,
        }
    }
}
