//! What stands between the resizes and the cloud: the kill switch, budgets, the circuit breaker, a limit on the rate of
//! calls, and a memory of what had no room.
//!
//! Invariant: a start is never refused here, and never waits behind anything but other starts' rate.

mod breaker;
mod bucket;
mod budget;
mod calls;
mod shortage;
mod switch;

use std::{io, sync::Arc};

use common::clock::SharedClock;
use jiff::Timestamp;

use self::{breaker::Breaker, budget::Budgets, switch::Switch};
pub use self::{
    breaker::Standing,
    budget::{Used, WINDOW},
    calls::GuardedCloud,
    switch::KillSwitch,
};
use crate::{
    config::Config,
    journal::Recent,
    preflight::{Check, Verdict},
};

/// Why a resize must not begin now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Objection {
    /// As a check's name.
    pub check: &'static str,
    /// One sentence.
    pub reason: String,
    /// When it passes by itself; `None` when only a person can lift it.
    pub until: Option<Timestamp>,
}

/// What is decided before a resize begins.
#[derive(Debug)]
pub struct Guard {
    switch: Switch,
    budgets: Budgets,
    breaker: Breaker,
}

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Standings {
    pub kill_switch: Option<KillSwitch>,
    pub breaker: Standing,
    pub fleet: Used,
}

impl Guard {
    /// From the configuration; the file with what persons decided is read when it matters.
    pub fn new(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            switch: Switch::new(config.safety_file()),
            budgets: Budgets {
                instance: limits.instance_per_day,
                fleet: limits.fleet_per_day,
            },
            breaker: Breaker {
                failures: limits.breaker_failures,
                window: std::time::Duration::from_secs(limits.breaker_window_seconds),
                pause: std::time::Duration::from_secs(limits.breaker_pause_seconds),
            },
        }
    }

    /// The cloud behind the kill switch and the limit on calls.
    pub fn stand_before(
        self: &Arc<Self>,
        cloud: Arc<dyn crate::Cloud>,
        clock: SharedClock,
        config: &Config,
    ) -> GuardedCloud {
        GuardedCloud::new(Arc::clone(self), cloud, clock, &config.limits)
    }

    /// What speaks against a resize of this instance now; empty when nothing does. `recent` reaches back [`WINDOW`].
    pub fn objections(&self, recent: &[Recent], id: &str, now: Timestamp) -> Vec<Objection> {
        let decisions = self.switch.read();
        let kill_switch = decisions.kill_switch.map(|switch| Objection {
            check: "kill_switch",
            reason: format!("the kill switch is on: {}", switch.reason),
            until: None,
        });
        let breaker = breaker::standing(recent, self.breaker, decisions.breaker_closed_at, now);
        let budget = budget::objection(recent, id, self.budgets, now);
        [kill_switch, breaker.objection(), budget]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The same as checks, those that pass included.
    pub fn checks(&self, recent: &[Recent], id: &str, now: Timestamp) -> Vec<Check> {
        let objections = self.objections(recent, id, now);
        [
            ("kill_switch", "it is off"),
            ("circuit_breaker", "it is closed"),
            ("budget", "the day's budgets are not used up"),
        ]
        .into_iter()
        .map(|(name, good)| {
            let against = objections.iter().find(|no| no.check == name);
            Check {
                name,
                verdict: match against {
                    None => Verdict::Pass,
                    Some(_) => Verdict::Block,
                },
                detail: against.map_or_else(|| good.to_owned(), |no| no.reason.clone()),
                advisory: false,
            }
        })
        .collect()
    }

    /// How everything stands.
    pub fn standings(&self, recent: &[Recent], now: Timestamp) -> Standings {
        let decisions = self.switch.read();
        Standings {
            breaker: breaker::standing(recent, self.breaker, decisions.breaker_closed_at, now),
            fleet: budget::fleet(recent, self.budgets, now),
            kill_switch: decisions.kill_switch,
        }
    }

    /// The kill switch, when it is on.
    pub fn kill_switch(&self) -> Option<KillSwitch> {
        self.switch.read().kill_switch
    }

    /// Turns the kill switch on (with a reason) or off.
    ///
    /// # Errors
    /// When that can't be written down; then nothing has changed.
    pub fn set_kill_switch(&self, to: Option<KillSwitch>) -> io::Result<()> {
        self.switch
            .change(|decisions| decisions.kill_switch = to)
            .map(drop)
    }

    /// Closes the breaker; failures up to now no longer count.
    ///
    /// # Errors
    /// When that can't be written down; then nothing has changed.
    pub fn close_breaker(&self, now: Timestamp) -> io::Result<()> {
        self.switch
            .change(|decisions| decisions.breaker_closed_at = Some(now))
            .map(drop)
    }
}
