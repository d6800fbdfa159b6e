//! Scenario tests of the predictor.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on fails it"
)]

mod concurrency;
mod explain;
mod moved;
mod reload;
mod service;
mod support;
