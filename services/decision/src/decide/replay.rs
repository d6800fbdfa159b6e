//! A decision made again from what was stored with it.

use crate::{
    decide::{
        record::{Decision, Stored},
        walk,
    },
    policy::document::Policy,
};

/// Decides again by the policy that was in force.
pub fn again(stored: &Stored) -> Decision {
    by(stored, &stored.policy)
}

/// Decides again by another policy: what would have been decided by it, with the same knowledge at the same time. How the
/// action ended is that of the decision which was made.
pub fn by(stored: &Stored, policy: &Policy) -> Decision {
    let Stored {
        decision,
        input,
        state,
        ..
    } = stored;
    Decision {
        verdict: walk::decide(policy, input, state, decision.decided_at),
        policy_version: policy.version(),
        ..decision.clone()
    }
}
