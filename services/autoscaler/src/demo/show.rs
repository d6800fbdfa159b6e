//! What a person sees of the demo: a line per decision, and the account at the end.

use std::collections::HashMap;

use jiff::Timestamp;
use owo_colors::OwoColorize as _;
use proto::scheduler::v1::TargetResult;
use simulator::{fleet::Machine, ledger::Account, world::World};

use crate::{
    arguments::DemoArgs,
    configuration::Configuration,
    output::{line, percent, table},
    sockets::Sockets,
};

/// Says what will be seen, and where else to look.
pub fn welcome(
    machines: &[Machine],
    configuration: &Configuration,
    sockets: &Sockets,
    args: &DemoArgs,
    left_out: &[String],
) {
    let names: Vec<_> = machines
        .iter()
        .map(|machine| {
            let rungs: Vec<_> = machine.ladder.iter().map(|rung| rung.name).collect();
            format!("{} ({})", machine.name, rungs.join(", "))
        })
        .collect();
    line(
        "A simulated fleet, from Monday 5 January 2026, 00:00 UTC. Nothing here touches AWS."
            .bold(),
    );
    line(format!("Machines: {}", names.join("; ")));
    let policy = &configuration.policy;
    line(format!(
        "Policy: up above {} %, down below {} %, with confidence {} or more, cooldown {} s; a tick every {} s.",
        policy.scale_up_cpu,
        policy.scale_down_cpu,
        policy.min_confidence,
        policy.cooldown_seconds,
        configuration.scheduler.tick_interval_seconds
    ));
    line(format!(
        "Look around: http://{}/docs; gRPC on predictor {}, decision {}, actuator {}, scheduler {}.",
        sockets.http,
        sockets.predictor.grpc,
        sockets.decision.grpc,
        sockets.actuator.grpc,
        sockets.scheduler.grpc,
    ));
    if !left_out.is_empty() {
        line(format!(
            "Set in the configuration and without a meaning here: {}.",
            left_out.join(", ")
        ));
    }
    let end = match args.days {
        Some(days) => format!("It ends after {days} simulated days or at Ctrl-C, with a summary."),
        None => "Ctrl-C ends it with a summary.".to_owned(),
    };
    line(format!(
        "A day takes about {:.0} s. {end}\n",
        args.day_seconds
    ));
}

/// Prints decisions; a hold that repeats the one before it is left out unless all are wanted.
#[derive(Debug)]
pub struct Decisions {
    all: bool,
    last: HashMap<String, String>,
    /// Holds that were left out since the last line.
    left_out: u32,
}

impl Decisions {
    /// `all` prints every one.
    pub fn new(all: bool) -> Self {
        Self {
            all,
            last: HashMap::new(),
            left_out: 0,
        }
    }

    /// Prints the decision for one target.
    pub fn show(&mut self, at: Timestamp, result: &TargetResult) {
        let kind = match result.reason_code.as_str() {
            // A small load on the smallest type needs nothing, as one in range does.
            "at_min_rung" => "forecast_in_range",
            kind => kind,
        };
        let before = self.last.insert(result.target_id.clone(), kind.to_owned());
        let repeats =
            result.action == "hold" && before.as_deref() == Some(kind) && result.error.is_empty();
        if repeats && !self.all {
            self.left_out += 1;
            return;
        }
        let left_out = match std::mem::take(&mut self.left_out) {
            0 => String::new(),
            count => format!("  (+{count} like before)").dimmed().to_string(),
        };
        let action = format!("{:<10}", result.action);
        let action = match result.action.as_str() {
            "scale_up" => action.yellow().to_string(),
            "scale_down" => action.cyan().to_string(),
            _ => action,
        };
        let reason = match result.error.as_str() {
            "" => result.reason.clone(),
            error => error.red().to_string(),
        };
        line(format!(
            "{}  {:<8} {:<11} cpu {:>6}  forecast {:>6}  {action}  {reason}{left_out}",
            clock(at),
            result.target_id,
            result.instance_type,
            percent(result.cpu_percent),
            percent(result.predicted_cpu_percent),
        ));
    }
}

/// Prints the end of a resize.
pub fn resize(at: Timestamp, result: &TargetResult) {
    let ended = result.action_taken.as_str();
    let ended = match ended {
        "succeeded" => ended.green().to_string(),
        _ => ended.red().to_string(),
    };
    line(format!(
        "{}  {:<8} resize to {} {ended}",
        clock(at),
        result.target_id,
        result.target_instance_type
    ));
}

/// Day and minute of the simulation.
fn clock(at: Timestamp) -> String {
    at.strftime("%a %H:%M").dimmed().to_string()
}

/// The account of the whole run.
pub fn summary(world: &World) {
    let (machines, ledger) = (world.machines(), world.ledger());
    let days = world.simulated_seconds() as f64 / 86_400.0;
    line("");
    line(format!("Summary of {days:.2} simulated days").bold());
    table(
        [
            "MACHINE",
            "HOURS PER TYPE",
            "COST",
            "LARGEST ALWAYS ON",
            "SAVED",
            "SATURATED",
            "DOWN",
            "RESIZES",
        ],
        machines
            .iter()
            .zip(ledger.accounts())
            .map(|(machine, account)| row(&machine.name, account)),
    );
    let total = |amount: fn(&Account) -> f64| ledger.accounts().iter().map(amount).sum::<f64>();
    let cost = total(|account| account.cost_usd);
    let largest = total(|account| account.cost_largest_usd);
    line(format!(
        "Fleet: {cost:.2} USD against {largest:.2} USD with the largest types always on: {} saved.",
        saved(cost, largest)
    ));
    line(
        "Saturated: minutes at 95 % CPU or more; in brackets those in which the largest type would have been, too. \
         Down: minutes stopped for resizes.",
    );
    let errors = ledger.forecast_errors();
    match (errors.mae(), errors.persistence_mae()) {
        (Some(mae), Some(persistence)) if persistence > 0.0 => line(format!(
            "Forecast error: {mae:.2} points of CPU over {} forecasts; persistence (\"it stays as it is\") {persistence:.2}: \
             skill {:.2}.",
            errors.forecasts,
            1.0 - mae / persistence
        )),
        _ => line("Forecast error: no forecast has met its outcome yet."),
    }
}

fn row(name: &str, account: &Account) -> [String; 8] {
    let hours: Vec<String> = account
        .seconds_by_type
        .iter()
        .map(|(machine_type, seconds)| format!("{machine_type} {:.1}", hours(*seconds)))
        .collect();
    let failed = match account.resizes_failed {
        0 => String::new(),
        count => format!(", {count} failed"),
    };
    [
        name.to_owned(),
        hours.join(", "),
        format!("{:.2} USD", account.cost_usd),
        format!("{:.2} USD", account.cost_largest_usd),
        saved(account.cost_usd, account.cost_largest_usd),
        format!(
            "{} min ({})",
            account.seconds_saturated / 60,
            account.seconds_saturated_on_largest / 60
        ),
        format!("{:.1} min", account.seconds_down as f64 / 60.0),
        format!(
            "{} up, {} down{failed}",
            account.resizes_up, account.resizes_down
        ),
    ]
}

fn hours(seconds: i64) -> f64 {
    seconds as f64 / 3_600.0
}

fn saved(cost: f64, largest: f64) -> String {
    if largest <= 0.0 {
        return "-".to_owned();
    }
    format!("{:.0} %", (1.0 - cost / largest) * 100.0)
}
