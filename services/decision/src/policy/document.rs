//! The document: section `policy` of the configuration, and what `ApplyPolicy` stores.

use serde::{Deserialize, Serialize};
use sizing::{
    appetite::{Appetite, Prices},
    pool,
    rule::Fit,
    step,
};
use strum::IntoStaticStr;

/// Section `policy`, and the document that `ApplyPolicy` stores.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `adaptive`: the sizing rule that would have been cheapest over the machine's own past. `headroom`: the sizing rule of
    /// the key `headroom`. `threshold`: one rung up above `scale_up_cpu`, one rung down below `scale_down_cpu`.
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
    /// The sizing rule of the strategy `headroom`.
    #[serde(skip_serializing_if = "is_default")]
    pub headroom: Fit,
    /// What the strategy `adaptive` weighs savings against: `careful`, `balanced`, or `thrifty`.
    #[serde(skip_serializing_if = "is_default")]
    pub appetite: Appetite,
    /// In place of the appetite's: the price of a saturated hour, in hours of the ladder's largest type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturated_hour_price: Option<f64>,
    /// In place of the appetite's: the price of a restart, in hours of the ladder's largest type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_price: Option<f64>,
}

/// What is as ever is left out, so that a document of before has the version that it had.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a forecast becomes an action.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Strategy {
    /// Two thresholds on the forecast CPU.
    Threshold,
    /// The policy's sizing rule.
    Headroom,
    /// The machine's own sizing rule.
    #[default]
    Adaptive,
}

impl Strategy {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
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
    /// Thresholds, confidence, cooldown and ladder are those of the Python program that this one replaces; the strategy is
    /// not.
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
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
            headroom: pool::COMMON,
            appetite: Appetite::default(),
            saturated_hour_price: None,
            restart_price: None,
        }
    }
}

impl Policy {
    /// What a review weighs savings against.
    pub fn prices(&self) -> Prices {
        let of_appetite = self.appetite.prices();
        Prices {
            saturated: self.saturated_hour_price.unwrap_or(of_appetite.saturated),
            restart_steps: self
                .restart_price
                .map_or(of_appetite.restart_steps, |hours| hours * step::HOUR as f64),
        }
    }

    /// Whether the strategy is made of sizing rules, which look at the past.
    pub fn sizes_by_rules(&self) -> bool {
        match self.strategy {
            Strategy::Threshold => false,
            Strategy::Headroom | Strategy::Adaptive => true,
        }
    }
}
