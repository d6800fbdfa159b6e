//! How long to leave a target alone after a resize ended: a cooldown, and a backoff that grows with failures in a row.
//!
//! Invariant: a wait is counted from a fact (when a resize ended), never stored as an end, so that a changed policy
//! counts at once and a clock that was set can't make it endless.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::{direction::Direction, outcome::Outcome},
    text,
};

/// A first failure is followed by at least this wait, even without a cooldown.
const MIN_BACKOFF_SECONDS: u64 = 300;
/// The wait after failures stops doubling here, unless the cooldown alone is longer.
const MAX_BACKOFF_SECONDS: u64 = 6 * 3_600;

/// When the last resize that counts for a direction ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LastEnd {
    /// Wall time.
    pub ended_at: Timestamp,
    /// Failures in a row in this direction; 0 after a success.
    pub failures: u32,
    /// The monotonic timer of this process has not run as long as the wait. It catches a wall clock that jumped ahead.
    #[serde(default)]
    pub timer_running: bool,
}

impl LastEnd {
    /// The whole wait from `ended_at`: the cooldown, doubled with each failure after the first.
    pub fn wait(&self, cooldown_seconds: u32) -> Duration {
        let cooldown = u64::from(cooldown_seconds);
        Duration::from_secs(match self.failures {
            0 => cooldown,
            failures => cooldown
                .max(MIN_BACKOFF_SECONDS)
                .saturating_mul(1 << (failures - 1).min(16))
                .min(MAX_BACKOFF_SECONDS.max(cooldown)),
        })
    }

    /// What is left of the wait. Never more than the wait itself, even when `ended_at` lies ahead because the clock was
    /// set back.
    pub fn remaining(&self, cooldown_seconds: u32, now: Timestamp) -> Duration {
        let wait = self.wait(cooldown_seconds);
        let elapsed = Duration::try_from(now.duration_since(self.ended_at)).unwrap_or_default();
        wait.saturating_sub(elapsed)
    }
}

/// The last ends of a target, for each direction.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cooldowns {
    /// For scaling up.
    pub up: Option<LastEnd>,
    /// For scaling down.
    pub down: Option<LastEnd>,
}

impl Cooldowns {
    /// That of one direction.
    pub fn get(&self, direction: Direction) -> Option<&LastEnd> {
        match direction {
            Direction::Up => self.up.as_ref(),
            Direction::Down => self.down.as_ref(),
        }
    }

    /// That of one direction, to change it.
    pub fn get_mut(&mut self, direction: Direction) -> &mut Option<LastEnd> {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// What they are after an action in `direction` ended with `outcome` at `ended_at`.
    ///
    /// A machine that was stopped and started is left alone in both directions. One that was refused untouched waits in
    /// the refused direction only. What changed nothing, or ended the machine, changes nothing here.
    #[must_use]
    pub fn after(&self, direction: Direction, outcome: Outcome, ended_at: Timestamp) -> Self {
        let failures = |direction| self.get(direction).map_or(0, |end: &LastEnd| end.failures);
        let end = |failures| {
            Some(LastEnd {
                ended_at,
                failures,
                timer_running: false,
            })
        };
        let mut next = self.clone();
        match outcome {
            Outcome::Succeeded => {
                next.up = end(0);
                next.down = end(0);
            }
            Outcome::RolledBack | Outcome::FellBack => {
                for touched in Direction::ALL {
                    let more = u32::from(touched == direction);
                    *next.get_mut(touched) = end(failures(touched).saturating_add(more));
                }
            }
            // Asking again costs the machine nothing, so the wait does not grow.
            Outcome::Refused => {
                *next.get_mut(direction) = end(failures(direction).max(1));
            }
            Outcome::Gone | Outcome::DryRun | Outcome::NotStarted => {}
        }
        next
    }

    /// What they are after a machine was stopped and started for a type that it can never have, or by other hands: it is
    /// left alone in both directions, and nothing failed that could fail again.
    #[must_use]
    pub fn after_rest(&self, ended_at: Timestamp) -> Self {
        let mut next = self.clone();
        for direction in Direction::ALL {
            *next.get_mut(direction) = Some(LastEnd {
                ended_at,
                failures: self.get(direction).map_or(0, |end| end.failures),
                timer_running: false,
            });
        }
        next
    }

    /// The clock was set back: an end that lies ahead becomes `now`. Says whether anything changed.
    pub fn anchor(&mut self, now: Timestamp) -> bool {
        let mut changed = false;
        for end in [&mut self.up, &mut self.down].into_iter().flatten() {
            if end.ended_at > now {
                end.ended_at = now;
                changed = true;
            }
        }
        changed
    }
}

/// A direction that is not free, in a sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct CoolingDown(String);

/// Whether a direction is free, with a sentence about it.
///
/// # Errors
/// Why it is not.
pub fn check(
    cooldowns: &Cooldowns,
    direction: Direction,
    cooldown_seconds: u32,
    now: Timestamp,
) -> Result<String, CoolingDown> {
    let Some(end) = cooldowns.get(direction) else {
        return Ok(format!(
            "no earlier resize holds scaling {} back",
            direction.name()
        ));
    };
    let ago = text::duration(text::seconds_between(end.ended_at, now));
    let wait = text::duration(end.wait(cooldown_seconds).as_secs());
    let what = match end.failures {
        0 => format!("the last resize ended {ago} ago; cooldown {wait}"),
        1 => format!(
            "the last attempt to scale {} failed {ago} ago; wait {wait}",
            direction.name()
        ),
        failures => format!(
            "{failures} attempts in a row to scale {} failed, the last {ago} ago; wait {wait}",
            direction.name()
        ),
    };
    let remaining = end.remaining(cooldown_seconds, now);
    if !remaining.is_zero() {
        // Rounded up, so that nobody reads "0 s left".
        let left = text::duration(remaining.as_millis().div_ceil(1_000) as u64);
        return Err(CoolingDown(format!("{what}, {left} left")));
    }
    if end.timer_running {
        let why = format!("{what}, not over yet: the wall clock jumped ahead");
        return Err(CoolingDown(why));
    }
    Ok(format!("{what}, over"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn after(outcomes: &[(Direction, Outcome, i64)]) -> Cooldowns {
        outcomes.iter().fold(
            Cooldowns::default(),
            |cooldowns, (direction, outcome, second)| {
                cooldowns.after(*direction, *outcome, at(*second))
            },
        )
    }

    #[test]
    fn a_resize_rests_both_directions() {
        let cooldowns = after(&[(Direction::Up, Outcome::Succeeded, 1_000)]);
        for direction in Direction::ALL {
            assert!(check(&cooldowns, direction, 600, at(1_599)).is_err());
            assert!(check(&cooldowns, direction, 600, at(1_600)).is_ok());
        }
        let blocked = check(&cooldowns, Direction::Down, 600, at(1_120))
            .unwrap_err()
            .to_string();
        assert_eq!(
            blocked,
            "the last resize ended 2 min ago; cooldown 10 min, 8 min left"
        );
    }

    #[test]
    fn what_changed_nothing_starts_nothing() {
        for outcome in [Outcome::DryRun, Outcome::NotStarted, Outcome::Gone] {
            assert_eq!(
                after(&[(Direction::Up, outcome, 1_000)]),
                Cooldowns::default()
            );
        }
    }

    #[test]
    fn a_refusal_holds_back_its_own_direction_only() {
        let cooldowns = after(&[(Direction::Up, Outcome::Refused, 1_000)]);
        assert!(check(&cooldowns, Direction::Up, 600, at(1_100)).is_err());
        assert!(check(&cooldowns, Direction::Down, 600, at(1_100)).is_ok());
    }

    #[test]
    fn fault_51_failures_wait_longer_each_time_and_a_success_forgives() {
        let mut cooldowns = Cooldowns::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            cooldowns = cooldowns.after(Direction::Up, Outcome::RolledBack, at(0));
            waits.push(cooldowns.up.as_ref().unwrap().wait(600).as_secs());
        }
        assert_eq!(
            waits,
            [600, 1_200, 2_400, 4_800, 9_600, 19_200, 21_600, 21_600]
        );
        // The other direction had no failure of its own.
        assert_eq!(cooldowns.down.as_ref().unwrap().wait(600).as_secs(), 600);
        let sentence = check(&cooldowns, Direction::Up, 600, at(60))
            .unwrap_err()
            .to_string();
        assert!(
            sentence.starts_with("8 attempts in a row to scale up failed"),
            "{sentence}"
        );
        cooldowns = cooldowns.after(Direction::Down, Outcome::Succeeded, at(0));
        assert_eq!(cooldowns.up.as_ref().unwrap().wait(600).as_secs(), 600);
    }

    #[test]
    fn a_failure_waits_even_without_a_cooldown() {
        let cooldowns = after(&[(Direction::Up, Outcome::Refused, 0)]);
        assert_eq!(cooldowns.up.as_ref().unwrap().wait(0).as_secs(), 300);
    }

    #[test]
    fn fault_48_a_clock_set_back_neither_loses_nor_prolongs() {
        let mut cooldowns = after(&[(Direction::Up, Outcome::Succeeded, 1_000_000)]);
        // The clock shows a week earlier.
        let now = at(400_000);
        assert!(check(&cooldowns, Direction::Up, 600, now).is_err());
        assert!(cooldowns.anchor(now));
        assert!(!cooldowns.anchor(now));
        assert!(check(&cooldowns, Direction::Up, 600, at(400_599)).is_err());
        assert!(check(&cooldowns, Direction::Up, 600, at(400_600)).is_ok());
    }

    #[test]
    fn fault_48_a_clock_that_jumped_ahead_is_caught_by_the_timer() {
        let mut cooldowns = after(&[(Direction::Up, Outcome::Succeeded, 1_000)]);
        cooldowns.up.as_mut().unwrap().timer_running = true;
        let sentence = check(&cooldowns, Direction::Up, 600, at(90_000))
            .unwrap_err()
            .to_string();
        assert!(sentence.contains("jumped ahead"), "{sentence}");
    }

    #[test]
    fn a_refusal_is_asked_again_at_the_same_distance_however_often() {
        let mut cooldowns = Cooldowns::default();
        for number in 0..20 {
            cooldowns = cooldowns.after(Direction::Up, Outcome::Refused, at(number * 10_000));
            let end = cooldowns.get(Direction::Up).unwrap();
            assert_eq!(end.wait(600), Duration::from_secs(600), "{number}");
            assert_eq!(end.wait(0), Duration::from_secs(MIN_BACKOFF_SECONDS));
        }
        // What really failed before goes on counting.
        let failed = after(&[
            (Direction::Up, Outcome::RolledBack, 0),
            (Direction::Up, Outcome::RolledBack, 1),
            (Direction::Up, Outcome::Refused, 2),
        ]);
        assert_eq!(failed.up.unwrap().failures, 2);
    }

    #[test]
    fn a_type_refused_for_good_rests_the_machine_and_counts_as_no_failure() {
        let mut cooldowns = after(&[(Direction::Up, Outcome::RolledBack, 0)]);
        for number in 1..10 {
            cooldowns = cooldowns.after_rest(at(number * 10_000));
            for (direction, failures) in [(Direction::Up, 1), (Direction::Down, 0)] {
                let end = cooldowns.get(direction).unwrap();
                assert_eq!(end.failures, failures);
                assert_eq!(end.ended_at, at(number * 10_000));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_never_more_than_the_wait(
            ended in -1_000_000_000..1_000_000_000_i64,
            now in -1_000_000_000..1_000_000_000_i64,
            cooldown in 0..700_000_u32,
            failures in 0..u32::MAX,
        ) {
            let end = LastEnd { ended_at: at(ended), failures, timer_running: false };
            let remaining = end.remaining(cooldown, at(now));
            prop_assert!(remaining <= end.wait(cooldown));
            prop_assert!(end.wait(cooldown) >= Duration::from_secs(cooldown.into()));
            if now >= ended {
                let elapsed = Duration::from_secs(now.abs_diff(ended));
                prop_assert_eq!(remaining.is_zero(), elapsed >= end.wait(cooldown));
            }
        }
    }
}
