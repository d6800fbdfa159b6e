//! Why a target is held or scaled, as a code.

use strum::IntoStaticStr;

/// The reason of a decision, or of there being none.
#[derive(Clone, Copy, Debug, Eq, Hash, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
pub enum ReasonCode {
    /// One that this version doesn't know.
    Unspecified,
    /// The forecast is above the up threshold.
    ForecastAboveUpThreshold,
    /// The forecast is below the down threshold.
    ForecastBelowDownThreshold,
    /// The forecast lies between the thresholds.
    ForecastInRange,
    /// The condition holds, but not with the confidence that the policy asks for.
    ConfidenceTooLow,
    /// An earlier resize ended too recently.
    Cooldown,
    /// An earlier action has not ended.
    ActionPending,
    /// An operator paused this target or the fleet.
    Paused,
    /// Already on the largest type of the ladder.
    AtMaxRung,
    /// Already on the smallest type of the ladder.
    AtMinRung,
    /// The current type is not on the ladder.
    TypeOutsideLadder,
    /// Metrics are missing, stale or partial.
    MetricsUnknown,
    /// The smaller type has too little memory for what was observed.
    MemoryGuard,
    /// The forecast service did not answer.
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
    /// The bounds of the policy leave no type in the wanted direction.
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
    /// Memory is nearly used up.
    MemoryPressure,
    /// Another scheduler is the one actor.
    Standby,
    /// Nobody can tell who is the one actor.
    LeaseUnavailable,
    /// No decision was made or stored.
    DecisionUnavailable,
}

impl ReasonCode {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
