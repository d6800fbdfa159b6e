//! Decisions whose action has no reported end: after a restart, a lost reply, a broken stream.

use futures::FutureExt as _;

use crate::{
    bounded::run_all,
    context::Context,
    domain::{Action, ActionTaken, Decision, Progress, Target, TargetResult},
    memory::state::State,
    metrics::ErrorKind,
    resizes::{
        followers::Followers,
        settle::{Settled, settle},
    },
};

/// Decisions looked into at the same time.
const CONCURRENCY: usize = 16;

/// Settles every pending decision that is not followed here. What can't be settled now stays pending.
pub async fn pending(context: &Context, followers: &Followers, epoch: u64) {
    let decisions = match context.peers.decision.pending_decisions().await {
        Ok(decisions) => decisions,
        Err(error) => {
            tracing::warn!(%error, "pending decisions not read; they stay pending");
            context.metrics.error(ErrorKind::Reconcile);
            return;
        }
    };
    let mut work = Vec::new();
    for decision in decisions {
        if !followers.follows(&decision.id) {
            work.push(settle_one(context, followers, decision, epoch).boxed());
        }
    }
    run_all(CONCURRENCY, work).await;
}

async fn settle_one(context: &Context, followers: &Followers, decision: Decision, epoch: u64) {
    let result = result_of(&decision, &context.state);
    match settle(context, &decision, Some(epoch)).await {
        Ok(Settled::Known(Progress::Ended(ending))) => {
            followers.finish(&decision, result, &ending).await;
        }
        Ok(Settled::Known(progress @ Progress::UnderWay(_))) => {
            tracing::info!(
                resize_id = decision.id,
                "following a resize that was under way"
            );
            followers.follow(decision, result, progress);
        }
        Ok(Settled::Wait(why)) => tracing::warn!("{why}"),
        Err(error) => {
            tracing::warn!(%error, resize_id = decision.id, "pending decision not settled");
            context.metrics.error(ErrorKind::Reconcile);
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
        reason_code: Some(decision.reason_code),
        reason: decision.reason.clone(),
        confidence: decision.confidence,
        predicted_cpu_percent: decision.predicted_cpu_percent,
        horizon_seconds: decision.horizon_seconds,
        action_taken: match decision.action {
            Action::Hold => ActionTaken::None,
            Action::ScaleUp | Action::ScaleDown => ActionTaken::Started,
        },
        from_type: decision.from_type.clone(),
        target_instance_type: decision.to_type.clone(),
        dry_run: decision.dry_run,
        ..TargetResult::new(&target, decision.decided_at)
    }
}
