//! The `headroom` strategy: the one sizing rule that the policy names.

use sizing::rule::Rule;

use crate::decide::{
    case::Known,
    strategy::sizing_rule,
    want::{NoWant, Want},
};

/// What the policy's rule asks for.
///
/// # Errors
/// None.
pub fn ask(known: &Known<'_>) -> Result<Want, NoWant> {
    let rule = Rule::Fit(known.case.policy.headroom);
    sizing_rule::ask(known, &rule)
}
