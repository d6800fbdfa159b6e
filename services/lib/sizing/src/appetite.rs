//! The appetite for risk: what a saturated hour and a restart are worth.

use serde::{Deserialize, Serialize};

use crate::replay::Bill;

/// The one dial of an operator.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Appetite {
    /// Few restarts, little saturation.
    Careful,
    /// Less than a restart a day.
    #[default]
    Balanced,
    /// Less than two restarts a day.
    Thrifty,
}

/// Prices in the largest rung's: of the time that is saturated, and of a restart.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Prices {
    /// Of a saturated hour, in hours of the largest rung.
    pub saturated: f64,
    /// Of a restart, in steps of the largest rung.
    pub restart_steps: f64,
}

impl Appetite {
    /// Chosen on training series: `docs/SIZING.md` has what was tried.
    pub fn prices(self) -> Prices {
        let (saturated, restart_steps) = match self {
            Self::Careful => (20.0, 16.0),
            Self::Balanced => (16.0, 12.0),
            Self::Thrifty => (10.0, 5.0),
        };
        Prices {
            saturated,
            restart_steps,
        }
    }
}

impl Prices {
    /// What a bill is worth, as a share of the largest rung all the time.
    pub fn of(&self, bill: &Bill) -> f64 {
        let restarts = f64::from(bill.resizes) / f64::from(bill.steps.max(1));
        bill.cost + self.saturated * bill.saturated + self.restart_steps * restarts
    }
}
