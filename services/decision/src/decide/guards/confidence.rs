//! Confidence: the condition holds surely enough.

use crate::decide::{checks::Finding, verdict::ReasonCode, want::Step};

/// The probability of the condition is at least `min_confidence`. What is measured needs none.
pub fn check(step: &Step<'_>) -> Finding {
    let want = step.want;
    if want.measured {
        return Finding::Skip("what is asked for rests on measurements, not on a forecast");
    }
    let (has, needs) = (want.confidence, step.case.policy.min_confidence);
    if has >= needs {
        return Finding::Pass(format!("probability {has:.2}; {needs:.2} is asked"));
    }
    let numbers = format!("only with probability {has:.2}; {needs:.2} is asked");
    let why = match &want.doubt {
        Some(doubt) => format!("{doubt} {numbers}"),
        None => numbers,
    };
    step.block(ReasonCode::ConfidenceTooLow, why)
}
