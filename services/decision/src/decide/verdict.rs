//! What a decision says: the action, why, and every check on the way there.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::fleet::direction::Direction;

/// What to do with the machine.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Leave it as it is.
    Hold,
    /// Go to a larger type.
    ScaleUp,
    /// Go to a smaller type.
    ScaleDown,
}

impl Action {
    /// The direction of the action; `None` for Hold.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::Hold => None,
            Self::ScaleUp => Some(Direction::Up),
            Self::ScaleDown => Some(Direction::Down),
        }
    }

    /// As stored and as a metric label.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl From<Direction> for Action {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::ScaleUp,
            Direction::Down => Self::ScaleDown,
        }
    }
}

/// Why a decision is what it is; the sentence beside it has the numbers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ReasonCode {
    /// The forecast is above the up threshold.
    ForecastAboveUpThreshold,
    /// The forecast is below the down threshold.
    ForecastBelowDownThreshold,
    /// The forecast asks for nothing.
    ForecastInRange,
    /// The condition holds, but not surely enough.
    ConfidenceTooLow,
    /// An earlier resize ended too recently, or failed.
    Cooldown,
    /// An earlier action has not ended.
    ActionPending,
    /// An operator said no.
    Paused,
    /// Already on the largest type.
    AtMaxRung,
    /// Already on the smallest type.
    AtMinRung,
    /// The current type is not on the ladder.
    TypeOutsideLadder,
    /// Metrics are missing, stale or partial.
    MetricsUnknown,
    /// The other type has too little memory, or nobody knows.
    MemoryGuard,
    /// There is no forecast.
    ForecastUnavailable,
    /// The instance is not running, or could not be described.
    InstanceUnavailable,
    /// Sustained real saturation.
    Saturated,
    /// Too little history was seen for a smaller type.
    EvidenceTooShort,
    /// The present, or the past hour, would not fit the smaller type.
    PresentTooHigh,
    /// A type of the ladder is smaller than one below it.
    LadderUnordered,
    /// The need of a sizing rule fills more of the present type than its target.
    NeedAboveTarget,
    /// The need and the quiet of a sizing rule fit a smaller type.
    QuietFitsSmaller,
    /// A sizing rule asks for nothing.
    SizeFits,
    /// The bounds leave no type in the wanted direction.
    AtBound,
    /// No window of the wanted direction is open.
    OutsideWindow,
    /// The policy's freeze.
    Frozen,
    /// The day's resizes are spent.
    BudgetSpent,
    /// The machine turned around a short while ago.
    Flapping,
    /// The policy's schedule asks for another size.
    Scheduled,
    /// Memory has been nearly used up for long enough, whatever the CPU.
    MemoryPressure,
}

impl ReasonCode {
    /// As stored and as a metric label.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CheckVerdict {
    /// It allows the action.
    Pass,
    /// It forbids it.
    Block,
    /// An earlier check settled the matter, or there is nothing for this one to look at.
    Skip,
}

impl CheckVerdict {
    /// Four or five letters for a table.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One named check.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Check {
    /// Such as `cooldown`.
    pub name: String,
    /// How it ended.
    pub verdict: CheckVerdict,
    /// One sentence with the numbers.
    pub detail: String,
}

/// The outcome of the pure policy: the part of a decision that a replay must reproduce.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Verdict {
    /// What to do.
    pub action: Action,
    /// The type to go to; the current one on hold.
    pub to_instance_type: String,
    /// Why, as a code.
    pub reason_code: ReasonCode,
    /// Why, as a sentence.
    pub reason: String,
    /// Probability, 0 to 1, that the condition behind the action holds; on hold that of what was considered.
    pub confidence: f64,
    /// Median CPU at the horizon, percent of the current type. Absent without a forecast.
    pub predicted_cpu_percent: Option<f64>,
    /// Seconds ahead of the forecast that decided; 0 without one.
    pub horizon_seconds: u32,
    /// In the order they ran.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether `again`, made from the same input by this version of the program, is the same. Checks that there were not
    /// then are no difference: what one of them forbids shows in the action.
    pub fn is_made_again_by(&self, again: &Self) -> bool {
        let known = |check: &&Check| self.checks.iter().any(|then| then.name == check.name);
        let checks = again.checks.iter().filter(known).cloned().collect();
        *self
            == Self {
                checks,
                ..again.clone()
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(action: Action, names: &[&str]) -> Verdict {
        let check = |name: &&str| Check {
            name: (*name).to_owned(),
            verdict: CheckVerdict::Pass,
            detail: String::new(),
        };
        Verdict {
            action,
            to_instance_type: "t2.small".into(),
            reason_code: ReasonCode::Saturated,
            reason: String::new(),
            confidence: 1.0,
            predicted_cpu_percent: None,
            horizon_seconds: 0,
            checks: names.iter().map(check).collect(),
        }
    }

    #[test]
    fn checks_of_later_releases_are_no_difference_unless_they_change_the_action() {
        let stored = verdict(Action::ScaleUp, &["inputs", "cooldown"]);
        for (again, same) in [
            (verdict(Action::ScaleUp, &["inputs", "cooldown"]), true),
            (
                verdict(Action::ScaleUp, &["inputs", "freeze", "cooldown"]),
                true,
            ),
            (
                verdict(Action::Hold, &["inputs", "freeze", "cooldown"]),
                false,
            ),
            (verdict(Action::ScaleUp, &["inputs"]), false),
            (verdict(Action::ScaleUp, &["cooldown", "inputs"]), false),
        ] {
            assert_eq!(stored.is_made_again_by(&again), same, "{again:?}");
        }
    }
}
