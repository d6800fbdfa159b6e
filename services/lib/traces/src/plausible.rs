//! Whether values can be percent. Pure.

use crate::error::{At, BadValue, Side};

/// Measured percentages go a little beyond 100; a sum over cores goes far.
const MOST_PERCENT: f64 = 110.0;
/// Differences of counters go a little below 0.
const LEAST_PERCENT: f64 = -1.0;
/// More impossible values than this share, and than one, are no stray ones.
const MOST_IMPOSSIBLE: f64 = 0.01;
/// The largest share of 1, with some noise.
const MOST_OF_ONE: f64 = 1.01;

/// What is known of the values of a series.
#[derive(Debug, Default)]
pub struct Values {
    all: u64,
    above: Beyond,
    below: Beyond,
}

#[derive(Debug, Default)]
struct Beyond {
    many: u64,
    first: Option<(f64, At)>,
}

impl Beyond {
    fn add(&mut self, value: f64, at: At) {
        self.many += 1;
        self.first.get_or_insert((value, at));
    }
}

impl Values {
    /// One more, in percent.
    pub fn add(&mut self, percent: f64, at: At) {
        self.all += 1;
        if percent > MOST_PERCENT {
            self.above.add(percent, at);
        } else if percent < LEAST_PERCENT {
            self.below.add(percent, at);
        }
    }

    /// The first of those that no percentage has, where there are many.
    pub fn impossible(&self, series: &str) -> Option<(At, BadValue)> {
        let few = (self.all as f64 * MOST_IMPOSSIBLE).max(1.0);
        let sides = [(Side::Above, &self.above), (Side::Below, &self.below)];
        sides.into_iter().find_map(|(side, beyond)| {
            let (value, at) = beyond.first.filter(|_| beyond.many as f64 > few)?;
            let what = BadValue::Impossible {
                series: series.to_owned(),
                many: beyond.many,
                all: self.all,
                value,
                side,
            };
            Some((at, what))
        })
    }
}

/// Whether all values of a source may be shares of 1. Machines of one source are in one unit, so one value above 1 settles
/// it for those that are idle.
#[derive(Debug, Default)]
pub struct Share {
    most: f64,
    first_fraction: Option<At>,
}

impl Share {
    /// One more whose unit nobody said.
    pub fn add(&mut self, value: f64, at: At) {
        self.most = self.most.max(value);
        if value.fract() != 0.0 {
            self.first_fraction.get_or_insert(at);
        }
    }

    /// The first value that may be a share, and the largest, where all may be.
    pub fn is_doubtful(&self) -> Option<(At, f64)> {
        let first = self.first_fraction.filter(|_| self.most <= MOST_OF_ONE)?;
        Some((first, self.most))
    }
}
