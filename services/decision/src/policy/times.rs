//! The parts of a policy that say when.

use serde::{Deserialize, Serialize};

use crate::fleet::direction::Direction;

/// When resizes may begin, up and down apart.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Windows {
    /// When a type may become larger. Empty: always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub up: Vec<Window>,
    /// When a type may become smaller. Empty: always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<Window>,
}

impl Windows {
    /// Those of a direction.
    pub fn of(&self, direction: Direction) -> &[Window] {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}

/// Some hours of some days, as the clocks of the policy's zone show them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// `mon` to `sun`, those on which it begins. Empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// Such as `08:00`.
    pub from: String,
    /// Such as `18:00`, or `24:00`. Before `from`: on the next day.
    pub to: String,
}

/// Some hours of some days with a size of their own.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// As those of a window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// As that of a window.
    pub from: String,
    /// As that of a window.
    pub to: String,
    /// No smaller type of the ladder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_type: Option<String>,
    /// No larger type of the ladder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_type: Option<String>,
    /// This type, in place of the other two.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
}

/// A time without resizes, such as the days before a feast.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// A date, or a date with a time, in the policy's zone unless it has an offset.
    pub from: String,
    /// The same; a date is included.
    pub to: String,
    /// Why, for whoever finds it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What a machine that is measured to be saturated passes on its way up.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaturationPasses {
    /// `windows`.
    pub windows: bool,
    /// The cooldown, but not the wait after a failure.
    pub cooldown: bool,
    /// `freeze`.
    pub freeze: bool,
}

impl Default for SaturationPasses {
    fn default() -> Self {
        Self {
            windows: true,
            cooldown: false,
            freeze: false,
        }
    }
}
