//! The decision service over gRPC, and its built binary.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod process;
mod service;
