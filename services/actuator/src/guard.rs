//! The guard: what persons decided, where it is kept, and what the rails make of it and of the journal's history.

mod switch;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use self::switch::Switch;
use crate::{
    config::Config,
    journal::{self, Admission, Journal, Record, Refusal, StoreError},
    preflight::{Check, Verdict},
    rails::{self, Case, Decisions, KillSwitch, Limits, Recent, Standings, WINDOW},
};

/// What is decided before a resize begins.
#[derive(Debug)]
pub struct Guard {
    switch: Switch,
    journal: Arc<Journal>,
    /// Held while what persons decided is changed: it is read, changed and written.
    deciding: tokio::sync::Mutex<()>,
    limits: Limits,
}

impl Guard {
    /// From the configuration; what persons decided is read when it matters, from the journal's database or a file.
    pub fn new(config: &Config, journal: Arc<Journal>) -> Self {
        let limits = &config.limits;
        Self {
            switch: Switch::new(config.safety_file()),
            journal,
            deciding: tokio::sync::Mutex::default(),
            limits: Limits {
                instance_per_day: limits.instance_per_day,
                fleet_per_day: limits.fleet_per_day,
                breaker_failures: limits.breaker_failures,
                breaker_window: Duration::from_secs(limits.breaker_window_seconds),
                breaker_pause: Duration::from_secs(limits.breaker_pause_seconds),
            },
        }
    }

    /// What persons decided, wherever it is kept. The kill switch is on when the database or the file says so, or when
    /// either can't be read.
    async fn decisions(&self) -> Decisions {
        let stored = self.journal.decisions().await;
        self.switch.read().joined(decided(stored))
    }

    fn case<'a>(
        &self,
        instance_id: &'a str,
        recent: &'a [Recent],
        decisions: &'a Decisions,
        now: Timestamp,
    ) -> Case<'a> {
        Case {
            instance_id,
            recent,
            decisions,
            limits: self.limits,
            now,
        }
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
            rails::objection(&self.case(&id, recent, &decisions, now))
        };
        let rails = journal::Rails {
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

    /// What the rails say to a resize as checks, those that pass included. Rails that are one check speak together: the
    /// first that blocks does.
    ///
    /// # Errors
    /// The journal can't be read.
    pub async fn checks(&self, id: &str, now: Timestamp) -> Result<Vec<Check>, StoreError> {
        let recent = self.recent(now).await?;
        let decisions = self.decisions().await;
        let case = self.case(id, &recent, &decisions, now);
        let mut checks: Vec<Check> = Vec::new();
        for rail in rails::ALL {
            let reading = rail.read(&case);
            let check = Check {
                name: rail.check(),
                verdict: match reading.verdict {
                    rails::Verdict::Pass => Verdict::Pass,
                    rails::Verdict::Block => Verdict::Block,
                },
                detail: reading.sentence,
                advisory: false,
            };
            match checks.iter_mut().find(|other| other.name == check.name) {
                None => checks.push(check),
                Some(other) if other.verdict == Verdict::Pass => *other = check,
                Some(_) => {}
            }
        }
        Ok(checks)
    }

    /// How everything stands.
    ///
    /// # Errors
    /// The journal can't be read.
    pub async fn standings(&self, now: Timestamp) -> Result<Standings, StoreError> {
        let recent = self.recent(now).await?;
        let decisions = self.decisions().await;
        Ok(Standings::of(&self.case("", &recent, &decisions, now)))
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
    Document(#[from] serde_json::Error),
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
