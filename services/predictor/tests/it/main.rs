//! Scenario tests of the predictor.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on fails it"
)]

mod artifact;
mod carried;
mod concurrency;
mod explain;
mod forecasts;
mod foreign;
mod memory;
mod reload;
mod seed;
mod service;
mod support;
