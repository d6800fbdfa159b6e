//! What a person decided and a restart must not forget: the kill switch, and that the breaker was closed by hand.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// As it is kept: `{"kill_switch": {"reason": "…", "since": "2026-01-31T12:00:00Z"}}` turns it on by hand.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// `None` while it is off.
    pub kill_switch: Option<KillSwitch>,
    pub breaker_closed_at: Option<Timestamp>,
}

impl Decisions {
    /// A kill switch that is on.
    pub fn on(reason: String) -> Self {
        Self {
            kill_switch: Some(KillSwitch {
                reason,
                since: None,
            }),
            breaker_closed_at: None,
        }
    }

    /// From what `place` keeps. Something damaged counts as a kill switch that is on: whoever wrote it meant something.
    pub fn of(place: &str, document: &[u8]) -> Self {
        serde_json::from_slice(document)
            .unwrap_or_else(|error| Self::on(format!("{place} is damaged: {error}")))
    }

    /// As it is kept.
    ///
    /// # Errors
    /// Never, as far as is known: all of it can be written as JSON.
    pub fn document(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// What holds when two places keep something: on when either is, closed when it was closed last.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            kill_switch: self.kill_switch.or(other.kill_switch),
            breaker_closed_at: self.breaker_closed_at.max(other.breaker_closed_at),
        }
    }
}

/// The kill switch, on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KillSwitch {
    pub reason: String,
    /// `None` when it isn't known.
    #[serde(default)]
    pub since: Option<Timestamp>,
}
