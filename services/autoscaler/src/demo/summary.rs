//! The account of the whole run for scripts: `demo --json`.

use std::collections::BTreeMap;

use serde::Serialize;

use simulator::{ledger::Account, world::World};

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    simulated_seconds: i64,
    machines: Vec<OfMachine>,
    fleet: Costs,
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
    costs: Costs,
    seconds_saturated: i64,
    /// In which the largest type would have been saturated, too.
    seconds_saturated_on_largest: i64,
    seconds_down: i64,
    resizes_up: u32,
    resizes_down: u32,
    resizes_failed: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Costs {
    cost_usd: f64,
    /// With the largest type always on.
    cost_largest_usd: f64,
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

/// Of this world.
pub fn of(world: &World, left_out: &[String]) -> Summary {
    let (machines, ledger) = (world.machines(), world.ledger());
    let total = |amount: fn(&Account) -> f64| ledger.accounts().iter().map(amount).sum::<f64>();
    let errors = ledger.forecast_errors();
    let accounts = machines.iter().zip(ledger.accounts());
    Summary {
        simulated_seconds: world.simulated_seconds(),
        machines: accounts
            .map(|(machine, account)| of_machine(&machine.name, account))
            .collect(),
        fleet: Costs {
            cost_usd: total(|account| account.cost_usd),
            cost_largest_usd: total(|account| account.cost_largest_usd),
        },
        forecast: Forecast {
            forecasts: errors.forecasts,
            mean_absolute_error: errors.mae(),
            persistence_mean_absolute_error: errors.persistence_mae(),
        },
        keys_left_out: left_out.to_vec(),
    }
}

fn of_machine(id: &str, account: &Account) -> OfMachine {
    OfMachine {
        id: id.to_owned(),
        seconds_by_type: account.seconds_by_type.clone(),
        costs: Costs {
            cost_usd: account.cost_usd,
            cost_largest_usd: account.cost_largest_usd,
        },
        seconds_saturated: account.seconds_saturated,
        seconds_saturated_on_largest: account.seconds_saturated_on_largest,
        seconds_down: account.seconds_down,
        resizes_up: account.resizes_up,
        resizes_down: account.resizes_down,
        resizes_failed: account.resizes_failed,
    }
}
