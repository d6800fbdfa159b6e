//! The scheduler over real sockets, and its built binary.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests watch the real time of real processes"
)]

mod browser;
mod cloudwatch;
mod http;
mod large_fleets;
mod metrics_faults;
mod metrics_queries;
mod one_actor;
mod process;
mod reviews;
mod standing;
mod support;
mod ticks;
mod warming;
