//! It runs: nothing else is resized.

use crate::{
    cloud::InstanceState,
    preflight::{case::Case, finding::Finding},
};

pub(super) fn check(case: &Case<'_>) -> Finding {
    let state = case.instance.state;
    Finding::when(
        state == InstanceState::Running,
        "it is running",
        format!("it is {state}; only running instances are resized"),
    )
}
