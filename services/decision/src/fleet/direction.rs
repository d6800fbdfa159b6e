//! The two ways to go on a ladder.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// Up or down: an action without Hold.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, IntoStaticStr, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Direction {
    /// To a larger type.
    Up,
    /// To a smaller type.
    Down,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// As stored, and in sentences.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
