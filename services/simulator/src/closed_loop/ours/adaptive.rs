//! The adaptive strategy: each machine runs the rule that would have been cheapest on its own past.

use sizing::{
    appetite::Prices,
    past::{Past, Served, Walk},
    pool,
    replay::Accounting,
    review::review,
    rule::{Place, Rule},
    rungs::Rungs,
};

use crate::closed_loop::{
    cells::STEPS_A_DAY,
    forecasts::Answer,
    ladder::{VCPUS, saturates},
    policy::{Moment, Policy},
};

/// A machine is left alone until it has shown a day.
const YOUNG_STEPS: usize = STEPS_A_DAY;
/// Steps between two reviews.
const REVIEWED_EVERY: usize = STEPS_A_DAY / 2;
/// What a review looks at: its ten days, and one before them.
const LOOKED_AT: usize = 11 * STEPS_A_DAY;

/// One machine under review.
#[derive(Clone, Debug)]
pub struct Adaptive {
    prices: Prices,
    /// `None` would be a ladder that is none.
    rungs: Option<Rungs>,
    pool: Vec<Rule>,
    rule: Rule,
    walk: Walk,
    track: Vec<Past>,
    /// Saturated steps in a row on this rung.
    saturated: u32,
}

impl Adaptive {
    /// With these prices.
    pub fn new(prices: Prices) -> Self {
        Self {
            prices,
            rungs: Rungs::new(&VCPUS, &VCPUS),
            pool: pool::measured(),
            rule: Rule::Fit(pool::COMMON),
            walk: Walk::default(),
            track: Vec::new(),
            saturated: 0,
        }
    }
}

impl Policy for Adaptive {
    fn choose(&mut self, moment: &Moment<'_>) -> usize {
        let served = moment.forecast.map(|answer| served(&answer));
        let now = moment.observed.last() == Some(&true);
        let demand = now.then(|| moment.now() as f32);
        let past = self.walk.step(demand, served.unwrap_or_default());
        self.track.push(past);
        let resized = moment.since_resize == Some(0);
        self.saturated = match (saturates(moment.now(), moment.rung), resized) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => self.saturated + 1,
        };
        let steps = self.track.len();
        let Some(rungs) = self.rungs.as_ref().filter(|_| steps >= YOUNG_STEPS) else {
            return moment.rung;
        };
        if steps.is_multiple_of(REVIEWED_EVERY) {
            let seen = &self.track[steps.saturating_sub(LOOKED_AT)..];
            if let Some(review) = review(seen, &self.pool, rungs, &self.prices, self.rule) {
                self.rule = review.chosen.rule;
            }
        }
        let since_resize = moment
            .since_resize
            .map_or(u32::MAX, |since| u32::try_from(since).unwrap_or(u32::MAX));
        if since_resize < Accounting::default().steps_between {
            return moment.rung;
        }
        let place = Place {
            rung: moment.rung,
            since_resize,
            saturated: self.saturated,
        };
        let wish = self.rule.wish(&past, place, rungs);
        wish.unwrap_or(moment.rung)
    }
}

/// The medians that rules know.
fn served(answer: &Answer<'_>) -> Served {
    let median = |hours: u32| {
        let peak = answer.peak_quantile(hours * 3_600, 0.5);
        peak.map(|peak| peak as f32).filter(|peak| peak.is_finite())
    };
    Served {
        peak_60m: median(1),
        peak_3h: median(3),
        peak_6h: median(6),
    }
}

#[cfg(test)]
mod tests {
    use sizing::appetite::Appetite;

    use super::*;
    use crate::closed_loop::{account::Account, cells::Cells, demand::Demand, play::play};

    #[test]
    fn a_machine_that_works_by_day_comes_to_a_rule_of_its_own() {
        // 6 vCPU for ten hours, 0.6 at night, three weeks long.
        let vcpus: Vec<f64> = (0..6_048)
            .map(|step| {
                if (96..216).contains(&(step % 288)) {
                    6.0
                } else {
                    0.6
                }
            })
            .collect();
        let seconds: Vec<i64> = (0..6_048).map(|step| step * 300).collect();
        let demand = Demand {
            source: "s".to_owned(),
            name: "m".to_owned(),
            cells: Cells::of(&seconds, &vcpus),
            vcpus_per_percent: 1.0,
            vcpus,
            first_scored: 1_814,
        };
        let account = |appetite: Appetite| {
            let mut policy = Adaptive::new(appetite.prices());
            let rungs = play(&demand, None, &mut policy);
            Account::of(demand.scored(), &rungs)
        };
        // Up and down once a day, a step late each morning: less than a step of 288 is saturated.
        let thrifty = account(Appetite::Thrifty);
        assert!(thrifty.cost < 0.8, "{thrifty:?}");
        assert!(thrifty.saturated < 0.01, "{thrifty:?}");
        assert!((1.0..2.5).contains(&thrifty.resizes_a_day), "{thrifty:?}");
        assert!(account(Appetite::Careful).resizes_a_day <= thrifty.resizes_a_day);
    }
}
