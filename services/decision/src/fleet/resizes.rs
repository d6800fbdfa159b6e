//! The last resizes of a target, and what a policy makes of them: a budget, and rest after turning around. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::{direction::Direction, outcome::Outcome},
    text,
};

/// How many of a target are remembered: as many as a day's budget may be.
pub const REMEMBERED: u32 = 64;
/// A budget is for so long.
pub const DAY_SECONDS: u64 = 86_400;
/// Older ones neither count for a budget nor for the longest rest.
const LONGEST_SECONDS: u64 = 2 * DAY_SECONDS;

/// A resize for which a machine was stopped.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Resize {
    /// Where it went.
    pub direction: Direction,
    /// When it was decided.
    pub began_at: Timestamp,
    /// When the machine ran again.
    pub ended_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
}

/// Without those that nothing looks at any more; newest first, as they come.
pub fn that_count(resizes: Vec<Resize>, now: Timestamp) -> Vec<Resize> {
    let near = |resize: &Resize| distance(resize.began_at, now) < LONGEST_SECONDS;
    resizes.into_iter().filter(near).collect()
}

/// When those of a budget of `most` a day began that count now, newest first; failed ones, too.
///
/// One that lies ahead, because the clock was set back, counts while it is less than a day ahead: the budget is neither lost
/// by that nor spent without end.
pub fn of_a_day(resizes: &[Resize], now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let began = resizes.iter().map(|resize| resize.began_at);
    began.filter(move |began| distance(*began, now) < DAY_SECONDS)
}

/// The newest turning around: how the target went before and after, and when the first resize after it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Turn {
    /// The direction that it has since.
    pub to: Direction,
    /// End of the first resize in it.
    pub at: Timestamp,
    /// Seconds from the last resize in the other direction.
    pub after_seconds: u64,
}

impl Turn {
    /// Of resizes that are given newest first; those that left the machine on its type are passed over.
    pub fn newest(resizes: &[Resize]) -> Option<Self> {
        let mut moved = resizes
            .iter()
            .filter(|resize| resize.outcome.changed_the_type());
        let newest = moved.next()?;
        let mut first = newest;
        for earlier in moved {
            if earlier.direction != newest.direction {
                return Some(Self {
                    to: newest.direction,
                    at: first.ended_at,
                    after_seconds: text::seconds_between(earlier.ended_at, first.ended_at),
                });
            }
            first = earlier;
        }
        None
    }

    /// Seconds for which a target that turned within `flap_seconds` may not turn again.
    pub fn rest(&self, flap_seconds: u32, now: Timestamp) -> u64 {
        let flap = u64::from(flap_seconds);
        match self.after_seconds < flap {
            true => flap.saturating_sub(text::seconds_between(self.at, now)),
            false => 0,
        }
    }
}

fn distance(one: Timestamp, other: Timestamp) -> u64 {
    text::seconds_between(one, other).max(text::seconds_between(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// Newest first, each five minutes long.
    fn resizes(ends: &[(Direction, Outcome, i64)]) -> Vec<Resize> {
        let resize = |&(direction, outcome, second): &(Direction, Outcome, i64)| Resize {
            direction,
            began_at: at(second - 300),
            ended_at: at(second),
            outcome,
        };
        ends.iter().map(resize).collect()
    }

    const UP: Direction = Direction::Up;
    const DOWN: Direction = Direction::Down;
    const OK: Outcome = Outcome::Succeeded;

    #[test]
    fn fault_48_a_day_counts_from_the_beginning_of_each_resize_whatever_the_clock_does() {
        let of = |ends: &[i64], now| {
            let ends: Vec<_> = ends
                .iter()
                .map(|end| (UP, Outcome::RolledBack, *end))
                .collect();
            of_a_day(&resizes(&ends), at(now)).count()
        };
        assert_eq!(of(&[900, 600, 300], 1_000), 3);
        assert_eq!(of(&[900, 600, 300], 86_399), 3);
        assert_eq!(of(&[900, 600, 300], 86_400), 2);
        // The clock was set back by an hour, and by a year.
        assert_eq!(of(&[900], -2_700), 1);
        assert_eq!(of(&[900], -365 * 86_400), 0);
    }

    #[test]
    fn what_is_older_than_two_days_is_forgotten() {
        let kept = that_count(
            resizes(&[(UP, OK, 300), (UP, OK, -172_500), (UP, OK, -172_501)]),
            at(0),
        );
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn the_newest_turn_is_from_the_last_of_one_direction_to_the_first_of_the_other() {
        let turn = |ends: &[(Direction, Outcome, i64)]| Turn::newest(&resizes(ends));
        assert_eq!(turn(&[]), None);
        assert_eq!(turn(&[(UP, OK, 900), (UP, OK, 300)]), None);
        let down = Turn {
            to: DOWN,
            at: at(2_000),
            after_seconds: 1_100,
        };
        let history = [
            (DOWN, OK, 3_000),
            (DOWN, OK, 2_000),
            (UP, OK, 900),
            (UP, OK, 300),
            (DOWN, OK, 0),
        ];
        assert_eq!(turn(&history), Some(down.clone()));
        // What failed left the machine where it was.
        let mut failed = vec![(UP, Outcome::RolledBack, 3_500)];
        failed.extend(history);
        assert_eq!(turn(&failed), Some(down.clone()));
        assert_eq!(down.rest(1_100, at(2_000)), 0);
        assert_eq!(down.rest(1_101, at(2_000)), 1_101);
        assert_eq!(down.rest(1_101, at(3_100)), 1);
        assert_eq!(down.rest(1_101, at(3_101)), 0);
        // A clock that was set back makes no rest longer.
        assert_eq!(down.rest(1_101, at(-9_000)), 1_101);
    }
}
