//! One tick: what is known, what is decided, what is done, what is said. Nothing here is a loop over time.

use std::{sync::Arc, time::Duration};

use common::{clock::SharedClock, names};
use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    api::lines::Report,
    bounded::run_all,
    config::{Config, seconds},
    domain::{
        Action, Decision, Ending, EventKind, Outcome, Question, Resize, Target, TargetResult,
        TickReport, Unknown,
    },
    events::Events,
    memory::{state::State, targets::TargetMemories},
    metrics::{ErrorKind, Metrics},
    peers::{Clients, Failure},
    resizes::{
        followers::{Ends, Followers},
        reconcile,
    },
    sources::prometheus::PrometheusSource,
    tick::{
        gather::{Gathered, Gathering, gather},
        lease::{LeaseKeeper, NoLease},
        standing::Standing,
    },
};

/// Targets decided and acted upon at the same time.
const CONCURRENCY: usize = 16;

/// Reason code of a scheduler that isn't the one actor.
const STANDBY: &str = "standby";

/// Everything a tick works with.
pub struct Engine {
    pub config: Config,
    pub targets: Vec<Target>,
    pub clock: SharedClock,
    pub clients: Clients,
    pub source: PrometheusSource,
    pub lease: LeaseKeeper,
    pub followers: Followers,
    pub state: Arc<State>,
    pub memories: TargetMemories,
    pub events: Events,
    pub report: Report,
    pub metrics: Metrics,
}

impl Engine {
    /// The target of that name, else the one with that instance.
    ///
    /// # Errors
    /// There is none; the end of a sentence with the nearest names.
    pub fn target(&self, name: &str) -> Result<&Target, String> {
        let mut by_name = self.targets.iter().filter(|target| target.id == name);
        let mut by_instance = self
            .targets
            .iter()
            .filter(|target| target.instance_id == name);
        by_name
            .next()
            .or_else(|| by_instance.next())
            .ok_or_else(|| {
                let known: Vec<&str> = self
                    .targets
                    .iter()
                    .map(|target| target.id.as_str())
                    .collect();
                names::hint(name, &known)
            })
    }
}

/// A finished tick, and the resizes that it left running.
#[derive(Debug)]
pub struct TickOutcome {
    /// What the tick did.
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
                result.action_taken = ending.outcome.name();
            }
        }
        report
    }
}

impl Engine {
    /// Runs a tick over `targets` as one trace.
    pub async fn tick(&self, targets: &[Target]) -> TickOutcome {
        let started_at = self.clock.now();
        let id = tick_id(started_at);
        let span = tracing::info_span!(parent: None, "tick", tick_id = id, targets = targets.len());
        self.run(targets, id, started_at).instrument(span).await
    }

    async fn run(&self, targets: &[Target], id: String, started_at: Timestamp) -> TickOutcome {
        let begin = Instant::now();
        self.events.tick(
            EventKind::TickStarted,
            format!("tick {id} over {} targets", targets.len()),
        );
        let parts = match self.lease.ensure().await {
            Ok(epoch) => {
                self.metrics.lease(true);
                self.run_holding(targets, &id, epoch, begin).await
            }
            Err(no_lease) => {
                self.metrics.lease(false);
                match no_lease {
                    NoLease::Idle(_) => self.run_idle(targets, &no_lease, begin).await,
                    NoLease::Standby(_) | NoLease::Unknown(_) => {
                        if matches!(no_lease, NoLease::Unknown(_)) {
                            self.metrics.error(ErrorKind::Lease);
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
            finished_at: self.clock.now(),
            results,
            dry_run: self.state.dry_run(),
        });
        self.conclude(&report, begin.elapsed()).await;
        TickOutcome { report, resizes }
    }

    async fn run_holding(
        &self,
        targets: &[Target],
        id: &str,
        epoch: u64,
        begin: Instant,
    ) -> Vec<(TargetResult, Option<Ends>)> {
        // Half of the time for knowing, the rest for deciding and doing.
        let budget = seconds(self.config.tick_timeout_seconds);
        let settle = reconcile::pending(
            &self.clients,
            &self.clock,
            &self.followers,
            &self.state,
            &self.metrics,
            epoch,
        );
        if tokio::time::timeout_at(begin + budget / 4, settle)
            .await
            .is_err()
        {
            tracing::warn!("not all pending decisions were settled in time; the next tick goes on");
            self.metrics.error(ErrorKind::Reconcile);
        }
        let gathering = gather(self, targets, begin + budget / 2).await;
        let mut work = Vec::new();
        for gathered in &gathering.targets {
            let one = self.decide_and_act(id, epoch, &gathering, gathered, begin + budget);
            work.push(one.boxed());
        }
        run_all(CONCURRENCY, work).await
    }

    /// What can be seen is seen, and nothing is decided.
    async fn run_idle(
        &self,
        targets: &[Target],
        no_lease: &NoLease,
        begin: Instant,
    ) -> Vec<(TargetResult, Option<Ends>)> {
        let budget = seconds(self.config.tick_timeout_seconds);
        let gathering = gather(self, targets, begin + budget / 2).await;
        let results = gathering.targets.iter().map(|gathered| {
            let mut result = self.observed(gathered);
            result.reason_code = "instance_unavailable".to_owned();
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
        let mut result = TargetResult::new(target, self.clock.now());
        result.dry_run = self.state.dry_run();
        result.reason = no_lease.to_string();
        match no_lease {
            NoLease::Standby(_) => result.reason_code = STANDBY.to_owned(),
            NoLease::Idle(_) | NoLease::Unknown(_) => {
                result.reason_code = "lease_unavailable".to_owned();
                result.error = no_lease.to_string();
            }
        }
        result
    }

    async fn decide_and_act(
        &self,
        tick_id: &str,
        lease_epoch: u64,
        gathering: &Gathering<'_>,
        gathered: &Gathered<'_>,
        deadline: Instant,
    ) -> (TargetResult, Option<Ends>) {
        let mut result = self.observed(gathered);
        if Instant::now() >= deadline {
            result.error =
                "the tick ran out of time before this target; see scheduler.tick_timeout_seconds"
                    .to_owned();
            return (result, None);
        }
        let notes: Vec<String> = gathered
            .notes
            .iter()
            .chain(&gathered.advice)
            .cloned()
            .collect();
        let question = Question {
            tick_id,
            target: gathered.target,
            instance: gathered.instance.as_ref(),
            observation: gathered.known.as_ref().map(|known| &known.observation),
            forecast: gathered.forecast.as_ref(),
            unknown: gathered.unknown.as_ref(),
            instance_types: gathering.types_for(gathered),
            lease_epoch,
            notes: &notes,
        };
        let decision = match self.clients.decide(&question).await {
            Ok(decision) => decision,
            Err(error) => {
                if error.failure == Failure::Stale {
                    // What comes of it is said at the next tick.
                    let _ = self.lease.renounce(lease_epoch).await;
                }
                self.metrics.error(ErrorKind::Decision);
                result.reason_code = "decision_unavailable".to_owned();
                result.reason = format!("no decision, so nothing is done: {error}");
                result.error = result.reason.clone();
                return (result, None);
            }
        };
        result.decision_id = decision.id.clone();
        result.action = decision.action;
        result.reason_code = decision.reason_code.clone();
        result.reason = decision.reason.clone();
        result.confidence = decision.confidence;
        result.predicted_cpu_percent = decision.predicted_cpu_percent;
        result.horizon_seconds = decision.horizon_seconds;
        result.from_type = decision.from_type.clone();
        result.target_instance_type = decision.to_type.clone();
        self.events
            .target(EventKind::Decision, decision.reason.clone(), &result);
        let ends = match decision.action {
            Action::Hold => None,
            Action::ScaleUp | Action::ScaleDown => self.act(&decision, &mut result).await,
        };
        (result, ends)
    }

    /// A result with everything that is known before the decision.
    fn observed(&self, gathered: &Gathered<'_>) -> TargetResult {
        let mut result = TargetResult::new(gathered.target, self.clock.now());
        result.dry_run = self.state.dry_run();
        if let Some(instance) = &gathered.instance {
            result.instance_type = instance.instance_type.clone();
            result.target_instance_type = instance.instance_type.clone();
            result.dry_run = instance.dry_run;
        }
        if let Some(known) = &gathered.known {
            result.cpu_percent = Some(known.observation.cpu_percent);
            result.memory_percent = known.observation.memory_percent;
            result.disk_bytes_per_second = known.observation.disk_bytes_per_second;
        }
        if let Some(forecast) = &gathered.forecast {
            result.forecast_basis = forecast.basis();
        }
        if let Some(unknown) = &gathered.unknown {
            self.metrics.error(match unknown {
                Unknown::Metrics(_) => ErrorKind::Metrics,
                Unknown::Forecast(_) => ErrorKind::Forecast,
                Unknown::Instance(_) => ErrorKind::Instance,
            });
        } else if !gathered.notes.is_empty() {
            self.metrics.error(ErrorKind::Metrics);
        }
        let problems = gathered.unknown.iter().map(Unknown::reason);
        let notes = gathered.notes.iter().map(String::as_str);
        result.error = problems.chain(notes).collect::<Vec<_>>().join("; ");
        result
    }

    /// Hands the action to the actuator, and to a follower what comes of it.
    async fn act(&self, decision: &Decision, result: &mut TargetResult) -> Option<Ends> {
        let holds = match self.lease.confirm().await {
            Ok(epoch) if epoch == decision.lease_epoch => Ok(epoch),
            Ok(_) => Err("the lease was lost and had again since the decision".to_owned()),
            Err(no_lease) => Err(no_lease.to_string()),
        };
        let epoch = match holds {
            Ok(epoch) => epoch,
            Err(why) => {
                let why = format!("not started: {why}");
                self.not_done(decision, result, Outcome::NotStarted, why)
                    .await;
                return None;
            }
        };
        match self.clients.start_resize(decision, epoch).await {
            Ok(resize) => Some(self.started(decision, result, resize)),
            // No fault of the target, and nothing was done: it needs no backoff.
            Err(error) if error.failure == Failure::Stale => {
                let next = match self.lease.renounce(epoch).await {
                    Ok(now) if now == epoch => String::new(),
                    Ok(_) => "; the lease was acquired anew, and the next tick acts".to_owned(),
                    Err(no_lease) => format!("; {no_lease}"),
                };
                let why = format!("{error}{next}");
                self.not_done(decision, result, Outcome::NotStarted, why)
                    .await;
                None
            }
            Err(error)
                if matches!(
                    error.failure,
                    Failure::Refused | Failure::Invalid | Failure::NotFound
                ) =>
            {
                // A refusal because somebody else acts is no fault of the target: it needs no backoff.
                let outcome = match self.lease.ensure().await {
                    Ok(now) if now == epoch => Outcome::Refused,
                    Ok(_) | Err(_) => Outcome::NotStarted,
                };
                self.not_done(decision, result, outcome, error.to_string())
                    .await;
                None
            }
            Err(error) => match self.clients.get_resize(&decision.id).await {
                Ok(Some(resize)) => Some(self.started(decision, result, resize)),
                // The request may still be on its way: the decision stays pending until that is sure.
                Ok(None) | Err(_) => {
                    self.metrics.error(ErrorKind::Resize);
                    result.error = format!(
                        "{error}; whether the resize started is not known, the next tick asks for it by id"
                    );
                    None
                }
            },
        }
    }

    fn started(&self, decision: &Decision, result: &mut TargetResult, resize: Resize) -> Ends {
        result.action_taken = match &resize.ending {
            Some(ending) => ending.outcome.name(),
            None if resize.dry_run => Outcome::DryRun.name(),
            None => "started",
        };
        let message = format!(
            "{} from {} to {}{}",
            decision.instance_id,
            decision.from_type,
            decision.to_type,
            if resize.dry_run { ", dry run" } else { "" }
        );
        self.events
            .target(EventKind::ResizeStarted, message, result);
        self.followers
            .follow(decision.clone(), result.clone(), resize)
    }

    async fn not_done(
        &self,
        decision: &Decision,
        result: &mut TargetResult,
        outcome: Outcome,
        why: String,
    ) {
        self.metrics.error(ErrorKind::Resize);
        result.action_taken = outcome.name();
        result.error = why.clone();
        let ending = Ending {
            outcome,
            instance_type: decision.from_type.clone(),
            detail: why,
            refused_for_good: false,
            at: self.clock.now(),
        };
        let finish = self.followers.finish(decision, result.clone(), &ending);
        // Not stored in time: it stays pending, and the next tick settles it.
        let _ = tokio::time::timeout(self.config.call_timeout(), finish).await;
    }

    async fn conclude(&self, report: &Arc<TickReport>, took: Duration) {
        Standing::ask(self).await;
        self.state.tick_ended(report);
        self.metrics.tick(report, took.as_secs_f64());
        let last = self
            .targets
            .iter()
            .filter_map(|target| self.state.result(&target.id));
        self.metrics.targets(last.map(|result| result.action));
        // On standby nothing was decided: the other scheduler writes the lines.
        let decided = |result: &&TargetResult| result.reason_code != STANDBY;
        let lines: Vec<&TargetResult> = report.results.iter().filter(decided).collect();
        self.report.write(&lines).await;
        let mut errors = 0;
        for result in report
            .results
            .iter()
            .filter(|result| !result.error.is_empty())
        {
            errors += 1;
            tracing::warn!(target_id = result.target_id, "{}", result.error);
            self.events
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
        self.events.tick(EventKind::TickFinished, message);
    }
}

/// A UUID of version 7 at the clock's time, so that ids sort by time in simulations too.
fn tick_id(at: Timestamp) -> String {
    let second = u64::try_from(at.as_second()).unwrap_or_default();
    let nanosecond = u32::try_from(at.subsec_nanosecond()).unwrap_or_default();
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::NoContext,
        second,
        nanosecond,
    ))
    .to_string()
}
