//! Pauses: what an operator forbids, and until when.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// An operator's veto.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Pause {
    /// Empty means every target.
    pub target_id: String,
    /// What it forbids.
    pub direction: PauseDirection,
    /// Why.
    pub reason: String,
    /// When it began.
    pub since: Timestamp,
    /// When it ends by itself; `None` means at Resume.
    pub until: Option<Timestamp>,
    /// Who paused, as they call themselves; empty when nobody said.
    #[serde(default)]
    pub by: String,
}

/// When a pause ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PauseEnd {
    /// When it is resumed.
    AtResume,
    /// At this time.
    At(Timestamp),
    /// So long after it began, by this service's clock.
    After(Duration),
}

/// What a pause forbids.
#[derive(Clone, Copy, Debug, Deserialize, Eq, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PauseDirection {
    /// Every action.
    Both,
    /// Scaling up.
    Up,
    /// Scaling down.
    Down,
}
