//! Confidence: the condition holds surely enough.

use crate::decide::{
    checks::Finding,
    verdict::ReasonCode,
    want::{Ground, Step},
};

/// The probability of the condition is at least `min_confidence`. What is measured or scheduled needs none.
pub fn check(step: &Step<'_>) -> Finding {
    let want = step.want;
    match want.ground {
        Ground::Forecast => {}
        Ground::Measurement => {
            return Finding::Skip("what is asked for rests on measurements, not on a forecast");
        }
        Ground::Schedule => return Finding::Skip("the schedule asks for it, whatever is forecast"),
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
