//! The rung to go to: the next one that really is larger, or smaller.

use super::{
    Case,
    trail::{Stop, stop},
    want::Want,
};
use crate::{cooldown::Direction, ladder, verdict::ReasonCode};

impl Case<'_> {
    /// The next rung in the wanted direction. Rungs that add nothing, or take something away, are skipped. A rung of
    /// unknown size is taken at the ladder's word; other checks refuse it on the way down.
    pub(super) fn rung_available(&self, want: &Want, rung: usize) -> Result<(&str, String), Stop> {
        let current = &self.input.instance_type;
        let (candidates, end, code): (Vec<&String>, _, _) = match want.direction {
            Direction::Up => (
                self.ladder[rung + 1..].iter().collect(),
                "largest",
                ReasonCode::AtMaxRung,
            ),
            Direction::Down => (
                self.ladder[..rung].iter().rev().collect(),
                "smallest",
                ReasonCode::AtMinRung,
            ),
        };
        let types = &self.input.instance_types;
        let leads = |to: &&&String| match want.direction {
            Direction::Up => ladder::is_step_up(current, to, types),
            Direction::Down => ladder::is_step_down(current, to, types),
        };
        let skipped = |count: usize| match candidates.get(..count) {
            None | Some([]) => String::new(),
            Some(skipped) => {
                let names: Vec<&str> = skipped.iter().map(|name| name.as_str()).collect();
                format!(
                    "; skipped, for it is no step {} in vCPU and memory: {}",
                    want.direction.name(),
                    names.join(", ")
                )
            }
        };
        match candidates.iter().position(|to| leads(&to)) {
            Some(position) => {
                let to = candidates[position];
                let what = match position {
                    0 => format!("{to} is one rung {} from {current}", want.direction.name()),
                    _ => format!(
                        "{to} is the next type {} from {current}",
                        want.direction.name()
                    ),
                };
                Ok((to, what + &skipped(position)))
            }
            None => stop(
                code,
                format!(
                    "{}, but {current} is the {end} type of the ladder{}",
                    want.sentence,
                    skipped(candidates.len())
                ),
            ),
        }
    }
}
