//! The cheapest rungs at a price on saturation and one on resizes: an exact dynamic program.

use crate::closed_loop::{
    account::saturated_minutes,
    ladder::{LARGEST, VCPUS, cost},
};

/// What counts besides capacity, in the cost of the largest rung for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// Of a step without enough capacity.
    pub saturated_step: f64,
    /// Of a resize, without the minutes that it takes.
    pub resize: f64,
}

impl Prices {
    /// What one step costs on `rung`.
    pub fn step(&self, demand: f64, rung: usize, resized: bool) -> f64 {
        let resize = if resized { self.resize } else { 0.0 };
        cost(rung) + self.saturated_step * saturated_minutes(demand, rung, resized) / 5.0 + resize
    }
}

const RUNGS: usize = VCPUS.len();

/// The cheapest rungs for `demand`, beginning on any of them. After a step on which the machine was resized comes one on
/// which it isn't.
pub fn cheapest(demand: &[f64], prices: &Prices) -> Vec<usize> {
    let mut costs = [[f64::INFINITY; RUNGS]; 2];
    // For each step and rung: the rung before, for a machine resized there; whether it was resized the step before, for one
    // that wasn't.
    let mut came_from: Vec<[u8; RUNGS]> = Vec::with_capacity(demand.len());
    let mut stayed_from: Vec<[bool; RUNGS]> = Vec::with_capacity(demand.len());
    const STAYED: usize = 0;
    const RESIZED: usize = 1;
    for (step, demand) in demand.iter().enumerate() {
        let mut from = [0_u8; RUNGS];
        let mut after_resize = [false; RUNGS];
        let mut next = [[f64::INFINITY; RUNGS]; 2];
        if step == 0 {
            for (rung, next) in next[STAYED].iter_mut().enumerate() {
                *next = prices.step(*demand, rung, false);
            }
        } else {
            for rung in 0..RUNGS {
                after_resize[rung] = costs[RESIZED][rung] < costs[STAYED][rung];
                next[STAYED][rung] = costs[STAYED][rung].min(costs[RESIZED][rung])
                    + prices.step(*demand, rung, false);
                let others = (0..RUNGS).filter(|other| *other != rung);
                let best = others
                    .min_by(|left, right| costs[STAYED][*left].total_cmp(&costs[STAYED][*right]));
                if let Some(best) = best {
                    from[rung] = best as u8;
                    next[RESIZED][rung] = costs[STAYED][best] + prices.step(*demand, rung, true);
                }
            }
        }
        came_from.push(from);
        stayed_from.push(after_resize);
        costs = next;
    }
    let mut ends = (0..RUNGS).flat_map(|rung| [(STAYED, rung), (RESIZED, rung)]);
    let first = ends.next().unwrap_or((STAYED, LARGEST));
    let (mut how, mut rung) = ends.fold(first, |best, end| {
        if costs[end.0][end.1] < costs[best.0][best.1] {
            end
        } else {
            best
        }
    });
    let mut rungs = vec![LARGEST; demand.len()];
    for step in (0..demand.len()).rev() {
        rungs[step] = rung;
        if how == RESIZED {
            rung = usize::from(came_from[step][rung]);
            how = STAYED;
        } else {
            how = usize::from(stayed_from[step][rung]);
        }
    }
    rungs
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::closed_loop::play::STEPS_BETWEEN;

    fn priced(demand: &[f64], rungs: &[usize], prices: &Prices) -> f64 {
        (0..rungs.len())
            .map(|step| {
                let resized = step > 0 && rungs[step] != rungs[step - 1];
                prices.step(demand[step], rungs[step], resized)
            })
            .sum()
    }

    fn allowed(rungs: &[usize]) -> bool {
        let resized: Vec<usize> = (1..rungs.len())
            .filter(|step| rungs[*step] != rungs[step - 1])
            .collect();
        resized
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= STEPS_BETWEEN)
    }

    /// Every sequence of rungs that is allowed.
    fn all(steps: usize) -> Vec<Vec<usize>> {
        (0..RUNGS.pow(steps as u32))
            .map(|code| {
                (0..steps)
                    .map(|step| code / RUNGS.pow(step as u32) % RUNGS)
                    .collect::<Vec<usize>>()
            })
            .filter(|rungs| allowed(rungs))
            .collect()
    }

    #[test]
    fn no_sequence_of_rungs_is_cheaper_in_a_thousand_small_cases() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let sequences: Vec<Vec<Vec<usize>>> = (0..=5).map(all).collect();
        let mut resized = 0;
        for case in 0..1_000 {
            let steps = random.random_range(1..=5_usize);
            let demand: Vec<f64> = (0..steps).map(|_| random.random_range(0.0..9.0)).collect();
            let prices = Prices {
                saturated_step: random.random_range(0.0..3.0),
                resize: random.random_range(0.0..0.5),
            };
            let found = cheapest(&demand, &prices);
            assert!(allowed(&found), "{case}: {found:?}");
            let cost = priced(&demand, &found, &prices);
            let least = sequences[steps]
                .iter()
                .map(|rungs| priced(&demand, rungs, &prices))
                .fold(f64::INFINITY, f64::min);
            assert!(
                (cost - least).abs() < 1e-9,
                "{case}: {cost} {least} {found:?} {demand:?}"
            );
            resized += usize::from(found.windows(2).any(|pair| pair[0] != pair[1]));
        }
        // Neither is it trivial.
        assert!((200..900).contains(&resized), "{resized}");
    }
}
