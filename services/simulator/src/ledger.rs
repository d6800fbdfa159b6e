//! Adds up what the fleet did: hours by type, cost, saturation, resizes, and whether the forecasts were any good; and, beside
//! it, what each type of the ladder would have been, had the machine had it all the time.

use std::{collections::BTreeMap, iter::Sum, ops::Add};

use crate::{fleet::Machine, prices::MachineType};

/// Counted as saturated from here on, as a share of the type's vCPU.
const SATURATED: f64 = 0.95;

/// What a time cost, and how much of it the work lacked room.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bill {
    pub seconds: i64,
    pub cost_usd: f64,
    /// Seconds at 95 % CPU or more, with more memory in use than there is, or down.
    pub seconds_saturated: i64,
}

impl Bill {
    /// Share of the time, 0 to 1; 0 before any has passed.
    pub fn saturated_share(&self) -> f64 {
        self.seconds_saturated as f64 / self.seconds.max(1) as f64
    }

    /// `seconds` of this work on this type; without one it is down, which costs nothing and does nothing.
    fn pass(&mut self, machine_type: Option<MachineType>, work: Work, seconds: i64) {
        let has_room = machine_type.is_some_and(|machine_type| work.has_room(machine_type));
        let usd_per_hour = machine_type.map_or(0.0, |machine_type| machine_type.usd_per_hour);
        self.seconds += seconds;
        self.cost_usd += seconds as f64 / 3_600.0 * usd_per_hour;
        if !has_room {
            self.seconds_saturated += seconds;
        }
    }
}

impl Add for Bill {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            cost_usd: self.cost_usd + other.cost_usd,
            seconds_saturated: self.seconds_saturated + other.seconds_saturated,
        }
    }
}

impl Sum for Bill {
    fn sum<I: Iterator<Item = Self>>(bills: I) -> Self {
        bills.fold(Self::default(), Self::add)
    }
}

/// What a machine has to do at one time.
#[derive(Clone, Copy)]
struct Work {
    vcpu: f64,
    memory_mib: f64,
}

impl Work {
    fn has_room(self, machine_type: MachineType) -> bool {
        self.vcpu < SATURATED * f64::from(machine_type.vcpus)
            && self.memory_mib <= f64::from(machine_type.memory_mib)
    }
}

/// One type of the ladder, all the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixed {
    pub machine_type: MachineType,
    pub bill: Bill,
}

/// The account of one machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// As it was.
    pub bill: Bill,
    /// Seconds on each type.
    pub seconds_by_type: BTreeMap<&'static str, i64>,
    pub seconds_down: i64,
    pub resizes_up: u32,
    pub resizes_down: u32,
    /// Resizes that did not end on their target type.
    pub resizes_failed: u32,
    /// As it would have been on each type of the ladder, smallest first.
    fixed: Vec<Fixed>,
}

impl Account {
    fn of(machine: &Machine) -> Self {
        let fixed = |&machine_type| Fixed {
            machine_type,
            bill: Bill::default(),
        };
        Self {
            fixed: machine.ladder.iter().map(fixed).collect(),
            ..Self::default()
        }
    }

    /// The largest type all the time; `None` where the ladder is empty.
    pub fn largest(&self) -> Option<&Fixed> {
        self.fixed.last()
    }

    /// The type that would have been the best to have all the time, as is known afterwards: it costs least when a saturated
    /// hour costs as much as `saturated_price` hours of the largest type. `None` where the ladder is empty.
    pub fn best_fixed(&self, saturated_price: f64) -> Option<&Fixed> {
        let usd_per_hour = self.largest()?.machine_type.usd_per_hour;
        let total = |fixed: &&Fixed| {
            let hours = fixed.bill.seconds_saturated as f64 / 3_600.0;
            fixed.bill.cost_usd + saturated_price * usd_per_hour * hours
        };
        // Of equals the smallest.
        self.fixed
            .iter()
            .min_by(|one, other| total(one).total_cmp(&total(other)))
    }
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
    pub fn new(machines: &[Machine]) -> Self {
        Self {
            accounts: machines.iter().map(Account::of).collect(),
            pending: Vec::new(),
            errors: ForecastErrors::default(),
        }
    }

    /// One for each machine, in order.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The bill of the fleet as it was.
    pub fn bill(&self) -> Bill {
        self.accounts.iter().map(|account| account.bill).sum()
    }

    /// The bill of the fleet, had each machine had one type all the time.
    pub fn bill_on(&self, choose: impl Fn(&Account) -> Option<&Fixed>) -> Bill {
        let chosen = self.accounts.iter().filter_map(choose);
        chosen.map(|fixed| fixed.bill).sum()
    }

    /// Of every forecast whose outcome is known.
    pub fn forecast_errors(&self) -> ForecastErrors {
        self.errors
    }

    /// Accounts for the `seconds` from `at` on, during which nothing changes.
    pub fn pass(&mut self, machines: &[Machine], at: i64, seconds: i64) {
        for (machine, account) in machines.iter().zip(&mut self.accounts) {
            let work = Work {
                vcpu: machine.demand.vcpu(at),
                memory_mib: machine.demand.memory_mib(at),
            };
            for fixed in &mut account.fixed {
                fixed.bill.pass(Some(fixed.machine_type), work, seconds);
            }
            let machine_type = machine.type_at(at);
            account.bill.pass(machine_type, work, seconds);
            match machine_type {
                Some(machine_type) => {
                    let spent = account.seconds_by_type.entry(machine_type.name);
                    *spent.or_default() += seconds;
                }
                None => account.seconds_down += seconds,
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

    /// t2.small, t2.medium, t2.large: 1, 2, 2 vCPU; 2, 4, 8 GiB; 0.023, 0.0464, 0.0928 USD an hour.
    #[test]
    fn an_hour_on_the_small_type_costs_its_price_and_a_minute_down_is_saturated() {
        let mut machines = [machine(97.0)];
        let mut ledger = Ledger::new(&machines);
        ledger.pass(&machines, 0, 3_600);
        machines[0].observe(3_600, None);
        ledger.pass(&machines, 3_600, 60);
        let account = &ledger.accounts()[0];
        assert_eq!(account.seconds_by_type["t2.small"], 3_600);
        assert_eq!(account.seconds_down, 60);
        assert_eq!(account.bill.seconds_saturated, 3_660);
        assert_eq!(account.bill.saturated_share(), 1.0);
        assert!((account.bill.cost_usd - 0.023).abs() < 1e-12);
        // The largest was never down, and has twice what 0.97 vCPU need.
        let largest = account.largest().unwrap();
        assert_eq!(largest.machine_type.name, "t2.large");
        assert_eq!(largest.bill.seconds, 3_660);
        assert_eq!(largest.bill.seconds_saturated, 0);
        assert!((largest.bill.cost_usd - 0.0928 * 3_660.0 / 3_600.0).abs() < 1e-12);
    }

    #[test]
    fn the_best_fixed_type_is_the_cheapest_once_saturation_has_its_price() {
        // 20 hours of half a vCPU, 4 hours of 1.2: the smallest saves 0.5616 USD a day against the next one, and is
        // saturated for 4 hours.
        let (quiet, busy) = ([machine(50.0)], [machine(120.0)]);
        let mut ledger = Ledger::new(&quiet);
        ledger.pass(&quiet, 0, 20 * 3_600);
        ledger.pass(&busy, 20 * 3_600, 4 * 3_600);
        let account = &ledger.accounts()[0];
        let best = |price| account.best_fixed(price).unwrap().machine_type.name;
        // 4 × price × 0.0928 against 24 × (0.0464 − 0.023): equal at 1.513.
        assert_eq!(best(0.0), "t2.small");
        assert_eq!(best(1.51), "t2.small");
        assert_eq!(best(1.52), "t2.medium");
        // It has as many vCPU as the largest, which nothing makes worth its price.
        assert_eq!(best(1_000.0), "t2.medium");
        let small = account.best_fixed(0.0).unwrap().bill;
        assert!((small.saturated_share() - 4.0 / 24.0).abs() < 1e-12);
        assert!((small.cost_usd - 24.0 * 0.023).abs() < 1e-12);
    }

    #[test]
    fn a_type_without_the_memory_is_saturated_and_the_fleet_is_the_sum() {
        let ladder = machine_types(&["t3.nano", "t3.micro"]).unwrap();
        let first = ladder[0];
        let machine = |number| {
            let demand = Demand::Recorded {
                trace: constant(10.0),
                begins_at: 0,
                full_vcpu: 1.0,
            };
            Machine::new("api", number, ladder.clone(), first, demand)
        };
        // 900 MiB in use, of 512 and of 1,024.
        let machines = [machine(1), machine(2)];
        let mut ledger = Ledger::new(&machines);
        ledger.pass(&machines, 0, 60);
        let fixed = ledger.bill_on(|account| account.best_fixed(16.0));
        assert_eq!((fixed.seconds, fixed.seconds_saturated), (120, 0));
        assert!((fixed.cost_usd - 2.0 * 0.0104 / 60.0).abs() < 1e-12);
        let ours = ledger.bill();
        assert_eq!((ours.seconds, ours.seconds_saturated), (120, 120));
    }

    #[test]
    fn forecasts_are_scored_when_their_time_has_come() {
        let machines = [machine(50.0)];
        let mut ledger = Ledger::new(&machines);
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
