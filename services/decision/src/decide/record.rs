//! A stored decision.

use jiff::Timestamp;

use crate::{
    decide::verdict::{Action, Verdict},
    fleet::outcome::{End, Outcome},
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
    /// When, to the microsecond.
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
