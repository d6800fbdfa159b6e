//! The floor beneath every policy that stays within a budget, by Lagrangian duality: whatever the prices, the cheapest path
//! at those prices, less the price of the whole budget, costs no more than any path within the budget.

use crate::closed_loop::{
    account::Account,
    cells::STEPS_A_DAY,
    demand::Demand,
    oracle::path::{Prices, cheapest},
};

/// Prices that are tried: of a step without capacity, and of a resize, each this much above the one before.
const FIRST_PRICE: f64 = 0.5;
const RATIO: f64 = 1.2;
const TRIED: i32 = 28;

/// What may be used up, on average over the machines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Share of the time without enough capacity.
    pub saturated: f64,
    pub resizes_a_day: f64,
}

/// The oracle's accounts over all prices that are tried.
#[derive(Clone, Debug)]
pub struct Frontier(Vec<(Prices, Account)>);

/// What is known of the cheapest way within a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Nobody within the budget costs less.
    pub bound: f64,
    /// The cheapest that was found within it.
    pub reached: Option<Account>,
}

impl Frontier {
    /// That of all of `demands` together.
    pub fn of(demands: &[&Demand]) -> Self {
        let price = |power: i32| FIRST_PRICE * RATIO.powi(power);
        let resize = |power: i32| if power == 0 { 0.0 } else { price(power) };
        let tried = (0..TRIED).flat_map(|saturated| {
            (0..TRIED).map(move |power| Prices {
                saturated_step: price(saturated),
                resize: resize(power),
            })
        });
        let account = |prices: Prices| {
            let accounts: Vec<Account> = demands
                .iter()
                .map(|demand| Account::of(demand.scored(), &cheapest(demand.scored(), &prices)))
                .collect();
            (prices, Account::mean(&accounts))
        };
        Self(tried.map(account).collect())
    }

    /// What it says about a budget.
    pub fn floor(&self, budget: &Budget) -> Floor {
        let bound = |(prices, account): &(Prices, Account)| {
            account.cost
                + prices.saturated_step * (account.saturated - budget.saturated)
                + prices.resize / STEPS_A_DAY as f64
                    * (account.resizes_a_day - budget.resizes_a_day)
        };
        Floor {
            bound: self.0.iter().map(bound).fold(0.0, f64::max),
            reached: self.within(budget).map(|(_, account)| account),
        }
    }

    /// The cheapest that was found within a budget, and at which prices.
    pub fn within(&self, budget: &Budget) -> Option<(Prices, Account)> {
        let within = |account: &Account| {
            account.saturated <= budget.saturated && account.resizes_a_day <= budget.resizes_a_day
        };
        self.0
            .iter()
            .filter(|(_, account)| within(account))
            .min_by(|(_, left), (_, right)| left.cost.total_cmp(&right.cost))
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_loop::cells::Cells;

    #[test]
    fn a_day_and_night_cost_what_two_resizes_a_day_make_of_them() {
        // Half of the day 6.4 vCPU, half of it 0.5: 8 vCPU, then 1.
        let seconds: Vec<i64> = (0..2_880).map(|step| step * 300).collect();
        let percent: Vec<f64> = (0..2_880)
            .map(|step| if step % 288 < 144 { 64.0 } else { 5.0 })
            .collect();
        let demand = Demand::new("s", "m", Cells::of(&seconds, &percent)).unwrap();
        let frontier = Frontier::of(&[&demand]);
        let floor = |saturated, resizes_a_day| {
            frontier.floor(&Budget {
                saturated,
                resizes_a_day,
            })
        };
        let (scored, day) = (demand.scored().len() as f64, 288.0);
        let high = demand.scored().iter().filter(|vcpus| **vcpus > 1.0).count() as f64;
        let least = (high + (scored - high) / 8.0) / scored;
        // Two resizes a day are 4 minutes of 1,440.
        let free = floor(0.003, 2.5);
        let reached = free.reached.unwrap();
        assert!((reached.cost - least).abs() < 1e-9, "{reached:?}");
        assert!((reached.saturated - reached.resizes_a_day * 2.0 / 5.0 / day).abs() < 1e-9);
        assert!(free.bound <= reached.cost + 1e-9 && free.bound > reached.cost - 0.02);
        // Without resizes there is the largest rung only, but for prices that are not tried.
        let none = floor(0.0, 0.0).bound;
        assert!((0.98..=1.0).contains(&none), "{none}");
    }
}
