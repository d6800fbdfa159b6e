//! How others choose sizes. None of them knows this program; their figures are what it is compared with.

pub mod fixed;
pub mod peak_hold;
pub mod reactive;
pub mod seed;
pub mod trailing;
pub mod vpa;

#[cfg(test)]
mod tests {
    use super::{
        fixed, peak_hold::PeakHold, reactive::Reactive, seed::Seed, trailing::Trailing, vpa::Vpa,
    };
    use crate::closed_loop::{cells::Cells, demand::Demand, play::play, policy::Policy};

    /// `low` vCPU, and `high` at every `every`-th step.
    fn demand(low: f64, high: f64, every: usize) -> Demand {
        let vcpus: Vec<f64> = (0..4_000)
            .map(|step| if step % every == 0 { high } else { low })
            .collect();
        let seconds: Vec<i64> = (0..4_000).map(|step| step * 300).collect();
        Demand {
            source: "s".to_owned(),
            name: "m".to_owned(),
            cells: Cells::of(&seconds, &vcpus),
            vcpus_per_percent: 1.0,
            vcpus,
            first_scored: 2_000,
        }
    }

    /// The rung at the end, and the resizes on the way.
    fn ends(demand: &Demand, mut policy: impl Policy) -> (usize, usize) {
        let rungs = play(demand, None, &mut policy);
        let resizes = rungs.windows(2).filter(|pair| pair[0] != pair[1]).count();
        (rungs[rungs.len() - 1], resizes)
    }

    #[test]
    fn percentiles_forget_what_is_rare_and_keep_what_is_not() {
        // 3.3 vCPU in 2 of 100 steps, and in 10 of them.
        for (every, trailing, p95, p90) in [(50, 1, 1, 1), (10, 3, 2, 1), (8, 3, 2, 2)] {
            let demand = demand(1.2, 3.3, every);
            assert_eq!(ends(&demand, Trailing::default()), (trailing, 0), "{every}");
            assert_eq!(ends(&demand, Vpa::new(0.95)), (p95, 0), "{every}");
            assert_eq!(ends(&demand, Vpa::new(0.9)).0, p90, "{every}");
        }
    }

    #[test]
    fn a_peak_is_held_for_an_hour_and_growth_on_top() {
        // A peak every 12 steps is always in the hour; one a day is usual only to those who look further.
        assert_eq!(ends(&demand(0.5, 3.0, 12), PeakHold::default()), (2, 0));
        let (rung, resizes) = ends(&demand(0.5, 3.0, 288), PeakHold::default());
        assert_eq!(rung, 0);
        assert!(resizes >= 12, "{resizes}");
    }

    #[test]
    fn the_reactive_go_after_every_step() {
        let demand = demand(0.2, 3.0, 48);
        let (_, reactive) = ends(&demand, Reactive::default());
        let (_, seed) = ends(&demand, Seed);
        // 41 times up and down again.
        assert!(reactive >= 80, "{reactive}");
        assert!((60..=reactive).contains(&seed), "{seed}");
    }

    #[test]
    fn the_best_fixed_rung_is_the_smallest_that_would_have_done() {
        let demand = demand(0.5, 3.0, 200);
        for (share, rung) in [(0.001, 2), (0.01, 0)] {
            let rungs = fixed::best(&demand, share);
            assert_eq!((rungs.len(), rungs[0]), (2_000, rung), "{share}");
        }
    }
}
