//! Decisions whose action has no reported end: after a restart, a lost reply, a broken stream.

use std::time::Duration;

use common::clock::SharedClock;
use futures::FutureExt as _;

use crate::{
    bounded::run_all,
    domain::{Action, Decision, Ending, Outcome, Resize, Target, TargetResult},
    memory::state::State,
    metrics::{ErrorKind, Metrics},
    peers::{CallError, Clients, Failure},
    resizes::followers::Followers,
};

/// Decisions looked into at the same time.
const CONCURRENCY: usize = 16;
/// A decision of another holder may be on its way to the actuator for this long.
const IN_FLIGHT: Duration = Duration::from_secs(30);

/// What became of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The actuator has it.
    Resize(Resize),
    /// The actuator never had it, or doesn't know any more; the instance tells.
    Ended(Ending),
    /// Too early to tell: why.
    Wait(String),
}

/// Asks the actuator by id, and, when it doesn't know, looks at the instance. `epoch` is the caller's own, when the
/// decision may be another's.
///
/// # Errors
/// When the actuator can't be asked.
pub async fn settle(
    clients: &Clients,
    clock: &SharedClock,
    decision: &Decision,
    epoch: Option<u64>,
) -> Result<Settled, CallError> {
    if let Some(resize) = clients.get_resize(&decision.id).await? {
        return Ok(Settled::Resize(resize));
    }
    let now = clock.now();
    let foreign = epoch.is_some_and(|epoch| epoch != decision.lease_epoch);
    let age = now.duration_since(decision.decided_at);
    if foreign && age.unsigned_abs() < IN_FLIGHT {
        return Ok(Settled::Wait(format!(
            "decision {} of another scheduler is only {} s old and not at the actuator yet",
            decision.id,
            age.as_secs(),
        )));
    }
    let ended = |outcome, instance_type: &str, detail: String| {
        Settled::Ended(Ending {
            outcome,
            instance_type: instance_type.to_owned(),
            detail,
            refused_for_good: false,
            at: now,
        })
    };
    let instance = match clients.describe_instance(&decision.instance_id).await {
        Ok(instance) => instance,
        Err(error) if error.failure == Failure::NotFound => {
            return Ok(ended(
                Outcome::Gone,
                "",
                "does not exist any more".to_owned(),
            ));
        }
        Err(error) => return Err(error),
    };
    let runs = &instance.instance_type;
    Ok(match instance.state {
        "running" if *runs == decision.to_type => ended(
            Outcome::Succeeded,
            runs,
            format!("runs as {runs}, though the actuator has no record of the resize"),
        ),
        "running" => ended(
            Outcome::NotStarted,
            runs,
            format!("still runs as {runs}; the actuator never took the resize on"),
        ),
        "terminated" | "shutting down" => ended(
            Outcome::Gone,
            "",
            "was terminated by somebody else".to_owned(),
        ),
        // Stopped is never the end of a resize.
        state => Settled::Wait(format!(
            "{} is {state} and the actuator has no record of resize {}; if nobody stopped it on purpose, start it",
            decision.instance_id, decision.id
        )),
    })
}

/// Settles every pending decision that is not followed here. What can't be settled now stays pending.
pub async fn pending(
    clients: &Clients,
    clock: &SharedClock,
    followers: &Followers,
    state: &State,
    metrics: &Metrics,
    epoch: u64,
) {
    let decisions = match clients.pending_decisions().await {
        Ok(decisions) => decisions,
        Err(error) => {
            tracing::warn!(%error, "pending decisions not read; they stay pending");
            metrics.error(ErrorKind::Reconcile);
            return;
        }
    };
    let mut work = Vec::new();
    for decision in decisions {
        if !followers.follows(&decision.id) {
            work.push(
                settle_one(clients, clock, followers, state, metrics, decision, epoch).boxed(),
            );
        }
    }
    run_all(CONCURRENCY, work).await;
}

async fn settle_one(
    clients: &Clients,
    clock: &SharedClock,
    followers: &Followers,
    state: &State,
    metrics: &Metrics,
    decision: Decision,
    epoch: u64,
) {
    let result = result_of(&decision, state);
    match settle(clients, clock, &decision, Some(epoch)).await {
        Ok(
            Settled::Resize(Resize {
                ending: Some(ending),
                ..
            })
            | Settled::Ended(ending),
        ) => {
            followers.finish(&decision, result, &ending).await;
        }
        Ok(Settled::Resize(resize)) => {
            tracing::info!(
                resize_id = decision.id,
                "following a resize that was under way"
            );
            followers.follow(decision, result, resize);
        }
        Ok(Settled::Wait(why)) => tracing::warn!("{why}"),
        Err(error) => {
            tracing::warn!(%error, resize_id = decision.id, "pending decision not settled");
            metrics.error(ErrorKind::Reconcile);
        }
    }
}

/// The result that a decision belongs to, as far as this process remembers it.
fn result_of(decision: &Decision, state: &State) -> TargetResult {
    if let Some(known) = state.result(&decision.target_id)
        && known.decision_id == decision.id
    {
        return known;
    }
    let target = Target {
        id: decision.target_id.clone(),
        instance_id: decision.instance_id.clone(),
        label: None,
        ladder: Vec::new(),
    };
    TargetResult {
        instance_type: decision.from_type.clone(),
        decision_id: decision.id.clone(),
        action: decision.action,
        reason_code: decision.reason_code.clone(),
        reason: decision.reason.clone(),
        confidence: decision.confidence,
        predicted_cpu_percent: decision.predicted_cpu_percent,
        horizon_seconds: decision.horizon_seconds,
        action_taken: if decision.action == Action::Hold {
            "none"
        } else {
            "started"
        },
        from_type: decision.from_type.clone(),
        target_instance_type: decision.to_type.clone(),
        dry_run: decision.dry_run,
        ..TargetResult::new(&target, decision.decided_at)
    }
}
