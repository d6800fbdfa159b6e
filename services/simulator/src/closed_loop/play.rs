//! Takes a machine through its demand as a policy says.

use crate::closed_loop::{
    demand::Demand,
    forecasts::Forecasts,
    ladder::LARGEST,
    policy::{Moment, Policy},
};

/// From one resize to the next there are at least so many steps.
pub const STEPS_BETWEEN: usize = 2;

/// The rung of each scored step. The machine begins on the largest rung, at the first step of the series; what is decided at
/// one step is so from the next one on.
pub fn play(demand: &Demand, forecasts: Option<&Forecasts>, policy: &mut dyn Policy) -> Vec<usize> {
    let mut rungs = Vec::with_capacity(demand.scored().len());
    let (mut rung, mut since_resize) = (LARGEST, None);
    for step in 0..demand.vcpus.len() {
        let asked = policy.choose(&Moment {
            demand: &demand.vcpus[..=step],
            seconds: &demand.cells.seconds[..=step],
            observed: &demand.cells.observed[..=step],
            rung,
            since_resize,
            forecast: forecasts.and_then(|known| known.at(step, demand.vcpus_per_percent)),
        });
        if step >= demand.first_scored {
            rungs.push(rung);
        }
        let free = since_resize.is_none_or(|since| since + 1 >= STEPS_BETWEEN);
        if free && asked != rung && asked <= LARGEST {
            rung = asked;
            since_resize = Some(0);
        } else {
            since_resize = since_resize.map(|since| since + 1);
        }
    }
    rungs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_loop::cells::Cells;

    fn demand(steps: usize, first_scored: usize) -> Demand {
        let seconds: Vec<i64> = (0..steps as i64).map(|step| step * 300).collect();
        let vcpus: Vec<f64> = (0..steps).map(|step| step as f64).collect();
        Demand {
            source: "s".to_owned(),
            name: "m".to_owned(),
            cells: Cells::of(&seconds, &vcpus),
            vcpus_per_percent: 1.0,
            vcpus,
            first_scored,
        }
    }

    /// Asks for what is written down, and writes down what it was shown.
    struct Script {
        asked: Vec<usize>,
        shown: Vec<(f64, usize, Option<usize>)>,
    }

    impl Policy for Script {
        fn choose(&mut self, moment: &Moment<'_>) -> usize {
            assert_eq!(moment.demand.len(), moment.seconds.len());
            self.shown
                .push((moment.now(), moment.rung, moment.since_resize));
            self.asked[self.shown.len() - 1]
        }
    }

    #[test]
    fn what_is_decided_acts_a_step_later_and_not_twice_within_two_steps() {
        let mut script = Script {
            asked: vec![1, 2, 2, 2, 0, 0, 3],
            shown: Vec::new(),
        };
        let rungs = play(&demand(7, 0), None, &mut script);
        assert_eq!(rungs, [3, 1, 1, 2, 2, 0, 0]);
        let none = None;
        assert_eq!(
            script.shown,
            [
                (0.0, 3, none),
                (1.0, 1, Some(0)),
                (2.0, 1, Some(1)),
                (3.0, 2, Some(0)),
                (4.0, 2, Some(1)),
                (5.0, 0, Some(0)),
                (6.0, 0, Some(1)),
            ]
        );
    }

    #[test]
    fn what_comes_before_scoring_is_played_and_not_scored() {
        let mut script = Script {
            asked: vec![0, 0, 0, 9, 9],
            shown: Vec::new(),
        };
        assert_eq!(play(&demand(5, 2), None, &mut script), [0, 0, 0]);
    }
}
