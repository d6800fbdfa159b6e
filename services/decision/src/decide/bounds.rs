//! Bounds: the lowest and the highest rung of the ladder that a resize may go to. Pure.

use crate::{decide::case::Case, fleet::direction::Direction};

/// The ends between which resizes go. A machine beyond them is not moved by that.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    pub lowest: Option<Bound>,
    pub highest: Option<Bound>,
}

/// One of the two ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Its place on the ladder.
    pub rung: usize,
    /// What set it, with its type: `policy.max_type (m5.large)`.
    pub words: String,
}

impl Bounds {
    /// Those of the policy. A type that is not on the ladder, because the target has its own, bounds nothing.
    pub fn of_policy(case: &Case<'_>) -> Self {
        let bound = |key: &str, name: Option<&String>| {
            let name = name?;
            Some(Bound {
                rung: case.rung_of(name)?,
                words: format!("policy.{key} ({name})"),
            })
        };
        Self {
            lowest: bound("min_type", case.policy.min_type.as_ref()),
            highest: bound("max_type", case.policy.max_type.as_ref()),
        }
    }

    /// The end that lies in a direction.
    pub fn toward(&self, direction: Direction) -> Option<&Bound> {
        match direction {
            Direction::Up => self.highest.as_ref(),
            Direction::Down => self.lowest.as_ref(),
        }
    }
}
