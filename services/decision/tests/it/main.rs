//! The decision service over gRPC, and its built binary.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests watch the real time of real processes"
)]

mod process;
mod service;
