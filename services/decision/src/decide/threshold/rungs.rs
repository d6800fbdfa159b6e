//! The rung to go to: the next one that really is larger, or smaller.

use super::{
    Case,
    trail::{Stop, stop},
    want::Want,
};
use crate::{
    decide::{ladder, verdict::ReasonCode},
    fleet::direction::Direction,
};

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

    /// Going up, a rung whose size is not known is no step where the present size and another rung's are: it may have
    /// less. Where no size but the present one's is known the ladder's word is all there is.
    fn is_unknown_step(&self, to: &str, direction: Direction) -> bool {
        let types = &self.input.instance_types;
        let current = &self.input.instance_type;
        let others = || self.ladder.iter().filter(|rung| *rung != current);
        direction == Direction::Up
            && ladder::is_known(current, types)
            && others().any(|rung| ladder::is_known(rung, types))
            && !ladder::is_known(to, types)
    }

    /// The next rung in the wanted direction. Rungs that add nothing, or take something away, are skipped, and so is one
    /// of unknown size on the way up; on the way down other checks refuse it.
    pub(super) fn rung_available(&self, want: &Want, rung: usize) -> Result<(&str, String), Stop> {
        let current = &self.input.instance_type;
        let (end, code) = match want.direction {
            Direction::Up => ("largest", ReasonCode::AtMaxRung),
            Direction::Down => ("smallest", ReasonCode::AtMinRung),
        };
        let candidates = self.rungs_beyond(rung, want.direction);
        let names = |of: &dyn Fn(&str) -> bool, count: usize| {
            let names = candidates[..count].iter().map(|name| name.as_str());
            names.filter(|name| of(name)).collect::<Vec<_>>().join(", ")
        };
        let skipped = |count: usize| {
            let unknown = |name: &str| self.is_unknown_step(name, want.direction);
            let mut text = String::new();
            let no_step = names(&|name| !unknown(name), count);
            if !no_step.is_empty() {
                let direction = want.direction.name();
                text = format!(
                    "; skipped, for it is no step {direction} in vCPU and memory: {no_step}"
                );
            }
            let unknown = names(&unknown, count);
            if !unknown.is_empty() {
                text += &format!("; skipped, for its size is not known: {unknown}");
            }
            text
        };
        let first = candidates.iter().position(|to| {
            self.is_step(to, want.direction) && !self.is_unknown_step(to, want.direction)
        });
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
