//! A review: which rule would have been cheapest over a machine's own past.

use serde::{Deserialize, Serialize};

use crate::{
    appetite::Prices,
    past::Past,
    replay::{Accounting, Bill, replay},
    rule::{Place, Rule},
    rungs::Rungs,
    step::DAY,
};

/// Steps that a replay is counted over.
pub const REVIEWED: usize = 10 * DAY;
/// Steps before those, in which a rule finds its place.
const WARM_UP: usize = DAY;
/// Steps that must be known: of a window of two days, in which every time of day came twice, a quarter may be missing.
pub const NEEDED: usize = 2 * DAY * 3 / 4;
/// Share of the largest rung's price that another rule must save.
pub const GAIN: f64 = 0.02;

/// The result of a review.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Review {
    /// The rule to run from now on.
    pub chosen: Candidate,
    /// The rule until now.
    pub before: Candidate,
    /// All rules with their bills, the cheapest first.
    pub candidates: Vec<Candidate>,
}

/// A rule with what it would have cost.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Candidate {
    pub rule: Rule,
    pub bill: Bill,
    /// All of the bill at the prices of the review, as a share of the largest rung all the time.
    pub total: f64,
}

impl Review {
    /// Whether another rule is to be run than before.
    pub fn is_change(&self) -> bool {
        self.chosen.rule != self.before.rule
    }

    /// Why, with the numbers.
    pub fn why(&self) -> String {
        let best = self.candidates.first().unwrap_or(&self.chosen);
        let days = f64::from(self.chosen.bill.steps) / DAY as f64;
        let over = format!("over {days:.1} days");
        if self.is_change() {
            format!(
                "{over} {} would have cost {}; {} until now {}",
                self.chosen.rule,
                self.chosen.words(),
                self.before.rule,
                self.before.words()
            )
        } else if best.rule == self.chosen.rule {
            format!("{over} {} cost least: {}", best.rule, best.words())
        } else {
            format!(
                "{over} {} would have saved less than {GAIN}: {} instead of {}",
                best.rule,
                best.words(),
                self.chosen.words()
            )
        }
    }
}

impl Candidate {
    fn words(&self) -> String {
        format!(
            "{:.3} in all ({:.3} for capacity, {:.2} % saturated, {:.2} resizes a day)",
            self.total,
            self.bill.cost,
            self.bill.saturated * 100.0,
            self.bill.resizes_a_day()
        )
    }
}

/// Replays every rule over the past and chooses the cheapest; `current` stays unless that saves enough. `None` where the
/// past is too short.
pub fn review(
    track: &[Past],
    pool: &[Rule],
    rungs: &Rungs,
    prices: &Prices,
    current: Rule,
) -> Option<Review> {
    let known = track.iter().filter(|past| past.now.is_some()).count();
    if known < NEEDED {
        return None;
    }
    let begin = track.len().saturating_sub(REVIEWED + WARM_UP);
    let warm_up = track.len().saturating_sub(REVIEWED) - begin;
    let accounting = Accounting::default();
    let start = Place {
        rung: rungs.largest(),
        since_resize: u32::MAX,
        saturated: 0,
    };
    let candidate = |rule: Rule| {
        let bill = replay(&rule, &track[begin..], rungs, &accounting, start, warm_up);
        Candidate {
            rule,
            bill,
            total: prices.of(&bill),
        }
    };
    let before = candidate(current);
    let mut candidates: Vec<Candidate> = pool.iter().copied().map(candidate).collect();
    // Stable: of equals the first of the pool.
    candidates.sort_by(|one, other| one.total.total_cmp(&other.total));
    let chosen = match candidates.first() {
        Some(best) if best.total < before.total - GAIN => *best,
        _ => before,
    };
    Some(Review {
        chosen,
        before,
        candidates,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{appetite::Appetite, past::walk, pool, step::HOUR};

    fn rungs() -> Rungs {
        Rungs::new(&[1.0, 2.0, 4.0, 8.0], &[1.0, 2.0, 4.0, 8.0]).unwrap()
    }

    /// Twelve busy hours a day, twelve quiet ones.
    fn days(days: usize) -> Vec<Past> {
        let demand = |step: usize| {
            let noise = (step * 7_919 % 97) as f32 / 97.0;
            let busy = (step / (12 * HOUR)).is_multiple_of(2);
            Some(if busy { 5.0 + noise } else { 0.4 + noise * 0.2 })
        };
        walk(&(0..days * DAY).map(demand).collect::<Vec<_>>())
    }

    fn reviewed(track: &[Past], current: Rule, appetite: Appetite) -> Option<Review> {
        review(
            track,
            &pool::measured(),
            &rungs(),
            &appetite.prices(),
            current,
        )
    }

    #[test]
    fn the_cheapest_rule_is_run_and_its_bill_is_its_replays() {
        let track = days(14);
        let review = reviewed(&track, Rule::Largest, Appetite::Thrifty).unwrap();
        assert!(review.is_change(), "{}", review.why());
        assert_eq!(review.chosen, review.candidates[0]);
        assert_eq!(review.candidates.len(), pool::measured().len());
        assert!(
            review
                .candidates
                .is_sorted_by(|one, next| one.total <= next.total)
        );
        assert!(review.chosen.bill.cost < 0.7, "{:?}", review.chosen);
        assert_eq!(review.before.bill.cost, 1.0);
        assert_eq!(review.chosen.bill.steps as usize, REVIEWED);
        // A restart that is dear enough is not worth it.
        let dear = Prices {
            saturated: 16.0,
            restart_steps: 200.0,
        };
        let held =
            super::review(&track, &pool::measured(), &rungs(), &dear, Rule::Largest).unwrap();
        assert_eq!(held.chosen.rule, Rule::Largest, "{}", held.why());
    }

    #[test]
    fn a_little_gain_changes_nothing() {
        let track = days(14);
        let best = reviewed(&track, Rule::Largest, Appetite::Balanced).unwrap();
        let near = best.candidates[1];
        assert!(near.total < best.chosen.total + GAIN, "{near:?}");
        let again = reviewed(&track, near.rule, Appetite::Balanced).unwrap();
        assert!(!again.is_change(), "{}", again.why());
        assert!(again.why().contains("saved less than"), "{}", again.why());
        let settled = reviewed(&track, best.chosen.rule, Appetite::Balanced).unwrap();
        assert!(!settled.is_change());
        assert!(settled.why().contains("cost least"), "{}", settled.why());
    }

    #[test]
    fn a_past_of_which_too_little_is_known_is_not_reviewed() {
        let two_days: Vec<Option<f32>> = days(2).iter().map(|past| past.now).collect();
        let with_hole = |from: usize| {
            let mut history = two_days.clone();
            history[from..2 * DAY - 10].fill(None);
            reviewed(&walk(&history), Rule::Largest, Appetite::Balanced)
        };
        let review = with_hole(NEEDED - 10).unwrap();
        assert!(
            review.why().starts_with("over 2.0 days "),
            "{}",
            review.why()
        );
        assert!(with_hole(NEEDED - 11).is_none());
        let unknown = walk(&vec![None; 14 * DAY]);
        assert!(reviewed(&unknown, Rule::Largest, Appetite::Balanced).is_none());
    }

    #[test]
    fn the_dial_turns_restarts_and_saturation_down_with_care() {
        let [careful, balanced, thrifty] =
            [Appetite::Careful, Appetite::Balanced, Appetite::Thrifty].map(Appetite::prices);
        for (more, less) in [(careful, balanced), (balanced, thrifty)] {
            assert!(more.saturated >= less.saturated);
            assert!(more.restart_steps > less.restart_steps);
        }
    }
}
