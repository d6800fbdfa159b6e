//! Machines that never were: weighted means of two that did run. There are few recorded machines, and a model that is to
//! serve unknown ones learns more from many kinds of load than from many rows of the same kind.
//!
//! Mixup of series, as in Ansari et al., 2024, "Chronos: Learning the Language of Time Series", algorithm 1, with two
//! series and without their scaling: all are in percent of capacity.

use forecasting::series::history::History;

use super::random::Random;
use crate::evaluate::origins::{first_scored, moves};

/// The share of the first of two: no less than this, so that the mixture is like neither.
const LEAST_SHARE: f64 = 0.3;

/// The histories paired at random, each once, over what both may be learned from.
pub fn mixtures(histories: &[&History], random: &mut Random) -> Vec<History> {
    let mut order: Vec<&History> = histories.to_vec();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
        .chunks_exact(2)
        .filter(|pair| pair[0].step_seconds() == pair[1].step_seconds())
        .map(|pair| mean(pair[0], pair[1], random))
        .filter(moves)
        .collect()
}

fn mean(left: &History, right: &History, random: &mut Random) -> History {
    let share = LEAST_SHARE + random.share() * (1.0 - 2.0 * LEAST_SHARE);
    let points = first_scored(left).min(first_scored(right));
    let values = (0..points)
        .map(|index| {
            let mean = share * left.observed(index) + (1.0 - share) * right.observed(index);
            mean as f32
        })
        .collect();
    History::new(left.step_seconds(), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_mixed_once_and_only_in_the_training_part() {
        let histories: Vec<History> = (0..8_usize)
            .map(|machine| {
                let value = |point: usize| (machine * 10 + point % 2) as f32;
                History::new(300, (0..100 + machine).map(value).collect())
            })
            .collect();
        let histories: Vec<&History> = histories.iter().collect();
        let mixtures = mixtures(&histories, &mut Random::new(1));
        assert_eq!(mixtures.len(), 4);
        for mixture in &mixtures {
            assert!((60..=64).contains(&mixture.len()), "{}", mixture.len());
            let value = mixture.observed(30);
            assert!((3.0..=67.0).contains(&value), "{value}");
        }
        let first_values = |seed| -> Vec<f64> {
            super::mixtures(&histories, &mut Random::new(seed))
                .iter()
                .map(|mixture| mixture.observed(0))
                .collect()
        };
        assert_eq!(first_values(1), first_values(1));
        assert_ne!(first_values(1), first_values(2));
    }

    #[test]
    fn what_one_did_not_observe_is_unknown_and_other_steps_do_not_mix() {
        let values =
            |base: f32| -> Vec<f32> { (0..50).map(|point| base + (point % 3) as f32).collect() };
        let mut gapped = values(10.0);
        gapped[5] = f32::NAN;
        let (gap, whole) = (History::new(60, gapped), History::new(60, values(20.0)));
        let mixed = mixtures(&[&gap, &whole], &mut Random::new(3));
        assert!(mixed[0].observed(5).is_nan());
        assert!((13.0..=17.0).contains(&mixed[0].observed(6)));
        let other = History::new(300, values(20.0));
        assert!(mixtures(&[&whole, &other], &mut Random::new(3)).is_empty());
        assert!(mixtures(&[&whole], &mut Random::new(3)).is_empty());
    }
}
