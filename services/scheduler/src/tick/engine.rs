//! One tick: what is known, what is decided, what is done, what is said. Nothing here is a loop over time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use common::clock::Moment;
use futures::FutureExt as _;
use jiff::Timestamp;
use tracing::Instrument as _;

use super::{
    act::{Actor, TickBounds},
    gather::{self, gather},
    known::Gathering,
    learn,
    lease::{LeaseKeeper, NoLease},
    reviews::Reviews,
    standing::StandingProbe,
};
use crate::{
    bounded::run_all,
    config::{Config, check::seconds},
    context::Context,
    domain::{Action, ActionTaken, EventKind, ReasonCode, Target, TargetResult, TickReport},
    memory::targets::TargetMemories,
    metrics::ErrorKind,
    resizes::followers::Ends,
    sources::Source,
};

/// Targets decided and acted upon at the same time.
const CONCURRENCY: usize = 128;

/// A log of decisions. A tick waits for it, so it must not wait for its readers.
#[async_trait]
pub trait DecisionLog: Send + Sync {
    /// Writes what was decided.
    async fn write(&self, results: &[&TargetResult]);
}

/// The runner of ticks.
pub struct Engine {
    context: Context,
    source: Arc<dyn Source>,
    lease: Arc<LeaseKeeper>,
    actor: Actor,
    standing: StandingProbe,
    log: Box<dyn DecisionLog>,
    memories: TargetMemories,
    reviews: Reviews,
    /// After it a tick decides with what it has, and starts nothing new.
    timeout: Duration,
}

/// A finished tick, and the resizes that it left running.
#[derive(Debug)]
pub struct TickOutcome {
    /// The results of its targets.
    pub report: Arc<TickReport>,
    /// By position in the report's results.
    resizes: Vec<(usize, Ends)>,
}

impl TickOutcome {
    /// Waits for the resizes of this tick. Those that nobody follows any more keep their last result.
    pub async fn wait_for_resizes(&self) {
        for (_, ends) in &self.resizes {
            let _ = ends.clone().wait_for(Option::is_some).await;
        }
    }

    /// The report, with the ends of resizes that have ended since.
    pub fn current(&self) -> TickReport {
        let mut report = TickReport::clone(&self.report);
        for (position, ends) in &self.resizes {
            if let (Some(ending), Some(result)) =
                (ends.borrow().as_ref(), report.results.get_mut(*position))
            {
                result.action_taken = ActionTaken::Ended(ending.outcome);
            }
        }
        report
    }
}

impl Engine {
    /// Remembers nothing of earlier ticks.
    pub fn new(
        context: Context,
        source: Arc<dyn Source>,
        lease: Arc<LeaseKeeper>,
        actor: Actor,
        standing: StandingProbe,
        log: Box<dyn DecisionLog>,
        config: &Config,
    ) -> Self {
        Self {
            context,
            source,
            lease,
            actor,
            standing,
            log,
            memories: TargetMemories::default(),
            reviews: Reviews::over(config.window()),
            timeout: seconds(config.tick_timeout_seconds),
        }
    }

    /// Runs a tick over `targets` as one trace.
    pub async fn tick(&self, targets: &[Target]) -> TickOutcome {
        let started_at = self.context.clock.now();
        let id = self.context.clock.new_id();
        let span = tracing::info_span!(parent: None, "tick", tick_id = id, targets = targets.len());
        self.run(targets, id, started_at).instrument(span).await
    }

    async fn run(&self, targets: &[Target], id: String, started_at: Timestamp) -> TickOutcome {
        let begin = self.context.clock.monotonic();
        self.context.events.tick(
            EventKind::TickStarted,
            format!("tick {id} over {} targets", targets.len()),
        );
        let parts = match self.lease.ensure().await {
            Ok(epoch) => {
                self.context.metrics.lease(true);
                self.run_holding(targets, &id, epoch, begin).await
            }
            Err(no_lease) => {
                self.context.metrics.lease(false);
                match no_lease {
                    NoLease::Idle(_) => self.run_idle(targets, &no_lease, begin).await,
                    NoLease::Standby(_) | NoLease::Unknown(_) => {
                        if matches!(no_lease, NoLease::Unknown(_)) {
                            self.context.metrics.error(ErrorKind::Lease);
                        }
                        targets
                            .iter()
                            .map(|target| (self.without_lease(target, &no_lease), None))
                            .collect()
                    }
                }
            }
        };
        let (results, ends): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let resizes = ends
            .into_iter()
            .enumerate()
            .filter_map(|(position, ends)| Some((position, ends?)))
            .collect();
        let report = Arc::new(TickReport {
            id,
            started_at,
            finished_at: self.context.clock.now(),
            results,
            dry_run: self.context.state.dry_run(),
        });
        let took = self.context.clock.since(begin);
        self.conclude(&report, took).await;
        TickOutcome { report, resizes }
    }

    async fn run_holding(
        &self,
        targets: &[Target],
        id: &str,
        epoch: u64,
        begin: Moment,
    ) -> Vec<(TargetResult, Option<Ends>)> {
        // Half of the time for knowing, the rest for deciding and doing.
        let budget = self.timeout;
        let settle = self.actor.settle_pending(epoch);
        let clock = &self.context.clock;
        if clock.timeout_at(begin + budget / 4, settle).await.is_err() {
            tracing::warn!("not all pending decisions were settled in time; the next tick goes on");
            self.context.metrics.error(ErrorKind::Reconcile);
        }
        let gathering = self.gather(targets, begin + budget / 2).await;
        let tick = TickBounds {
            id,
            lease_epoch: epoch,
            deadline: begin + budget,
        };
        let mut work = Vec::new();
        for gathered in &gathering.targets {
            work.push(
                self.actor
                    .decide_and_act(tick, &gathering, gathered)
                    .boxed(),
            );
        }
        let decided = run_all(CONCURRENCY, work).await;
        self.reviews.run(&self.context, tick, &gathering).await;
        decided
    }

    /// What can be seen is seen, and nothing is decided.
    async fn run_idle(
        &self,
        targets: &[Target],
        no_lease: &NoLease,
        begin: Moment,
    ) -> Vec<(TargetResult, Option<Ends>)> {
        let gathering = self.gather(targets, begin + self.timeout / 2).await;
        let results = gathering.targets.iter().map(|gathered| {
            let mut result = self.actor.observed(gathered);
            result.reason_code = Some(ReasonCode::InstanceUnavailable);
            result.reason = no_lease.to_string();
            // Whoever does not serve may say why when it is asked for something.
            result.error = match result.error.as_str() {
                "" => result.reason.clone(),
                seen => format!("{}; {seen}", result.reason),
            };
            (result, None)
        });
        results.collect()
    }

    fn without_lease(&self, target: &Target, no_lease: &NoLease) -> TargetResult {
        let mut result = TargetResult::new(target, self.context.clock.now());
        result.dry_run = self.context.state.dry_run();
        result.reason = no_lease.to_string();
        match no_lease {
            NoLease::Standby(_) => result.reason_code = Some(ReasonCode::Standby),
            NoLease::Idle(_) | NoLease::Unknown(_) => {
                result.reason_code = Some(ReasonCode::LeaseUnavailable);
                result.error = no_lease.to_string();
            }
        }
        result
    }

    /// Asks what is known of `targets`, and remembers and says what was learned on the way.
    async fn gather<'a>(&self, targets: &'a [Target], deadline: Moment) -> Gathering<'a> {
        let inputs = gather::Inputs {
            peers: &self.context.peers,
            source: self.source.as_ref(),
            state: &self.context.state,
            memories: &self.memories,
            clock: self.context.clock.as_ref(),
            now: self.context.clock.now(),
            timeout: self.timeout,
            deadline,
        };
        let mut gathering = gather(&inputs, targets).await;
        learn::remember(&self.context, &self.memories, &mut gathering);
        gathering
    }

    async fn conclude(&self, report: &Arc<TickReport>, took: Duration) {
        self.standing.ask().await;
        self.context.state.tick_ended(report);
        self.context.metrics.tick(report, took.as_secs_f64());
        let last = self
            .context
            .targets
            .iter()
            .filter_map(|target| self.context.state.result(&target.id));
        self.context
            .metrics
            .targets(last.map(|result| result.action));
        // On standby nothing was decided: the other scheduler writes the lines.
        let decided = |result: &&TargetResult| result.reason_code != Some(ReasonCode::Standby);
        let lines: Vec<&TargetResult> = report.results.iter().filter(decided).collect();
        self.log.write(&lines).await;
        let mut errors = 0;
        for result in report
            .results
            .iter()
            .filter(|result| !result.error.is_empty())
        {
            errors += 1;
            tracing::warn!(target_id = result.target_id, "{}", result.error);
            self.context
                .events
                .target(EventKind::Error, result.error.clone(), result);
        }
        let acted = report
            .results
            .iter()
            .filter(|result| result.action != Action::Hold)
            .count();
        let message = format!(
            "tick {} over {} targets in {:.0} ms: {acted} to scale, {errors} with errors",
            report.id,
            report.results.len(),
            took.as_secs_f64() * 1_000.0
        );
        tracing::info!("{message}");
        self.context.events.tick(EventKind::TickFinished, message);
    }
}
