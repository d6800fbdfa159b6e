//! What a person sees of the demo: a line per decision, and the account at the end.

use std::collections::HashMap;

use decision::Strategy;
use jiff::Timestamp;
use owo_colors::OwoColorize as _;
use proto::scheduler::v1::TargetResult;
use simulator::{
    fleet::Machine,
    ledger::{Account, Bill, Fixed},
    world::World,
};

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
    line(format!(
        "Machines, each on its largest type: {}. The simulated Prometheus holds {:.0} days of them.",
        names.join("; "),
        f64::from(configuration.scheduler.window().seconds) / 86_400.0
    ));
    line(policy(configuration));
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

/// What decides, with its settings.
fn policy(configuration: &Configuration) -> String {
    let policy = &configuration.policy;
    let naming = configuration.decision.strategy_naming;
    let strategy = naming.settle(policy.clone(), Strategy::default()).strategy;
    let rules = match strategy {
        Strategy::Threshold => format!(
            "up above {} %, down below {} %, with confidence {} or more",
            policy.scale_up_cpu, policy.scale_down_cpu, policy.min_confidence
        ),
        Strategy::Headroom => policy.headroom.to_string(),
        Strategy::Adaptive => format!(
            "each machine by the rule that would have been cheapest over its own past, where a saturated hour costs as much as \
             {} hours of the largest type",
            policy.prices().saturated
        ),
    };
    format!(
        "Policy ({}): {rules}; cooldown {} s; a tick every {} s.",
        strategy.name(),
        policy.cooldown_seconds,
        configuration.scheduler.tick_interval_seconds
    )
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

/// The account of the whole run; `saturated_price` is that of a saturated hour, in hours of the largest type.
pub fn summary(world: &World, saturated_price: f64) {
    let (machines, ledger) = (world.machines(), world.ledger());
    let days = world.simulated_seconds() as f64 / 86_400.0;
    line("");
    line(format!("Summary of {days:.2} simulated days").bold());
    table(
        [
            "MACHINE",
            "HOURS PER TYPE",
            "RESIZES",
            "DOWN",
            "COST, SATURATED",
            "BEST FIXED TYPE",
            "LARGEST TYPE",
        ],
        machines
            .iter()
            .zip(ledger.accounts())
            .map(|(machine, account)| row(&machine.name, account, saturated_price)),
    );
    let ours = ledger.bill();
    let against = |bill: Bill| format!("{}; {} saved", words(bill), saved(ours, bill));
    line(format!(
        "Fleet: {}. With the best fixed types: {}. With the largest: {}.",
        words(ours),
        against(ledger.bill_on(|account| account.best_fixed(saturated_price))),
        against(ledger.bill_on(Account::largest))
    ));
    line(format!(
        "Saturated: share of the time at 95 % CPU or more, without enough memory, or down, that is stopped for a resize. \
         Best fixed type: the best to have kept all the time, as is known afterwards: the least cost where a saturated hour \
         counts as much as {saturated_price} hours of the largest type."
    ));
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

fn row(name: &str, account: &Account, saturated_price: f64) -> [String; 7] {
    let hours: Vec<String> = account
        .seconds_by_type
        .iter()
        .map(|(machine_type, seconds)| format!("{machine_type} {:.1}", *seconds as f64 / 3_600.0))
        .collect();
    let failed = match account.resizes_failed {
        0 => String::new(),
        count => format!(", {count} failed"),
    };
    let fixed = |fixed: Option<&Fixed>| match fixed {
        Some(fixed) => format!("{} {}", fixed.machine_type.name, words(fixed.bill)),
        None => "-".to_owned(),
    };
    [
        name.to_owned(),
        hours.join(", "),
        format!(
            "{} up, {} down{failed}",
            account.resizes_up, account.resizes_down
        ),
        format!("{:.1} min", account.seconds_down as f64 / 60.0),
        words(account.bill),
        fixed(account.best_fixed(saturated_price)),
        fixed(account.largest()),
    ]
}

fn words(bill: Bill) -> String {
    let percent = bill.saturated_share() * 100.0;
    format!("{:.2} USD, {percent:.2} %", bill.cost_usd)
}

fn saved(ours: Bill, other: Bill) -> String {
    if other.cost_usd <= 0.0 {
        return "-".to_owned();
    }
    format!("{:.0} %", (1.0 - ours.cost_usd / other.cost_usd) * 100.0)
}
