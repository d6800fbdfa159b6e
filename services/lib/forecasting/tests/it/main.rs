//! Scenario tests of forecasting.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on fails it"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests measure what a forecast takes"
)]

mod artifact;
mod carried;
mod forecasts;
mod foreign;
mod memory;
mod seed;
mod signals;
mod support;
