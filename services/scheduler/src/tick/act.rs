//! The second half of a tick: what is decided of a target, and what is done about it.

use std::{sync::Arc, time::Duration};

use common::clock::{Moment, machine};

use super::{
    known::{Gathered, Gathering},
    lease::LeaseKeeper,
};
use crate::{
    context::Context,
    domain::{
        Action, ActionTaken, Decision, Ending, EventKind, Missing, Outcome, Progress, Question,
        ReasonCode, Resize, TargetResult,
    },
    metrics::ErrorKind,
    peers::Failure,
    resizes::{
        followers::{Ends, Followers},
        reconcile,
    },
};

/// The hand that has targets decided upon, and acts.
pub struct Actor {
    context: Context,
    lease: Arc<LeaseKeeper>,
    followers: Followers,
    /// For the report of an action that was not begun.
    report_timeout: Duration,
}

/// The tick that a decision belongs to.
#[derive(Clone, Copy, Debug)]
pub struct TickBounds<'a> {
    /// Its id.
    pub id: &'a str,
    /// Epoch of the lease that it runs under.
    pub lease_epoch: u64,
    /// After this nothing new is begun.
    pub deadline: Moment,
}

impl Actor {
    /// Acts under `lease`, and leaves what it began to `followers`.
    pub fn new(
        context: Context,
        lease: Arc<LeaseKeeper>,
        followers: Followers,
        report_timeout: Duration,
    ) -> Self {
        Self {
            context,
            lease,
            followers,
            report_timeout,
        }
    }

    /// Settles the decisions whose action has no reported end.
    pub async fn settle_pending(&self, lease_epoch: u64) {
        reconcile::pending(&self.context, &self.followers, lease_epoch).await;
    }

    /// A result with everything that is known before the decision; what is missing is counted.
    pub fn observed(&self, gathered: &Gathered<'_>) -> TargetResult {
        let kind = match gathered.knowledge.missing() {
            Some((Missing::Metrics, _)) => Some(ErrorKind::Metrics),
            Some((Missing::Forecast, _)) => Some(ErrorKind::Forecast),
            Some((Missing::Instance, _)) => Some(ErrorKind::Instance),
            None => (!gathered.notes.is_empty()).then_some(ErrorKind::Metrics),
        };
        if let Some(kind) = kind {
            self.context.metrics.error(kind);
        }
        gathered.result(self.context.clock.now(), self.context.state.dry_run())
    }

    /// Has one target decided upon, and does what the decision says.
    pub async fn decide_and_act(
        &self,
        tick: TickBounds<'_>,
        gathering: &Gathering<'_>,
        gathered: &Gathered<'_>,
    ) -> (TargetResult, Option<Ends>) {
        let mut result = self.observed(gathered);
        if self.context.clock.monotonic() >= tick.deadline {
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
            tick_id: tick.id,
            target: gathered.target,
            knowledge: &gathered.knowledge,
            instance_types: gathering.types_for(gathered),
            lease_epoch: tick.lease_epoch,
            notes: &notes,
        };
        let decision = match self.context.peers.decision.decide(&question).await {
            Ok(decision) => decision,
            Err(error) => {
                if error.failure == Failure::Stale {
                    // What comes of it is said at the next tick.
                    let _ = self.lease.renounce(tick.lease_epoch).await;
                }
                self.context.metrics.error(ErrorKind::Decision);
                result.reason_code = Some(ReasonCode::DecisionUnavailable);
                result.reason = format!("no decision, so nothing is done: {error}");
                result.error = result.reason.clone();
                return (result, None);
            }
        };
        result.decision_id = decision.id.clone();
        result.action = decision.action;
        result.reason_code = Some(decision.reason_code);
        result.reason = decision.reason.clone();
        result.confidence = decision.confidence;
        result.predicted_cpu_percent = decision.predicted_cpu_percent;
        result.horizon_seconds = decision.horizon_seconds;
        result.from_type = decision.from_type.clone();
        result.target_instance_type = decision.to_type.clone();
        self.context
            .events
            .target(EventKind::Decision, decision.reason.clone(), &result);
        let ends = match decision.action {
            Action::Hold => None,
            Action::ScaleUp | Action::ScaleDown => self.act(&decision, &mut result).await,
        };
        (result, ends)
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
        match self
            .context
            .peers
            .actuator
            .start_resize(decision, epoch)
            .await
        {
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
            Err(error) => match self.context.peers.actuator.get_resize(&decision.id).await {
                Ok(Some(resize)) => Some(self.started(decision, result, resize)),
                // The request may still be on its way: the decision stays pending until that is sure.
                Ok(None) | Err(_) => {
                    self.context.metrics.error(ErrorKind::Resize);
                    result.error = format!(
                        "{error}; whether the resize started is not known, the next tick asks for it by id"
                    );
                    None
                }
            },
        }
    }

    fn started(&self, decision: &Decision, result: &mut TargetResult, resize: Resize) -> Ends {
        result.action_taken = match &resize.progress {
            Progress::Ended(ending) => ActionTaken::Ended(ending.outcome),
            Progress::UnderWay(_) if resize.dry_run => ActionTaken::DryRun,
            Progress::UnderWay(_) => ActionTaken::Started,
        };
        let message = format!(
            "{} from {} to {}{}",
            decision.instance_id,
            decision.from_type,
            decision.to_type,
            if resize.dry_run { ", dry run" } else { "" }
        );
        self.context
            .events
            .target(EventKind::ResizeStarted, message, result);
        self.followers
            .follow(decision.clone(), result.clone(), resize.progress)
    }

    async fn not_done(
        &self,
        decision: &Decision,
        result: &mut TargetResult,
        outcome: Outcome,
        why: String,
    ) {
        self.context.metrics.error(ErrorKind::Resize);
        result.action_taken = ActionTaken::Ended(outcome);
        result.error = why.clone();
        let ending = Ending {
            outcome,
            instance_type: decision.from_type.clone(),
            detail: why,
            refused_for_good: false,
            at: self.context.clock.now(),
        };
        let finish = self.followers.finish(decision, result.clone(), &ending);
        // Not stored in time: it stays pending, and the next tick settles it.
        let _ = machine().timeout(self.report_timeout, finish).await;
    }
}
