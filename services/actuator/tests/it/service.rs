//! The whole service over a fake cloud, through its gRPC interface.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod bindings;
mod calls;
mod epochs;
mod faults;
mod limits;
mod monitoring;
mod restart;
mod support;
mod tags;
