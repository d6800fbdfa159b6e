//! Who is compared: each a name and a way to the rungs of a machine.

use sizing::appetite::Appetite;

use crate::closed_loop::{
    account::Account,
    demand::Demand,
    forecasts::Forecasts,
    ladder::LARGEST,
    oracle::{
        floor::{Budget, Frontier},
        path::cheapest,
    },
    ours::{adaptive::Adaptive, decided::Decided},
    peers::{
        fixed::{self, Fixed},
        peak_hold::PeakHold,
        reactive::Reactive,
        seed::Seed,
        trailing::Trailing,
        vpa::Vpa,
    },
    play::play,
    policy::Policy,
};

/// The best fixed rung is the smallest that would have been saturated no longer than this share of the time; the oracle's
/// rows are held to the same.
const SATURATED_BUDGET: f64 = 0.007;

/// One machine with what was forecast for it.
#[derive(Clone, Debug)]
pub struct Machine {
    pub demand: Demand,
    /// `None` where nothing was recorded.
    pub forecasts: Option<Forecasts>,
}

/// One row: a way of choosing, and what came of it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    /// Rungs of the scored steps, machine by machine.
    pub rungs: Vec<Vec<usize>>,
    /// Their accounts, in the same order.
    pub accounts: Vec<Account>,
}

impl Entry {
    /// What `policy` does with each machine; it is made anew for each.
    pub fn played(
        name: impl Into<String>,
        machines: &[Machine],
        mut policy: impl FnMut() -> Box<dyn Policy>,
    ) -> Self {
        Self::new(name, machines, |machine| {
            play(&machine.demand, machine.forecasts.as_ref(), &mut *policy())
        })
    }

    fn new(
        name: impl Into<String>,
        machines: &[Machine],
        rungs: impl FnMut(&Machine) -> Vec<usize>,
    ) -> Self {
        let rungs: Vec<Vec<usize>> = machines.iter().map(rungs).collect();
        let accounts = machines
            .iter()
            .zip(&rungs)
            .map(|(machine, rungs)| Account::of(machine.demand.scored(), rungs))
            .collect();
        Self {
            name: name.into(),
            rungs,
            accounts,
        }
    }

    /// The mean over all machines.
    pub fn mean(&self) -> Account {
        Account::mean(&self.accounts)
    }
}

/// The row that is ours where none is named.
pub const OURS: &str = "ours: adaptive, balanced";

/// How this program does.
pub fn ours(machines: &[Machine]) -> Vec<Entry> {
    let appetites = [
        (Appetite::Careful, "ours: adaptive, careful"),
        (Appetite::Balanced, OURS),
        (Appetite::Thrifty, "ours: adaptive, thrifty"),
    ];
    // Without a forecast the service decides nothing: then the rules stand alone.
    if machines.iter().any(|machine| machine.forecasts.is_none()) {
        let alone = appetites.map(|(appetite, name)| {
            Entry::played(name, machines, || {
                Box::new(Adaptive::new(appetite.prices()))
            })
        });
        return alone.into();
    }
    let mut entries = vec![Entry::played("ours: threshold", machines, || {
        Box::new(Decided::threshold())
    })];
    entries.extend(appetites.map(|(appetite, name)| {
        Entry::played(name, machines, || Box::new(Decided::adaptive(appetite)))
    }));
    entries.extend(appetites.map(|(appetite, name)| {
        let name = name.replacen("ours: adaptive", "rules alone", 1);
        Entry::played(name, machines, || {
            Box::new(Adaptive::new(appetite.prices()))
        })
    }));
    entries
}

/// How others would have done.
pub fn peers(machines: &[Machine]) -> Vec<Entry> {
    let mut entries = vec![
        Entry::played("largest", machines, || Box::new(Fixed(LARGEST))),
        Entry::new("best fixed, looking back", machines, |machine| {
            fixed::best(&machine.demand, SATURATED_BUDGET)
        }),
        Entry::played("reactive 75/30", machines, || Box::<Reactive>::default()),
        Entry::played("VPA p90", machines, || Box::new(Vpa::new(0.9))),
        Entry::played("VPA p95", machines, || Box::new(Vpa::new(0.95))),
        Entry::played("trailing day p95 at 80 %", machines, || {
            Box::<Trailing>::default()
        }),
        Entry::played("past hour's peak + q95", machines, || {
            Box::<PeakHold>::default()
        }),
    ];
    let seed = match machines.iter().all(|machine| machine.forecasts.is_some()) {
        true => "the seed's rule, our forecast",
        false => "the seed's rule, persistence",
    };
    entries.push(Entry::played(seed, machines, || Box::new(Seed)));
    entries
}

/// The oracle at most so many times a day: the cheapest paths that were found within the budget.
pub fn oracles(machines: &[Machine], frontier: &Frontier) -> Vec<Entry> {
    let within = [0.5, 1.0, 2.0].map(|resizes_a_day| Budget {
        saturated: SATURATED_BUDGET,
        resizes_a_day,
    });
    let entries = within.iter().filter_map(|budget| {
        let (prices, _) = frontier.within(budget)?;
        let name = format!("oracle, at most {} a day", budget.resizes_a_day);
        Some(Entry::new(name, machines, |machine| {
            cheapest(machine.demand.scored(), &prices)
        }))
    });
    entries.collect()
}
