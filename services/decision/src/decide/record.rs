//! A stored decision.

use jiff::Timestamp;

use crate::{
    decide::{
        input::{Input, State},
        verdict::{Action, Verdict},
    },
    fleet::outcome::{End, Outcome},
    policy::document::Policy,
};

/// A decision as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// UUID, version 7.
    pub decision_id: String,
    /// The tick it belongs to.
    pub tick_id: String,
    /// The target.
    pub target_id: String,
    /// The instance.
    pub instance_id: String,
    /// When, to the millisecond.
    pub decided_at: Timestamp,
    /// The type at that time.
    pub from_instance_type: String,
    /// What was decided, and why.
    pub verdict: Verdict,
    /// The actuator will only pretend.
    pub dry_run: bool,
    /// Version of the policy.
    pub policy_version: String,
    /// Digest of the input.
    pub input_digest: String,
    /// Epoch of the caller's lease.
    pub lease_epoch: u64,
    /// An action whose end has not been reported. Never true for Hold or in a dry run.
    pub pending: bool,
    /// How the action ended.
    pub end: Option<End>,
}

/// A decision with all that it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// What was decided.
    pub decision: Decision,
    /// From what.
    pub input: Input,
    /// And from what was remembered.
    pub state: State,
    /// Under which policy.
    pub policy: Policy,
}

/// Why an outcome can't be taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OutcomeError {
    /// There was nothing to do.
    #[error("decision {0} was to hold: there is no action that could end")]
    Hold(String),
    /// It was reported before, and differently.
    #[error("decision {decision_id} already ended: {before}; it can't end again: {after}")]
    Ended {
        /// Which decision.
        decision_id: String,
        /// What was said first.
        before: &'static str,
        /// What is said now.
        after: &'static str,
    },
    /// A dry run that claims to have changed a machine.
    #[error(
        "decision {decision_id} was a dry run, but the outcome says that the machine was changed: {outcome}"
    )]
    DryRunTouched {
        /// Which decision.
        decision_id: String,
        /// What was said.
        outcome: &'static str,
    },
}

impl Decision {
    /// The type that the machine has after it; `None` where the reporter did not say.
    pub fn instance_type_after(&self) -> Option<&str> {
        match &self.end {
            Some(end) if end.outcome.touched_the_machine() => {
                Some(end.instance_type.as_str()).filter(|name| !name.is_empty())
            }
            _ => Some(&self.from_instance_type),
        }
    }

    /// Whether `outcome` may be recorded: `true` when it is new, `false` when it was recorded before.
    ///
    /// # Errors
    /// When it contradicts what is stored.
    pub fn accepts(&self, outcome: Outcome) -> Result<bool, OutcomeError> {
        let decision_id = self.decision_id.clone();
        if self.verdict.action == Action::Hold {
            return Err(OutcomeError::Hold(decision_id));
        }
        match &self.end {
            Some(end) if end.outcome == outcome => Ok(false),
            Some(end) => Err(OutcomeError::Ended {
                decision_id,
                before: end.outcome.words(),
                after: outcome.words(),
            }),
            None if self.dry_run && outcome.touched_the_machine() => {
                Err(OutcomeError::DryRunTouched {
                    decision_id,
                    outcome: outcome.words(),
                })
            }
            None => Ok(true),
        }
    }
}

/// The type that the machine of `input` should have by all that was decided and reported, when it has another one now:
/// somebody else resized it. `None` for a machine that was not seen before.
///
/// `seen_last` is the target's newest decision that knew a type. `ended_since` are those of its decisions whose actions
/// ended after that, the newest end first: ticks went by while they were under way, and saw what they were coming from.
pub fn resized_by_others(
    seen_last: &Decision,
    ended_since: &[Decision],
    input: &Input,
) -> Option<String> {
    let touched = |decision: &&Decision| {
        let end = decision.end.as_ref();
        end.is_some_and(|end| end.outcome.touched_the_machine())
    };
    let last = ended_since.iter().find(touched).unwrap_or(seen_last);
    let expected = last.instance_type_after()?;
    let another = last.instance_id == input.instance_id && expected != input.instance_type;
    another.then(|| expected.to_owned())
}
