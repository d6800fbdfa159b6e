//! A replay: what a rule would have cost on a machine's past.

use serde::{Deserialize, Serialize};

use crate::{
    past::Past,
    rule::{Place, Rule},
    rungs::Rungs,
    step::{self, DAY},
};

/// How a replay counts.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Accounting {
    /// Share of its capacity above which a machine is saturated.
    pub saturated_above: f64,
    /// Share of its capacity from which on steps in a row send it up, as the service sees it: CPU is at 95 %.
    pub sent_up_from: f64,
    /// Seconds without capacity that a resize takes.
    pub resize_seconds: f64,
    /// Whole steps between two resizes, at least.
    pub steps_between: u32,
}

impl Default for Accounting {
    fn default() -> Self {
        Self {
            saturated_above: 0.9,
            sent_up_from: 0.95,
            resize_seconds: 120.0,
            steps_between: 2,
        }
    }
}

/// What a rule cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Bill {
    pub steps: u32,
    /// Mean price, as a share of the largest rung's.
    pub cost: f64,
    /// Share of the time that was saturated or went into resizes.
    pub saturated: f64,
    pub resizes: u32,
}

impl Bill {
    /// On average.
    pub fn resizes_a_day(&self) -> f64 {
        f64::from(self.resizes) * DAY as f64 / f64::from(self.steps.max(1))
    }
}

/// A machine in a replay. What is decided at one step is done at the next.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    rungs: &'a Rungs,
    accounting: &'a Accounting,
    /// vCPU of each rung.
    capacities: Vec<f64>,
    place: Place,
    wish: Option<usize>,
}

/// What one step was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub rung: usize,
    /// The rung became another one.
    pub resized: bool,
    /// Share of the step that was saturated or without capacity.
    pub saturated: f64,
}

impl<'a> Machine<'a> {
    pub fn new(rungs: &'a Rungs, accounting: &'a Accounting, place: Place) -> Self {
        Self {
            rungs,
            accounting,
            capacities: (0..=rungs.largest())
                .map(|rung| rungs.capacity(rung))
                .collect(),
            place: Place {
                rung: place.rung.min(rungs.largest()),
                ..place
            },
            wish: None,
        }
    }

    /// One step under a rule.
    pub fn step(&mut self, rule: &Rule, past: &Past) -> Step {
        let place = &mut self.place;
        place.since_resize = place.since_resize.saturating_add(1);
        let resized = self.wish.is_some();
        if let Some(rung) = self.wish {
            *place = Place {
                rung,
                since_resize: 0,
                saturated: 0,
            };
        }
        let share = past
            .now
            .map(|now| f64::from(now) / self.capacities[place.rung]);
        place.saturated = match share {
            Some(share) if share >= self.accounting.sent_up_from => {
                place.saturated.saturating_add(1)
            }
            _ => 0,
        };
        let saturated = match share {
            Some(share) if share > self.accounting.saturated_above => 1.0,
            _ if resized => self.accounting.resize_seconds / f64::from(step::SECONDS),
            _ => 0.0,
        };
        self.wish = if place.since_resize < self.accounting.steps_between {
            None
        } else {
            rule.wish(past, *place, self.rungs)
        };
        Step {
            rung: place.rung,
            resized,
            saturated,
        }
    }
}

/// Replays `rule` over a past, from a place. The first `warm_up` steps are done, but not counted.
pub fn replay(
    rule: &Rule,
    track: &[Past],
    rungs: &Rungs,
    accounting: &Accounting,
    start: Place,
    warm_up: usize,
) -> Bill {
    let mut machine = Machine::new(rungs, accounting, start);
    let mut bill = Bill::default();
    for (position, past) in track.iter().enumerate() {
        let done = machine.step(rule, past);
        if position < warm_up {
            continue;
        }
        bill.steps += 1;
        bill.cost += rungs.cost(done.rung);
        bill.saturated += done.saturated;
        bill.resizes += u32::from(done.resized);
    }
    let steps = f64::from(bill.steps.max(1));
    Bill {
        cost: bill.cost / steps,
        saturated: bill.saturated / steps,
        ..bill
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        past::walk,
        pool,
        rule::{Fit, Need, Quiet},
    };

    fn rungs() -> Rungs {
        Rungs::new(&[1.0, 2.0, 4.0, 8.0], &[1.0, 2.0, 4.0, 8.0]).unwrap()
    }

    fn at(rung: usize) -> Place {
        Place {
            rung,
            since_resize: 1_000,
            saturated: 0,
        }
    }

    #[test]
    fn a_step_decides_for_the_next_and_a_resize_costs_two_minutes() {
        let rule = Rule::Fit(Fit {
            up: Need::Now,
            up_target: 1.0,
            down: Quiet::Past1h,
            down_target: 0.95,
            hold_steps: 3,
        });
        // 0.95 is saturated on one vCPU and no need; 1.5 is both; 0.5 comes back down three steps after the resize, when
        // the past hour has forgotten 1.5.
        let mut demand = vec![Some(0.95), Some(1.5), Some(0.5)];
        demand.resize(20, Some(0.5));
        let track = walk(&demand);
        let (rungs, accounting) = (rungs(), Accounting::default());
        let mut machine = Machine::new(&rungs, &accounting, at(0));
        let steps: Vec<Step> = track.iter().map(|past| machine.step(&rule, past)).collect();
        let expected = |rung, resized, saturated| Step {
            rung,
            resized,
            saturated,
        };
        assert_eq!(steps[0], expected(0, false, 1.0));
        assert_eq!(steps[1], expected(0, false, 1.0));
        assert_eq!(steps[2], expected(1, true, 0.4));
        assert_eq!(steps[3], expected(1, false, 0.0));
        // 1.5 leaves the past hour at step 13.
        assert_eq!(steps[13].rung, 1);
        assert_eq!(steps[14], expected(0, true, 0.4));

        let bill = replay(&rule, &track, &rungs, &accounting, at(0), 0);
        assert_eq!((bill.steps, bill.resizes), (20, 2));
        let cost = (8.0 * 1.0 + 12.0 * 2.0) / 8.0 / 20.0;
        assert!((bill.cost - cost).abs() < 1e-12, "{bill:?}");
        assert!((bill.saturated - 2.8 / 20.0).abs() < 1e-12, "{bill:?}");
        let later = replay(&rule, &track, &rungs, &accounting, at(0), 14);
        assert_eq!((later.steps, later.resizes), (6, 1));
    }

    #[test]
    fn resizes_keep_two_whole_steps_between_them() {
        let rule = Rule::Fit(Fit {
            up: Need::Now,
            up_target: 0.9,
            down: Quiet::Past1h,
            down_target: 0.9,
            hold_steps: 0,
        });
        // It doubles at each step.
        let track = walk(&[0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0].map(Some));
        let (rungs, accounting) = (rungs(), Accounting::default());
        let mut machine = Machine::new(&rungs, &accounting, at(0));
        let resized: Vec<bool> = track
            .iter()
            .map(|past| machine.step(&rule, past).resized)
            .collect();
        assert_eq!(
            resized,
            [false, false, true, false, false, true, false, false]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_same_past_has_the_same_bill_within_bounds(
            demand in prop::collection::vec(prop_oneof![1 => Just(None), 9 => (0.0..9.0_f32).prop_map(Some)], 1..600),
            rule in prop::sample::select(pool::measured()),
            rung in 0..4_usize,
        ) {
            let track = walk(&demand);
            let (rungs, accounting) = (rungs(), Accounting::default());
            let bill = replay(&rule, &track, &rungs, &accounting, at(rung), 0);
            prop_assert_eq!(bill, replay(&rule, &track, &rungs, &accounting, at(rung), 0));
            prop_assert!((0.125..=1.0).contains(&bill.cost), "{:?}", bill);
            prop_assert!((0.0..=1.0).contains(&bill.saturated), "{:?}", bill);
            prop_assert!(bill.resizes <= bill.steps / 3 + 1, "{:?}", bill);
        }
    }
}
