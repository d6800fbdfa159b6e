//! Adds up what the fleet did: hours by type, cost, saturation, resizes, and whether the forecasts were any good.

use std::collections::BTreeMap;

use crate::fleet::{Machine, Metric};

/// Counted as saturated from here on, percent.
const SATURATED_PERCENT: f64 = 95.0;

/// The account of one machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Seconds on each type.
    pub seconds_by_type: BTreeMap<&'static str, i64>,
    pub seconds_down: i64,
    pub seconds_saturated: i64,
    pub cost_usd: f64,
    /// Cost of the largest type of the ladder, always on.
    pub cost_largest_usd: f64,
    /// Seconds in which the largest type would have been saturated too: nobody could have helped.
    pub seconds_saturated_on_largest: i64,
    pub resizes_up: u32,
    pub resizes_down: u32,
    /// Resizes that did not end on their target type.
    pub resizes_failed: u32,
}

/// A forecast that waits for its outcome.
#[derive(Clone, Debug)]
struct Pending {
    machine: usize,
    due: i64,
    vcpus: f64,
    predicted_percent: f64,
    last_percent: f64,
}

/// Sums of absolute errors, percent points of CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ForecastErrors {
    pub forecasts: u32,
    pub absolute_error: f64,
    pub persistence_absolute_error: f64,
}

impl ForecastErrors {
    /// Mean absolute error, percent points. `None` before the first outcome.
    pub fn mae(&self) -> Option<f64> {
        (self.forecasts > 0).then(|| self.absolute_error / f64::from(self.forecasts))
    }

    /// The same for "it stays as it is".
    pub fn persistence_mae(&self) -> Option<f64> {
        (self.forecasts > 0).then(|| self.persistence_absolute_error / f64::from(self.forecasts))
    }
}

/// The whole account.
#[derive(Clone, Debug)]
pub struct Ledger {
    accounts: Vec<Account>,
    pending: Vec<Pending>,
    errors: ForecastErrors,
}

impl Ledger {
    /// An empty account for each of `machines`.
    pub fn new(machines: usize) -> Self {
        Self {
            accounts: vec![Account::default(); machines],
            pending: Vec::new(),
            errors: ForecastErrors::default(),
        }
    }

    /// One for each machine, in order.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Of every forecast whose outcome is known.
    pub fn forecast_errors(&self) -> ForecastErrors {
        self.errors
    }

    /// Accounts for the `seconds` from `at` on, during which nothing changes.
    pub fn pass(&mut self, machines: &[Machine], at: i64, seconds: i64) {
        for (machine, account) in machines.iter().zip(&mut self.accounts) {
            let hours = seconds as f64 / 3_600.0;
            match machine.type_at(at) {
                Some(machine_type) => {
                    *account
                        .seconds_by_type
                        .entry(machine_type.name)
                        .or_default() += seconds;
                    account.cost_usd += hours * machine_type.usd_per_hour;
                }
                None => account.seconds_down += seconds,
            }
            if let Some(cpu_percent) = machine.reading(Metric::CpuPercent, at)
                && cpu_percent >= SATURATED_PERCENT
            {
                account.seconds_saturated += seconds;
            }
            if let Some(largest) = machine.largest() {
                account.cost_largest_usd += hours * largest.usd_per_hour;
                let percent = machine.demand.vcpu(at) / f64::from(largest.vcpus) * 100.0;
                if percent >= SATURATED_PERCENT {
                    account.seconds_saturated_on_largest += seconds;
                }
            }
        }
        self.settle(machines, at);
    }

    /// Remembers a forecast: `predicted_percent` of a type with `vcpus` at `due`, made when CPU was `last_percent`.
    pub fn forecast(
        &mut self,
        machine: usize,
        due: i64,
        vcpus: u32,
        predicted_percent: f64,
        last_percent: f64,
    ) {
        self.pending.push(Pending {
            machine,
            due,
            vcpus: f64::from(vcpus),
            predicted_percent,
            last_percent,
        });
    }

    /// Counts a resize of `machine` that ended.
    pub fn resize(&mut self, machine: usize, up: bool, succeeded: bool) {
        if let Some(account) = self.accounts.get_mut(machine) {
            match (succeeded, up) {
                (true, true) => account.resizes_up += 1,
                (true, false) => account.resizes_down += 1,
                (false, _) => account.resizes_failed += 1,
            }
        }
    }

    fn settle(&mut self, machines: &[Machine], now: i64) {
        let (due, waiting) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|forecast| forecast.due <= now);
        self.pending = waiting;
        for forecast in due {
            let Some(machine) = machines.get(forecast.machine) else {
                continue;
            };
            // A saturated machine hides its demand, from the forecaster and from us: what it would have shown counts.
            let actual = (machine.demand.vcpu(forecast.due) / forecast.vcpus * 100.0).min(100.0);
            self.errors.forecasts += 1;
            self.errors.absolute_error += (forecast.predicted_percent - actual).abs();
            self.errors.persistence_absolute_error += (forecast.last_percent - actual).abs();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fleet::Demand, prices::machine_types, trace::constant};

    fn machine(percent_of_one_vcpu: f64) -> Machine {
        let ladder = machine_types(&["t2.small", "t2.medium", "t2.large"]).unwrap();
        let first = ladder[0];
        let demand = Demand::Recorded {
            trace: constant(percent_of_one_vcpu),
            begins_at: 0,
            full_vcpu: 1.0,
        };
        Machine::new("web", 1, ladder, first, demand)
    }

    #[test]
    fn an_hour_on_the_small_type_costs_its_price() {
        let mut ledger = Ledger::new(1);
        let mut machines = [machine(97.0)];
        ledger.pass(&machines, 0, 3_600);
        machines[0].observe(3_600, None);
        ledger.pass(&machines, 3_600, 60);
        let account = &ledger.accounts()[0];
        assert_eq!(account.seconds_by_type["t2.small"], 3_600);
        assert_eq!(account.seconds_down, 60);
        assert_eq!(account.seconds_saturated, 3_600);
        assert_eq!(account.seconds_saturated_on_largest, 0);
        assert!((account.cost_usd - 0.023).abs() < 1e-12);
        assert!((account.cost_largest_usd - 0.0928 * 3_660.0 / 3_600.0).abs() < 1e-12);
    }

    #[test]
    fn forecasts_are_scored_when_their_time_has_come() {
        let mut ledger = Ledger::new(1);
        let machines = [machine(50.0)];
        ledger.forecast(0, 900, 1, 60.0, 20.0);
        ledger.pass(&machines, 600, 60);
        assert_eq!(ledger.forecast_errors().mae(), None);
        ledger.pass(&machines, 900, 60);
        let errors = ledger.forecast_errors();
        assert_eq!(errors.mae().map(f64::round), Some(10.0));
        assert_eq!(errors.persistence_mae().map(f64::round), Some(30.0));
        ledger.pass(&machines, 1_200, 60);
        assert_eq!(ledger.forecast_errors().forecasts, 1);
    }
}
