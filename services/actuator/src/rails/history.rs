//! Resizes as budgets and the breaker count them.

use jiff::Timestamp;

use crate::resize::Outcome;

/// What counts of one resize.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recent {
    pub instance_id: String,
    pub created_at: Timestamp,
    /// `None` while it runs.
    pub finished_at: Option<Timestamp>,
    pub outcome: Option<Outcome>,
    /// What kept it from its target was a refusal for good, of this instance on this type: no sign of trouble elsewhere.
    pub refused_for_good: bool,
}
