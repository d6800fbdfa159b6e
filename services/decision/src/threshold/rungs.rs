//! The rung to go to: the next one that really is larger, or smaller.

use super::{
    Case,
    trail::{Stop, stop},
    want::Want,
};
use crate::{cooldown::Direction, ladder, verdict::ReasonCode};

impl Case<'_> {
    /// The rungs beyond `rung` in a direction, nearest first.
    fn rungs_beyond(&self, rung: usize, direction: Direction) -> Vec<&String> {
        match direction {
            Direction::Up => self.ladder[rung + 1..].iter().collect(),
            Direction::Down => self.ladder[..rung].iter().rev().collect(),
        }
    }

    fn is_step(&self, to: &str, direction: Direction) -> bool {
        let (current, types) = (&self.input.instance_type, &self.input.instance_types);
        match direction {
            Direction::Up => ladder::is_step_up(current, to, types),
            Direction::Down => ladder::is_step_down(current, to, types),
        }
    }

    /// The rung that a step down leads to, if there is one.
    pub(super) fn rung_below(&self, rung: usize) -> Option<&String> {
        let down = Direction::Down;
        let mut below = self.rungs_beyond(rung, down).into_iter();
        below.find(|to| self.is_step(to, down))
    }

    /// The next rung in the wanted direction. Rungs that add nothing, or take something away, are skipped. A rung of
    /// unknown size is taken at the ladder's word; other checks refuse it on the way down.
    pub(super) fn rung_available(&self, want: &Want, rung: usize) -> Result<(&str, String), Stop> {
        let current = &self.input.instance_type;
        let (end, code) = match want.direction {
            Direction::Up => ("largest", ReasonCode::AtMaxRung),
            Direction::Down => ("smallest", ReasonCode::AtMinRung),
        };
        let candidates = self.rungs_beyond(rung, want.direction);
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
        let first = candidates
            .iter()
            .position(|to| self.is_step(to, want.direction));
        match first {
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
