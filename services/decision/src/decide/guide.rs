//! The guide: what the newest review of a machine says about how to size it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sizing::{review::Review, rule::Rule};

/// The part of a review that decisions are made from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Guide {
    /// When the review was made.
    pub reviewed_at: Timestamp,
    /// The rule to run from then on.
    pub rule: Rule,
    /// Why that one, a sentence with the numbers.
    pub why: String,
}

impl Guide {
    /// The guide of a review.
    pub fn new(review: &Review, reviewed_at: Timestamp) -> Self {
        Self {
            reviewed_at,
            rule: review.chosen.rule,
            why: review.why(),
        }
    }
}
