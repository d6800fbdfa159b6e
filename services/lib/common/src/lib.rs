//! What all four services share: configuration, telemetry, gRPC server and client set-up, clock, errors, shutdown.
//!
//! Invariant: this crate imports no service, and knows none of their messages.

mod calls;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod ec2;
pub mod environment;
pub mod exposition;
pub mod files;
pub mod grpc;
pub mod health;
pub mod lines;
pub mod listen;
pub mod metadata;
pub mod names;
mod port_holder;
pub mod private;
pub mod request;
pub mod retry;
pub mod servers;
pub mod service;
pub mod serving;
#[cfg(test)]
mod serving_tests;
pub mod shutdown;
pub mod status;
pub mod telemetry;
pub mod text;
pub mod time;
pub mod unserved;
