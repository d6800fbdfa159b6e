//! The pool: the rules among which a machine's review chooses.

use crate::{
    rule::{Fit, Need, Quiet, Rule},
    step::HOUR,
};

/// Shares of a rung's capacity that the need may fill.
const UP_TARGETS: [f64; 2] = [0.9, 1.0];
/// Shares of a smaller rung's capacity that the quiet may fill.
const DOWN_TARGETS: [f64; 3] = [0.75, 0.85, 0.95];
/// Half an hour, three, and twelve.
const HOLDS: [usize; 3] = [HOUR / 2, 3 * HOUR, 12 * HOUR];
/// What every machine has.
const MEASURED: [Quiet; 7] = [
    Quiet::Past1h,
    Quiet::Past3h,
    Quiet::Past6h,
    Quiet::Past24h,
    Quiet::Past168h,
    Quiet::Profile6h,
    Quiet::Profile12h,
];

/// The rule for a machine of which too little is known for a review: over the training series no single one cost less.
pub const COMMON: Fit = Fit {
    up: Need::Now,
    up_target: 0.9,
    down: Quiet::Profile6h,
    down_target: 0.85,
    hold_steps: (3 * HOUR) as u32,
};

impl Default for Fit {
    fn default() -> Self {
        COMMON
    }
}

/// All rules on what was measured, the largest size all the time among them.
pub fn measured() -> Vec<Rule> {
    let mut pool = vec![Rule::Largest];
    for up_target in UP_TARGETS {
        for down in MEASURED {
            for down_target in DOWN_TARGETS {
                for hold in HOLDS {
                    pool.push(Rule::Fit(Fit {
                        up: Need::Now,
                        up_target,
                        down,
                        down_target,
                        hold_steps: u32::try_from(hold).unwrap_or(u32::MAX),
                    }));
                }
            }
        }
    }
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_there_once_and_the_common_one_too() {
        let pool = measured();
        assert_eq!(pool.len(), 1 + 2 * 7 * 3 * 3);
        for (place, rule) in pool.iter().enumerate() {
            assert!(!pool[..place].contains(rule), "{rule:?}");
        }
        assert!(pool.contains(&Rule::Fit(COMMON)));
    }
}
