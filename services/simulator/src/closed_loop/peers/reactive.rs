//! Two thresholds on the present CPU, as alarms of CloudWatch are set up: one rung up above 75 %, one down below 30 %.

use crate::closed_loop::{
    ladder::{LARGEST, capacity},
    policy::{Moment, Policy},
};

/// Follows the last step.
#[derive(Clone, Copy, Debug)]
pub struct Reactive {
    pub up_above: f64,
    pub down_below: f64,
}

impl Default for Reactive {
    fn default() -> Self {
        Self {
            up_above: 0.75,
            down_below: 0.3,
        }
    }
}

impl Policy for Reactive {
    fn choose(&mut self, moment: &Moment<'_>) -> usize {
        let used = moment.now() / capacity(moment.rung);
        if used > self.up_above {
            (moment.rung + 1).min(LARGEST)
        } else if used < self.down_below {
            moment.rung.saturating_sub(1)
        } else {
            moment.rung
        }
    }
}
