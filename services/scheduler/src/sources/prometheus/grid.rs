//! The times at which series are read, and which of them a tick asks for. Pure.
//!
//! History lies on one grid, which the first tick sets: what was read once is what a later reading of the whole window would
//! give, whenever ticks come. A tick between two points of the grid asks for the present beside it.

use prometheus_api::Range;

/// Late values, of a store that was behind say, are seen when they are no later than this, seconds,
const LATE_SECONDS: u32 = 3_600;
/// or so many steps.
const LATE_STEPS: u32 = 12;
/// A tick that is late by this share of a step is still at a point of the grid.
const JITTER: u32 = 60;

/// `phase`, `phase + step`, … in seconds since the Unix epoch, in both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Any point of it.
    pub phase: i64,
    /// From one point to the next.
    pub step_seconds: u32,
}

/// What a tick asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The whole window.
    pub window: Range,
    /// The part of it that is not known, or may have changed.
    pub missing: Range,
    /// The present, where it is no point of the grid.
    pub present: Option<Range>,
    /// What is before this is not asked for again, as long as ticks go well.
    pub settled: i64,
}

impl Plan {
    /// The last `seconds` of it, or less.
    pub fn shortened(self, seconds: u32) -> Self {
        let step = i64::from(self.missing.step_seconds);
        let start = self.missing.end - i64::from(seconds) / step * step;
        Self {
            missing: Range {
                start: self.missing.start.max(start),
                ..self.missing
            },
            ..self
        }
    }
}

impl Grid {
    /// The plan of a tick at `end` whose window is `seconds` long, when all is known up to `until`.
    pub fn plan(&self, until: Option<i64>, end: i64, seconds: u32) -> Plan {
        let step = i64::from(self.step_seconds);
        let since_last = (end - self.phase).rem_euclid(step);
        let last = end - since_last;
        let window = self.range(last, i64::from(seconds) / step);
        let late = LATE_SECONDS.max(LATE_STEPS.saturating_mul(self.step_seconds));
        let overlap = i64::from(late.div_ceil(self.step_seconds)) * step;
        // What was read while the clock was wrong is no past.
        let usual = -overlap..=i64::from(seconds) / 2;
        let known = until.filter(|until| usual.contains(&(last - until)));
        let missing = known.map_or(window, |until| Range {
            start: (until.min(last) - overlap).max(window.start),
            ..window
        });
        Plan {
            window,
            missing,
            present: (since_last > step / i64::from(JITTER)).then_some(Range {
                start: end,
                end,
                step_seconds: self.step_seconds,
            }),
            settled: last - overlap - step,
        }
    }

    fn range(&self, end: i64, steps: i64) -> Range {
        Range {
            start: end - steps * i64::from(self.step_seconds),
            end,
            step_seconds: self.step_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid {
        phase: 1_000_000,
        step_seconds: 300,
    };

    /// Start and end of what is missing, and whether the present is asked for, all from the phase on.
    fn plan(until: Option<i64>, end: i64) -> (i64, i64, Option<i64>) {
        let plan = GRID.plan(
            until.map(|until| GRID.phase + until),
            GRID.phase + end,
            172_800,
        );
        assert_eq!(plan.window.end - plan.window.start, 172_800);
        assert_eq!(plan.window.end, plan.missing.end);
        let from = |at: i64| at - GRID.phase;
        let present = plan.present.map(|present| from(present.start));
        (from(plan.missing.start), from(plan.missing.end), present)
    }

    #[test]
    fn a_tick_asks_for_what_is_missing_and_an_hour_before_it() {
        assert_eq!(plan(None, 0), (-172_800, 0, None));
        assert_eq!(plan(Some(0), 300), (-3_600, 300, None));
        assert_eq!(
            plan(Some(0), 7_500),
            (-3_600, 7_500, None),
            "after failures"
        );
        assert_eq!(plan(Some(0), 86_400), (-3_600, 86_400, None));
        assert_eq!(plan(Some(0), 86_700), (86_700 - 172_800, 86_700, None));
        assert_eq!(
            plan(Some(9_000), 300),
            (300 - 172_800, 300, None),
            "a clock that was wrong"
        );
        assert_eq!(
            plan(Some(600), 300),
            (300 - 3_600, 300, None),
            "a clock set back"
        );
    }

    #[test]
    fn the_present_is_asked_for_between_two_points() {
        assert_eq!(plan(Some(0), 305), (-3_600, 300, None));
        assert_eq!(plan(Some(0), 306), (-3_600, 300, Some(306)));
        assert_eq!(plan(Some(0), 10), (-3_600, 0, Some(10)));
        assert_eq!(plan(Some(0), -10), (-3_900, -300, Some(-10)));
        assert_eq!(plan(None, 599), (300 - 172_800, 300, Some(599)));
    }

    #[test]
    fn a_shortened_plan_asks_for_the_last_hours_on_the_same_grid() {
        let short = |until| {
            let plan = GRID.plan(until, GRID.phase + 10, 172_800).shortened(7_500);
            (plan.missing.start - GRID.phase, plan.present.is_some())
        };
        assert_eq!(short(None), (-7_500, true));
        assert_eq!(short(Some(GRID.phase - 300)), (-3_900, true));
    }

    #[test]
    fn the_grid_is_left_by_no_step_or_window() {
        for (step_seconds, seconds) in [(7, 3_600), (3_600, 86_400), (1, 10), (300, 300)] {
            let grid = Grid {
                phase: 3,
                step_seconds,
            };
            for until in [None, Some(3 + 5 * i64::from(step_seconds))] {
                let plan = grid.plan(until, 100_000, seconds);
                for at in [plan.missing.start, plan.missing.end, plan.window.start] {
                    assert_eq!((at - 3) % i64::from(step_seconds), 0);
                }
                assert!(plan.missing.start >= plan.window.start);
            }
        }
    }
}
