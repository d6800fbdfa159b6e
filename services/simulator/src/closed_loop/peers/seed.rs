//! The seed's rule without guards: what is forecast for the next minutes, above 75 % one rung up, below 30 % one down, then
//! ten minutes of rest. Without a forecast it takes the present for one, as persistence would.

use crate::closed_loop::{
    ladder::{LARGEST, capacity},
    policy::{Moment, Policy},
};

const UP_ABOVE: f64 = 0.75;
const DOWN_BELOW: f64 = 0.3;
/// 600 seconds.
const COOLDOWN_STEPS: usize = 2;

/// Follows the forecast.
#[derive(Clone, Copy, Debug)]
pub struct Seed;

impl Policy for Seed {
    fn choose(&mut self, moment: &Moment<'_>) -> usize {
        if moment
            .since_resize
            .is_some_and(|since| since < COOLDOWN_STEPS)
        {
            return moment.rung;
        }
        let coming = moment
            .forecast
            .and_then(|forecast| forecast.level_quantile(0, 0.5))
            .unwrap_or_else(|| moment.now());
        let used = coming / capacity(moment.rung);
        if used > UP_ABOVE {
            (moment.rung + 1).min(LARGEST)
        } else if used < DOWN_BELOW {
            moment.rung.saturating_sub(1)
        } else {
            moment.rung
        }
    }
}
