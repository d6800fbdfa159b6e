//! What can speak against a resize before it begins: the kill switch, the circuit breaker, budgets. Pure: history, time and
//! what persons decided come in.
//!
//! A rail is a file below, and a line in [`ALL`]. Invariant: what brings a machine back is never judged here.

mod budget;
mod case;
mod circuit_breaker;
mod decisions;
mod fleet_budget;
mod history;
mod instance_budget;
mod kill_switch;
mod reading;

pub use self::{
    budget::WINDOW,
    case::{Case, Limits},
    decisions::{Decisions, KillSwitch},
    history::Recent,
    reading::{Objection, Rail, Reading, Verdict},
};
use self::{
    circuit_breaker::CircuitBreaker, fleet_budget::FleetBudget, instance_budget::InstanceBudget,
};

/// Every rail, in the order in which they are asked.
pub const ALL: [&dyn Rail; 4] = [
    &self::kill_switch::KillSwitch,
    &CircuitBreaker,
    &InstanceBudget,
    &FleetBudget,
];

/// What the first rail that blocks says; `None` when none does.
pub fn objection(case: &Case<'_>) -> Option<Objection> {
    ALL.iter().find_map(|rail| rail.read(case).objection(*rail))
}

/// How the limits stand.
#[derive(Clone, Debug)]
pub struct Standings {
    pub kill_switch: Option<KillSwitch>,
    pub breaker: Reading,
    pub fleet: Reading,
    /// Those that used something of theirs, the fullest first.
    pub instances: Vec<(String, Reading)>,
}

impl Standings {
    /// Of this history, whatever instance it is about.
    pub fn of(case: &Case<'_>) -> Self {
        Self {
            kill_switch: case.decisions.kill_switch.clone(),
            breaker: CircuitBreaker.read(case),
            fleet: FleetBudget.read(case),
            instances: instance_budget::of_each(case),
        }
    }
}
