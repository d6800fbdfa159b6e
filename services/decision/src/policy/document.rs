//! The document: section `policy` of the configuration, and what `ApplyPolicy` stores.

use serde::{Deserialize, Serialize};
use sizing::{
    appetite::{Appetite, Prices},
    pool,
    rule::Fit,
    step,
};
use strum::IntoStaticStr;

use crate::{
    fleet::direction::Direction,
    policy::{
        times::{Freeze, Period, SaturationPasses, Windows},
        zone,
    },
};

/// A resize takes minutes; what is scheduled is done before its time.
const LEAD_SECONDS: u32 = 600;
/// Three ticks: a job that takes its memory back is over by then.
const PRESSED_SECONDS: u32 = 900;

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
    /// The smallest type of the ladder that a resize may go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_type: Option<String>,
    /// The largest type of the ladder that a resize may go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_type: Option<String>,
    /// Rungs that one resize may go, those that are no step not counted. 0: as many as the strategy asks for.
    #[serde(skip_serializing_if = "is_default")]
    pub max_step: u32,
    /// In place of `cooldown_seconds`, before a type becomes larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_up_seconds: Option<u32>,
    /// In place of `cooldown_seconds`, before a type becomes smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_down_seconds: Option<u32>,
    /// The zone of the IANA database in which windows, freezes and schedule are meant.
    #[serde(skip_serializing_if = "is_utc")]
    pub zone: String,
    /// When resizes may begin.
    #[serde(skip_serializing_if = "is_default")]
    pub windows: Windows,
    /// When none may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<Freeze>,
    /// Sizes by the clock, over what is forecast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<Period>,
    /// So long before a period begins its type is gone up to: as long as a resize takes.
    #[serde(skip_serializing_if = "is_default_lead")]
    pub schedule_lead_seconds: u32,
    /// Memory at or above 95 percent for this long scales up whatever the CPU; 0 turns this off. Default: 900, and 0 for the
    /// strategy `threshold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_pressure_seconds: Option<u32>,
    /// Resizes of a target that may begin in 24 hours, failed ones counted. 0: any number.
    #[serde(skip_serializing_if = "is_default")]
    pub resizes_a_day: u32,
    /// A target that turned around within this time may not turn around again for as long. 0: it may.
    #[serde(skip_serializing_if = "is_default")]
    pub flap_seconds: u32,
    /// What a saturated machine need not wait for on its way up.
    #[serde(skip_serializing_if = "is_default")]
    pub saturation_passes: SaturationPasses,
}

/// What is as ever is left out, so that a document of before has the version that it had.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_default_lead(seconds: &u32) -> bool {
    *seconds == LEAD_SECONDS
}

fn is_utc(name: &String) -> bool {
    name == zone::UTC
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
            min_type: None,
            max_type: None,
            max_step: 0,
            cooldown_up_seconds: None,
            cooldown_down_seconds: None,
            zone: zone::UTC.to_owned(),
            windows: Windows::default(),
            freeze: Vec::new(),
            schedule: Vec::new(),
            schedule_lead_seconds: LEAD_SECONDS,
            memory_pressure_seconds: None,
            resizes_a_day: 0,
            flap_seconds: 0,
            saturation_passes: SaturationPasses::default(),
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

    /// Memory that a type must have for a peak of use, both in MiB.
    pub fn memory_for(&self, peak_mib: f64) -> f64 {
        peak_mib * (1.0 + self.memory_margin_percent / 100.0)
    }

    /// So long memory may be nearly used up before a type becomes larger; 0 is for ever. Thresholds are on CPU alone, as the
    /// seed has them, unless the policy says more.
    pub fn pressed_seconds(&self) -> u32 {
        let usual = if self.sizes_by_rules() {
            PRESSED_SECONDS
        } else {
            0
        };
        self.memory_pressure_seconds.unwrap_or(usual)
    }

    /// After a resize ended, no further one in this direction for so long.
    pub fn cooldown_seconds_of(&self, direction: Direction) -> u32 {
        let own = match direction {
            Direction::Up => self.cooldown_up_seconds,
            Direction::Down => self.cooldown_down_seconds,
        };
        own.unwrap_or(self.cooldown_seconds)
    }

    /// Whether the last resizes of a target count for it.
    pub fn counts_resizes(&self) -> bool {
        self.resizes_a_day > 0 || self.flap_seconds > 0
    }

    /// Whether the strategy is made of sizing rules, which look at the past.
    pub fn sizes_by_rules(&self) -> bool {
        match self.strategy {
            Strategy::Threshold => false,
            Strategy::Headroom | Strategy::Adaptive => true,
        }
    }
}
