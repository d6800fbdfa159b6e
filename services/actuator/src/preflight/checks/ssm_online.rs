//! Its SSM agent is online. It tells, but never blocks; it is not asked when monitoring is turned off.

use crate::preflight::{
    case::Case,
    finding::{Finding, Verdict},
};

pub(super) fn check(case: &Case<'_>) -> Finding {
    match &case.ssm_online {
        None => Finding::Absent,
        Some(Ok(true)) => Finding::Advice(Verdict::Pass, "the SSM agent is online".to_owned()),
        Some(Ok(false)) => Finding::Advice(
            Verdict::Unknown,
            "the SSM agent is not online; without it monitoring is not set up after the resize"
                .to_owned(),
        ),
        Some(Err(error)) => Finding::Advice(Verdict::Unknown, error.with_remedy()),
    }
}
