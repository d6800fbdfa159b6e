//! What became of an action whose end nobody reported.

use std::time::Duration;

use crate::{
    context::Context,
    domain::{Decision, Ending, InstanceState, Outcome, Progress},
    peers::{CallError, Failure},
};

/// A decision of another holder may be on its way to the actuator for this long.
const IN_FLIGHT: Duration = Duration::from_secs(30);

/// The state of an action whose end nobody reported.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The actuator knows, or, where it never had it or doesn't know any more, the instance.
    Known(Progress),
    /// Too early to tell: why.
    Wait(String),
}

/// Asks the actuator by id, and, when it doesn't know, looks at the instance. `epoch` is the caller's own, when the
/// decision may be another's.
///
/// # Errors
/// When the actuator can't be asked.
pub async fn settle(
    context: &Context,
    decision: &Decision,
    epoch: Option<u64>,
) -> Result<Settled, CallError> {
    let actuator = &context.peers.actuator;
    if let Some(resize) = actuator.get_resize(&decision.id).await? {
        return Ok(Settled::Known(resize.progress));
    }
    let now = context.clock.now();
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
        Settled::Known(Progress::Ended(Ending {
            outcome,
            instance_type: instance_type.to_owned(),
            detail,
            refused_for_good: false,
            at: now,
        }))
    };
    let instance = match actuator.describe_instance(&decision.instance_id).await {
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
        InstanceState::Running if *runs == decision.to_type => ended(
            Outcome::Succeeded,
            runs,
            format!("runs as {runs}, though the actuator has no record of the resize"),
        ),
        InstanceState::Running => ended(
            Outcome::NotStarted,
            runs,
            format!("still runs as {runs}; the actuator never took the resize on"),
        ),
        InstanceState::Terminated | InstanceState::ShuttingDown => ended(
            Outcome::Gone,
            "",
            "was terminated by somebody else".to_owned(),
        ),
        // Stopped is never the end of a resize.
        state @ (InstanceState::Pending | InstanceState::Stopping | InstanceState::Stopped) => {
            Settled::Wait(format!(
                "{} is {state} and the actuator has no record of resize {}; if nobody stopped it on purpose, start it",
                decision.instance_id, decision.id
            ))
        }
    })
}
