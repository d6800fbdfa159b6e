//! The kill switch: a person wants no resizes.

use super::{
    case::Case,
    reading::{Rail, Reading, Verdict},
};

/// Blocks while it is on.
#[derive(Debug)]
pub struct KillSwitch;

impl Rail for KillSwitch {
    fn name(&self) -> &'static str {
        "kill_switch"
    }

    fn is_by_hand(&self) -> bool {
        true
    }

    fn read(&self, case: &Case<'_>) -> Reading {
        let (verdict, sentence) = match &case.decisions.kill_switch {
            None => (Verdict::Pass, "it is off".to_owned()),
            Some(switch) => (
                Verdict::Block,
                format!("the kill switch is on: {}", switch.reason),
            ),
        };
        Reading {
            verdict,
            count: u32::from(verdict == Verdict::Block),
            limit: 0,
            until: None,
            sentence,
        }
    }
}
