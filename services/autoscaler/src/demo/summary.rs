//! The account of the whole run for scripts: `demo --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use simulator::{
    ledger::{Account, Bill, Fixed},
    world::World,
};

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    simulated_seconds: i64,
    machines: Vec<OfMachine>,
    fleet: Bills,
    forecast: Forecast,
    /// Keys that the configuration sets and that mean nothing in a simulation.
    keys_left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfMachine {
    id: String,
    seconds_by_type: BTreeMap<&'static str, i64>,
    #[serde(flatten)]
    bills: Bills,
    seconds_down: i64,
    resizes_up: u32,
    resizes_down: u32,
    resizes_failed: u32,
}

/// The bill as it was, and two that it is held against.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bills {
    #[serde(flatten)]
    as_it_was: Costs,
    /// With the type, for each machine, that would have been the best to keep, as is known afterwards.
    best_fixed: Costs,
    /// With the largest types.
    largest: Costs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Costs {
    /// A machine's; a fleet has several.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    machine_type: Option<&'static str>,
    cost_usd: f64,
    /// Share of the time at 95 % CPU or more, without enough memory, or down.
    saturated_share: f64,
}

impl Costs {
    fn of(bill: Bill) -> Self {
        Self {
            machine_type: None,
            cost_usd: bill.cost_usd,
            saturated_share: bill.saturated_share(),
        }
    }

    fn on(fixed: Option<&Fixed>) -> Self {
        Self {
            machine_type: fixed.map(|fixed| fixed.machine_type.name),
            ..Self::of(fixed.map(|fixed| fixed.bill).unwrap_or_default())
        }
    }
}

/// Mean absolute errors in percent points of CPU; null before the first forecast has met its outcome.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Forecast {
    forecasts: u32,
    mean_absolute_error: Option<f64>,
    /// Of "it stays as it is".
    persistence_mean_absolute_error: Option<f64>,
}

/// Of this world; `saturated_price` is that of a saturated hour, in hours of the largest type.
pub fn of(world: &World, saturated_price: f64, left_out: &[String]) -> Summary {
    let (machines, ledger) = (world.machines(), world.ledger());
    let errors = ledger.forecast_errors();
    let accounts = machines.iter().zip(ledger.accounts());
    Summary {
        simulated_seconds: world.simulated_seconds(),
        machines: accounts
            .map(|(machine, account)| of_machine(&machine.name, account, saturated_price))
            .collect(),
        fleet: Bills {
            as_it_was: Costs::of(ledger.bill()),
            best_fixed: Costs::of(ledger.bill_on(|account| account.best_fixed(saturated_price))),
            largest: Costs::of(ledger.bill_on(Account::largest)),
        },
        forecast: Forecast {
            forecasts: errors.forecasts,
            mean_absolute_error: errors.mae(),
            persistence_mean_absolute_error: errors.persistence_mae(),
        },
        keys_left_out: left_out.to_vec(),
    }
}

fn of_machine(id: &str, account: &Account, saturated_price: f64) -> OfMachine {
    OfMachine {
        id: id.to_owned(),
        seconds_by_type: account.seconds_by_type.clone(),
        bills: Bills {
            as_it_was: Costs::of(account.bill),
            best_fixed: Costs::on(account.best_fixed(saturated_price)),
            largest: Costs::on(account.largest()),
        },
        seconds_down: account.seconds_down,
        resizes_up: account.resizes_up,
        resizes_down: account.resizes_down,
        resizes_failed: account.resizes_failed,
    }
}
