//! The actuator against clouds that are simulated, as a library and as the built binary.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests watch the real time of real processes"
)]

mod adapter;
mod iam;
mod journal;
mod machine;
mod moto;
mod process;
mod service;
mod support;
