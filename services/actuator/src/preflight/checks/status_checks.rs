//! It passes the cloud's own checks.

use crate::{
    cloud::Checks,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>) -> Finding {
    match case.status.as_ref().map(|status| status.checks) {
        Err(error) => Finding::unasked(error),
        Ok(Checks::Ok) => Finding::pass("they pass"),
        Ok(Checks::Impaired) => {
            Finding::block("they fail already: a resize could not be told from its cause")
        }
        Ok(Checks::Initializing) => {
            Finding::block("they are not decided yet; try again in a few minutes")
        }
    }
}
