//! The past of one machine, as a rule sees it at a step: peaks of its demand, and what days like this one brought at this
//! time.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::step::{DAY, HOUR};

/// Days that a profile is the median of.
const PROFILE_DAYS: usize = 7;
/// With fewer of them there is no profile.
const PROFILE_DAYS_NEEDED: usize = 2;

/// Numbers about a machine's demand in vCPU, each unknown where nothing was seen.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Past {
    /// Of this step.
    pub now: Option<f32>,
    /// Highest of the past hours, this step included.
    pub peak_1h: Option<f32>,
    /// Of 3 hours.
    pub peak_3h: Option<f32>,
    /// Of 6 hours.
    pub peak_6h: Option<f32>,
    /// Of a day.
    pub peak_24h: Option<f32>,
    /// Of a week.
    pub peak_168h: Option<f32>,
    /// Median over the past week's days of the peak of the six hours that followed this time of day.
    pub profile_6h: Option<f32>,
    /// The same of twelve hours.
    pub profile_12h: Option<f32>,
    /// What was forecast at this step.
    pub served: Served,
}

impl Past {
    /// As if there had been, and were forecast to be, as many times the demand.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let scaled = |demand: Option<f32>| demand.map(|demand| (f64::from(demand) * factor) as f32);
        Self {
            now: scaled(self.now),
            peak_1h: scaled(self.peak_1h),
            peak_3h: scaled(self.peak_3h),
            peak_6h: scaled(self.peak_6h),
            peak_24h: scaled(self.peak_24h),
            peak_168h: scaled(self.peak_168h),
            profile_6h: scaled(self.profile_6h),
            profile_12h: scaled(self.profile_12h),
            served: Served {
                peak_60m: scaled(self.served.peak_60m),
                peak_3h: scaled(self.served.peak_3h),
                peak_6h: scaled(self.served.peak_6h),
            },
        }
    }
}

/// Medians that were forecast for the peak of the time to come, in vCPU.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Served {
    pub peak_60m: Option<f32>,
    pub peak_3h: Option<f32>,
    pub peak_6h: Option<f32>,
}

/// A walk over a machine's demand that keeps what the next step's [`Past`] needs, and no more.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Of the past 1, 3, 6, 12, 24 and 168 hours.
    peaks: [Peak; 6],
    profile_6h: Profile,
    profile_12h: Profile,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            peaks: [1, 3, 6, 12, 24, 168].map(|hours| Peak::new(hours * HOUR)),
            profile_6h: Profile::new(6 * HOUR),
            profile_12h: Profile::new(12 * HOUR),
        }
    }
}

impl Walk {
    /// The past at the next step.
    pub fn step(&mut self, demand: Option<f32>, served: Served) -> Past {
        let now = demand.filter(|demand| demand.is_finite());
        let [peak_1h, peak_3h, peak_6h, peak_12h, peak_24h, peak_168h] =
            self.peaks.each_mut().map(|peak| peak.step(now));
        Past {
            now,
            peak_1h,
            peak_3h,
            peak_6h,
            peak_24h,
            peak_168h,
            profile_6h: self.profile_6h.step(peak_6h),
            profile_12h: self.profile_12h.step(peak_12h),
            served,
        }
    }
}

/// The past at every step of a history.
pub fn walk(history: &[Option<f32>]) -> Vec<Past> {
    let mut walk = Walk::default();
    let step = |&demand: &Option<f32>| walk.step(demand, Served::default());
    history.iter().map(step).collect()
}

/// The highest of the last `steps` values.
#[derive(Clone, Debug)]
struct Peak {
    steps: usize,
    seen: usize,
    /// Those that may still become the highest: falling, each with its place.
    falling: VecDeque<(usize, f32)>,
}

impl Peak {
    fn new(steps: usize) -> Self {
        Self {
            steps,
            seen: 0,
            falling: VecDeque::new(),
        }
    }

    fn step(&mut self, value: Option<f32>) -> Option<f32> {
        if let Some(value) = value {
            while self
                .falling
                .pop_back_if(|&mut (_, last)| last <= value)
                .is_some()
            {}
            self.falling.push_back((self.seen, value));
        }
        self.seen += 1;
        let gone = self.seen.saturating_sub(self.steps);
        while self
            .falling
            .pop_front_if(|&mut (place, _)| place < gone)
            .is_some()
        {}
        self.falling.front().map(|&(_, value)| value)
    }
}

/// The median over days of the peak that followed this time of day: what followed a step is the peak of as many hours
/// that ended so much later.
#[derive(Clone, Debug)]
struct Profile {
    steps: usize,
    /// The newest first.
    ended: VecDeque<Option<f32>>,
}

impl Profile {
    fn new(steps: usize) -> Self {
        Self {
            steps,
            ended: VecDeque::with_capacity(PROFILE_DAYS * DAY),
        }
    }

    fn step(&mut self, peak: Option<f32>) -> Option<f32> {
        self.ended.truncate(PROFILE_DAYS * DAY - self.steps);
        self.ended.push_front(peak);
        let mut days = [0.0; PROFILE_DAYS];
        let mut known = 0;
        for day in 1..=PROFILE_DAYS {
            if let Some(&Some(peak)) = self.ended.get(day * DAY - self.steps) {
                days[known] = peak;
                known += 1;
            }
        }
        median(&mut days[..known])
    }
}

/// The middle one, or the mean of the two in the middle; `None` of too few days.
fn median(days: &mut [f32]) -> Option<f32> {
    if days.len() < PROFILE_DAYS_NEEDED {
        return None;
    }
    days.sort_unstable_by(f32::total_cmp);
    let middle = days.len() / 2;
    Some(if days.len().is_multiple_of(2) {
        f32::midpoint(days[middle - 1], days[middle])
    } else {
        days[middle]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same numbers, each looked up anew.
    fn naive(history: &[Option<f32>], at: usize) -> Past {
        let peak = |end: usize, hours: usize| {
            let begin = (end + 1).saturating_sub(hours * HOUR);
            let window = history[begin..=end].iter().flatten().copied();
            window.max_by(f32::total_cmp)
        };
        let profile = |hours: usize| {
            let days = (1..=PROFILE_DAYS).filter_map(|day| {
                // The hours that followed this time of day, so many days ago.
                let then = at.checked_sub(day * DAY - hours * HOUR)?;
                peak(then, hours)
            });
            let mut days: Vec<f32> = days.collect();
            days.sort_by(f32::total_cmp);
            let middle = days.len() / 2;
            match days.len() {
                0 | 1 => None,
                even if even % 2 == 0 => Some((days[middle - 1] + days[middle]) / 2.0),
                _ => Some(days[middle]),
            }
        };
        Past {
            now: history[at],
            peak_1h: peak(at, 1),
            peak_3h: peak(at, 3),
            peak_6h: peak(at, 6),
            peak_24h: peak(at, 24),
            peak_168h: peak(at, 168),
            profile_6h: profile(6),
            profile_12h: profile(12),
            served: Served::default(),
        }
    }

    /// A history with days, noise and holes of many lengths.
    fn history() -> impl Strategy<Value = Vec<Option<f32>>> {
        (
            prop::collection::vec(
                (0.0..8.0_f32, 1..200_usize, prop::bool::weighted(0.8)),
                1..40,
            ),
            0.0..1.0_f32,
        )
            .prop_map(|(parts, noise)| {
                let mut history = Vec::new();
                for (level, steps, known) in parts {
                    for step in 0..steps {
                        let wave = (history.len() * 7 + step) % 13;
                        history.push(known.then_some(level + noise * wave as f32));
                    }
                }
                history
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_walk_sees_what_looking_up_each_number_sees(history in history(), from in 0.0..1.0_f64) {
            let track = walk(&history);
            let first = (history.len() as f64 * from) as usize;
            for at in (first..history.len()).step_by(17) {
                prop_assert_eq!(track[at], naive(&history, at), "at {}", at);
            }
        }
    }

    #[test]
    fn a_profile_is_what_the_days_before_brought_after_this_time() {
        // Three days with a peak at noon, of 2, 6 and 4 vCPU.
        let history: Vec<Option<f32>> = (0..3 * DAY)
            .map(|step| {
                let noon = step % DAY == DAY / 2;
                Some(if noon {
                    [2.0, 6.0, 4.0][step / DAY]
                } else {
                    1.0
                })
            })
            .collect();
        let track = walk(&history);
        let at = |day: usize, hour: usize| track[day * DAY + hour * HOUR];
        // One day is no profile.
        assert_eq!(at(1, 8).profile_6h, None);
        assert_eq!(at(2, 8).profile_6h, Some(4.0));
        assert_eq!(at(2, 2).profile_6h, Some(1.0));
        assert_eq!(at(2, 2).profile_12h, Some(4.0));
        assert_eq!(at(2, 13).profile_12h, Some(1.0));
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        let track = walk(&[Some(f32::NAN), Some(1.0), None, Some(f32::INFINITY)]);
        assert_eq!(track[0], Past::default());
        assert_eq!((track[3].now, track[3].peak_1h), (None, Some(1.0)));
    }
}
