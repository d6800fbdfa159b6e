//! What others ask of the scheduler, and what it shows: gRPC, HTTP, decision lines.

mod convert;
pub mod grpc;
pub mod http;
pub mod lines;
mod targets;
