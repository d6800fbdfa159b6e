//! The table: rows side by side, over all machines, by source, by machine, and the floor.

use std::collections::BTreeMap;

use crate::closed_loop::{
    account::Account,
    entries::{Entry, Machine},
    oracle::floor::{Budget, Frontier},
};

/// Budgets of the floor.
const SATURATED: [f64; 3] = [0.003, 0.007, 0.01];
const RESIZES: [f64; 4] = [0.5, 1.0, 2.0, 3.0];

/// All rows: means over all machines, then over those of each source, then each machine.
pub fn table(machines: &[Machine], entries: &[Entry]) -> Vec<String> {
    let mut lines = block(
        &format!("{} machines", machines.len()),
        entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.mean())),
    );
    let mut sources: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, machine) in machines.iter().enumerate() {
        sources
            .entry(&machine.demand.source)
            .or_default()
            .push(place);
    }
    for (source, places) in &sources {
        lines.push(String::new());
        lines.extend(block(
            &format!("{source}, {} machines", places.len()),
            entries.iter().map(|entry| {
                let of_source: Vec<Account> =
                    places.iter().map(|place| entry.accounts[*place]).collect();
                (entry.name.as_str(), Account::mean(&of_source))
            }),
        ));
    }
    for (place, machine) in machines.iter().enumerate() {
        lines.push(String::new());
        lines.extend(block(
            &format!("{}/{}", machine.demand.source, machine.demand.name),
            entries
                .iter()
                .map(|entry| (entry.name.as_str(), entry.accounts[place])),
        ));
    }
    lines
}

/// The floor for each budget: what nobody undercuts, and beside it what the oracle reached within the budget.
pub fn floor(frontier: &Frontier) -> Vec<String> {
    let heads = RESIZES.map(|resizes| format!("{:>15}", format!("≤ {resizes} a day")));
    let mut lines = vec![format!("{:<16}{}", "floor / oracle", heads.concat())];
    for saturated in SATURATED {
        let cells = RESIZES.map(|resizes_a_day| {
            let floor = frontier.floor(&Budget {
                saturated,
                resizes_a_day,
            });
            let reached = floor
                .reached
                .map_or_else(|| "-".to_owned(), |account| format!("{:.3}", account.cost));
            format!("{:>15}", format!("{:.3} / {reached}", floor.bound))
        });
        let head = format!("≤ {:.1} % sat.", saturated * 100.0);
        lines.push(format!("{head:<16}{}", cells.concat()));
    }
    lines
}

fn block<'a>(title: &str, rows: impl Iterator<Item = (&'a str, Account)>) -> Vec<String> {
    let mut lines = vec![format!(
        "{title:<34}{:>6}{:>11}{:>9}",
        "cost", "saturated", "a day"
    )];
    lines.extend(rows.map(|(name, account)| {
        format!(
            "{name:<34}{:>6.3}{:>9.2} %{:>9.2}",
            account.cost,
            account.saturated * 100.0,
            account.resizes_a_day
        )
    }));
    lines
}
