//! What stands between the resizes and the cloud: the kill switch, budgets, the circuit breaker, a limit on the rate of
//! calls, and a memory of what had no room.
//!
//! Invariant: a start is never refused here, and never waits behind anything but other starts' rate.

mod breaker;
mod budget;
mod switch;

use std::sync::Arc;

use common::clock::SharedClock;
use jiff::Timestamp;

use self::{
    breaker::Breaker,
    budget::{Budgets, WINDOW},
    switch::{Decisions, Switch},
};
pub use self::{breaker::Standing, budget::Used, switch::KillSwitch};
use crate::{
    cloud::limited::GuardedCloud,
    config::Config,
    journal::{Admission, Journal, Rails, Recent, Record, Refusal, StoreError},
    preflight::{Check, Verdict},
};

/// One of the limits that can speak against a resize.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rail {
    KillSwitch,
    CircuitBreaker,
    InstanceBudget,
    FleetBudget,
}

impl Rail {
    /// As a check's name.
    pub fn check(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill_switch",
            Self::CircuitBreaker => "circuit_breaker",
            Self::InstanceBudget | Self::FleetBudget => "budget",
        }
    }

    /// As the reason of a refused call.
    pub fn code(self) -> &'static str {
        match self {
            Self::KillSwitch => "KILL_SWITCH",
            Self::CircuitBreaker => "CIRCUIT_BREAKER",
            Self::InstanceBudget => "INSTANCE_BUDGET",
            Self::FleetBudget => "FLEET_BUDGET",
        }
    }

    /// As a label of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill_switch",
            Self::CircuitBreaker => "circuit_breaker",
            Self::InstanceBudget => "instance_budget",
            Self::FleetBudget => "fleet_budget",
        }
    }
}

/// Why a resize must not begin now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Objection {
    pub rail: Rail,
    /// One sentence.
    pub reason: String,
    /// When it passes by itself; `None` when only a person can lift it.
    pub until: Option<Timestamp>,
}

/// What is decided before a resize begins.
#[derive(Debug)]
pub struct Guard {
    switch: Switch,
    journal: Arc<Journal>,
    /// Held while what persons decided is changed: it is read, changed and written.
    deciding: tokio::sync::Mutex<()>,
    budgets: Budgets,
    breaker: Breaker,
}

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Standings {
    pub kill_switch: Option<KillSwitch>,
    pub breaker: Standing,
    pub fleet: Used,
    /// Those that used something of theirs, the fullest first.
    pub instances: Vec<(String, Used)>,
}

impl Guard {
    /// From the configuration; what persons decided is read when it matters, from the journal's database or a file.
    pub fn new(config: &Config, journal: Arc<Journal>) -> Self {
        let limits = &config.limits;
        Self {
            switch: Switch::new(config.safety_file()),
            journal,
            deciding: tokio::sync::Mutex::default(),
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

    /// What persons decided, wherever it is kept. The kill switch is on when the database or the file says so, or when
    /// either can't be read.
    async fn decisions(&self) -> Decisions {
        let stored = self.journal.decisions().await;
        self.switch.read().joined(decided(stored))
    }

    /// What speaks against a resize of this instance now; empty when nothing does. `recent` reaches back a day.
    fn objections(
        &self,
        recent: &[Recent],
        decisions: Decisions,
        id: &str,
        now: Timestamp,
    ) -> Vec<Objection> {
        let kill_switch = decisions.kill_switch.map(|switch| Objection {
            rail: Rail::KillSwitch,
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

    /// Asks the journal to take a resize on, judged by all that stands here at the moment when it is.
    ///
    /// # Errors
    /// Says what speaks against it.
    pub async fn admit(&self, record: Record, now: Timestamp) -> Result<Admission, Refusal> {
        let id = record.request.instance_id.clone();
        let judge = |recent: &[Recent], stored: Option<&str>| {
            let stored = decided(Ok(stored.map(str::to_owned)));
            let decisions = self.switch.read().joined(stored);
            let objections = self.objections(recent, decisions, &id, now);
            objections.into_iter().next()
        };
        let rails = Rails {
            since: counted_from(now),
            judge: &judge,
        };
        // What changes nothing is not limited.
        let rails = (!record.dry_run).then_some(&rails);
        self.journal.admit(record, rails).await
    }

    /// What budgets and the breaker are counted from.
    async fn recent(&self, now: Timestamp) -> Result<Vec<Recent>, StoreError> {
        self.journal.recent(counted_from(now)).await
    }

    /// What speaks against a resize as checks, those that pass included.
    ///
    /// # Errors
    /// The journal can't be read.
    pub async fn checks(&self, id: &str, now: Timestamp) -> Result<Vec<Check>, StoreError> {
        let recent = self.recent(now).await?;
        let objections = self.objections(&recent, self.decisions().await, id, now);
        let checks = [
            ("kill_switch", "it is off"),
            ("circuit_breaker", "it is closed"),
            ("budget", "the day's budgets are not used up"),
        ]
        .into_iter()
        .map(|(name, good)| {
            let against = objections.iter().find(|no| no.rail.check() == name);
            Check {
                name,
                verdict: match against {
                    None => Verdict::Pass,
                    Some(_) => Verdict::Block,
                },
                detail: against.map_or_else(|| good.to_owned(), |no| no.reason.clone()),
                advisory: false,
            }
        });
        Ok(checks.collect())
    }

    /// How everything stands.
    ///
    /// # Errors
    /// The journal can't be read.
    pub async fn standings(&self, now: Timestamp) -> Result<Standings, StoreError> {
        let recent = self.recent(now).await?;
        let decisions = self.decisions().await;
        Ok(Standings {
            breaker: breaker::standing(&recent, self.breaker, decisions.breaker_closed_at, now),
            fleet: budget::fleet(&recent, self.budgets, now),
            instances: budget::instances(&recent, self.budgets, now),
            kill_switch: decisions.kill_switch,
        })
    }

    /// The kill switch, when it is on.
    pub async fn kill_switch(&self) -> Option<KillSwitch> {
        self.decisions().await.kill_switch
    }

    /// Turns the kill switch on (with a reason) or off. On: one place that keeps it is enough, so a database that is
    /// away does not hinder it. Off: both must say so.
    ///
    /// # Errors
    /// When that can't be written down; then it is as on as it was.
    pub async fn set_kill_switch(&self, to: Option<KillSwitch>) -> Result<(), NotDecided> {
        let _deciding = self.deciding.lock().await;
        let turn = |decisions: &mut Decisions| decisions.kill_switch.clone_from(&to);
        match self.decide(turn).await {
            Ok(true) if to.is_some() => Ok(()),
            Ok(true) if self.switch.read().kill_switch.is_none() => Ok(()),
            Err(error) if to.is_none() => Err(error),
            kept => {
                if let Err(error) = kept {
                    tracing::warn!(%error, "the kill switch is kept in the file beside the journal instead");
                }
                Ok(self.switch.change(turn).map(drop)?)
            }
        }
    }

    /// Closes the breaker; failures up to now no longer count.
    ///
    /// # Errors
    /// When that can't be written down; then nothing has changed.
    pub async fn close_breaker(&self, now: Timestamp) -> Result<(), NotDecided> {
        let _deciding = self.deciding.lock().await;
        let close = |decisions: &mut Decisions| decisions.breaker_closed_at = Some(now);
        match self.decide(close).await? {
            true => Ok(()),
            false => Ok(self.switch.change(close).map(drop)?),
        }
    }

    /// Changes what the journal's database keeps; false when it keeps nothing of the kind.
    async fn decide(&self, change: impl FnOnce(&mut Decisions)) -> Result<bool, NotDecided> {
        let mut decisions = decided(Ok(self.journal.decisions().await?));
        change(&mut decisions);
        Ok(self.journal.decide(&decisions.document()?).await?)
    }
}

/// What a person decided could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum NotDecided {
    #[error("the decision can't be written beside the journal: {0}")]
    File(#[from] std::io::Error),
    #[error("the decision can't be written: {0}")]
    Database(#[from] StoreError),
}

/// From what the database said, or that it said nothing.
fn decided(stored: Result<Option<String>, StoreError>) -> Decisions {
    match stored {
        Ok(None) => Decisions::default(),
        Ok(Some(document)) => Decisions::of("the journal's table decisions", document.as_bytes()),
        Err(error) => Decisions::on(format!("whether it is on can't be asked: {error}")),
    }
}

/// As far back as anything is counted.
fn counted_from(now: Timestamp) -> Timestamp {
    now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN)
}
